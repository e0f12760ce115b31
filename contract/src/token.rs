//! Play tokens: a right to one action on some streams until some time, made by the server or by an
//! application that holds a key, checked by an edge without asking anyone.
//!
//! There are two forms. The server's own is `weirplay1.<key id>.<payload>.<mac>`: the payload is
//! JSON in base 64 (URL alphabet, no padding), the mac is HMAC-SHA-256 over all that stands before
//! its dot. The other is a JSON Web Token ([`jwt`]), signed by a key of a [`KeySet`]. [`check`]
//! reads either and gives the [`Right`] that it grants.

pub mod jwt;
mod right;

use std::net::IpAddr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use right::{Bearer, Right, TokenUse};

use crate::address::Requested;
use crate::facts::{Action, Proof};
use crate::id::{ClientId, KeyId};
use crate::key_set::KeySet;
use crate::pattern::Pattern;
use crate::secret::Secret;

/// The query parameter that carries a play token.
pub const TOKEN_PARAMETER: &str = "token";
/// The longest token that is looked at; chosen, because URLs have at most 8 KiB.
pub const MAX_TOKEN_BYTES: usize = 4_096;

const PREFIX: &str = "weirplay1";

/// A key that signs play tokens and hops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// Its id; it stands in what was signed.
    pub id: KeyId,
    /// The key itself: at least 32 random bytes as text.
    pub secret: Secret,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token, or not signed by a key at hand.
    #[error("the token is damaged or signed by another key")]
    Damaged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// A claim is missing or cannot be read.
    #[error("the token's claim `{0}` is missing or cannot be read")]
    Claim(&'static str),
    /// It was made by someone else, or for someone else.
    #[error("the token names another {0}")]
    Foreign(&'static str),
    /// It is for another application, stream, action or address.
    #[error("the token is for {0}")]
    Elsewhere(&'static str),
    /// It stands for a client that is not registered.
    #[error("the token stands for a client that is not registered")]
    Bearer,
}

/// A token of the server's own form: a right to play or publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayToken {
    /// Applications it is for.
    pub app: Pattern,
    /// Streams it is for.
    pub stream: Pattern,
    /// What it allows.
    pub action: Action,
    /// Until when, in Unix milliseconds.
    pub expires_at_ms: u64,
    /// The only address that may use it; `None` means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addr: Option<IpAddr>,
    /// The client it stands for; `None` leaves its bearer unknown, but let in by the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// Its name, by which its sessions are counted; `None` counts them by the text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many sessions at once it is good for, over the whole cluster; `None` is any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

impl PlayToken {
    /// The token as text.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let payload = serde_json::to_vec(self).expect("a token has only text keys");
        sign(PREFIX, key, &BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    /// Reads a token whose signature and time hold.
    ///
    /// # Errors
    /// [`TokenError::Damaged`] or [`TokenError::Expired`].
    pub fn verify(text: &str, keys: &[SigningKey], now_ms: u64) -> Result<Self, TokenError> {
        let payload = verify(PREFIX, keys, text)?;
        let token: Self = serde_json::from_slice(&payload).map_err(|_| TokenError::Damaged)?;
        if token.expires_at_ms <= now_ms {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }
}

/// Checks the signature and the time of a token of either form.
///
/// # Errors
/// Any [`TokenError`] but [`TokenError::Elsewhere`] and [`TokenError::Bearer`], which depend on
/// the request.
pub fn check(
    text: &str,
    keys: &[SigningKey],
    key_sets: &[KeySet],
    now_ms: u64,
) -> Result<Right, TokenError> {
    if jwt::is_jwt(text) {
        return jwt::verify(text, key_sets, now_ms);
    }
    let token = PlayToken::verify(text, keys, now_ms)?;
    Ok(Right {
        id: token.id.unwrap_or_else(|| name_of(text)),
        app: token.app,
        stream: token.stream,
        actions: vec![token.action],
        addr: token.addr,
        bearer: token.client.map(Bearer::Id),
        uses: token.uses,
    })
}

/// A name for a token that has none: what was signed, hashed. The signature is left out, because
/// some kinds can be written in several ways.
fn name_of(text: &str) -> String {
    let signed = text.rsplit_once('.').map_or(text, |(signed, _)| signed);
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(signed)[..16])
}

/// Whether a text claims to be a play token of the server's own form; such a text is not passed on
/// to an origin.
#[must_use]
pub fn is_play_token(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a text may be a play token of either form. Of a JSON Web Token nobody knows before it
/// was checked whether it was meant for the edge or for the application.
#[must_use]
pub fn may_be_play_token(text: &str) -> bool {
    is_play_token(text) || jwt::is_jwt(text)
}

fn mac(key: &SigningKey) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key.secret.expose().as_bytes())
        .expect("HMAC takes keys of any length")
}

/// `prefix.key.payload.mac`.
pub(crate) fn sign(prefix: &str, key: &SigningKey, payload: &str) -> String {
    let signed = format!("{prefix}.{}.{payload}", key.id);
    let tag = mac(key)
        .chain_update(signed.as_bytes())
        .finalize()
        .into_bytes();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Checks the signature and returns the payload's bytes.
pub(crate) fn verify(prefix: &str, keys: &[SigningKey], text: &str) -> Result<Vec<u8>, TokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Damaged);
    }
    let (signed, tag) = text.rsplit_once('.').ok_or(TokenError::Damaged)?;
    let mut parts = signed.split('.');
    let (Some(seen), Some(key), Some(payload), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Damaged);
    };
    let key: KeyId = key.parse().map_err(|_| TokenError::Damaged)?;
    let key = keys
        .iter()
        .find(|known| known.id == key)
        .ok_or(TokenError::Damaged)?;
    let tag = BASE64_URL_SAFE_NO_PAD
        .decode(tag)
        .map_err(|_| TokenError::Damaged)?;
    if seen != prefix
        || mac(key)
            .chain_update(signed.as_bytes())
            .verify_slice(&tag)
            .is_err()
    {
        return Err(TokenError::Damaged);
    }
    BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| TokenError::Damaged)
}

/// The proof that a request brings in its query: a token that may be meant for the edge.
#[must_use]
pub fn proof_in(requested: &Requested) -> Proof {
    match requested.parameter(TOKEN_PARAMETER) {
        Some(text) if may_be_play_token(text) => Proof::PlayToken {
            token: Secret::new(text),
        },
        Some(_) | None => Proof::None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    fn token() -> PlayToken {
        PlayToken {
            app: Pattern::parse("live").unwrap(),
            stream: Pattern::parse("cam*").unwrap(),
            action: Action::Play,
            expires_at_ms: 1_000,
            addr: None,
            client: None,
            id: None,
            uses: None,
        }
    }

    #[test]
    fn a_signed_token_reads_back_until_it_expires() {
        let key = fixture::signing_key();
        let text = token().sign(&key);
        assert!(is_play_token(&text));
        assert_eq!(
            PlayToken::verify(&text, std::slice::from_ref(&key), 999).unwrap(),
            token()
        );
        assert_eq!(
            PlayToken::verify(&text, &[key], 1_000),
            Err(TokenError::Expired)
        );
        assert_eq!(PlayToken::verify(&text, &[], 0), Err(TokenError::Damaged));
    }

    #[test]
    fn any_altered_byte_is_seen() {
        let keys = [fixture::signing_key()];
        let text = token().sign(&keys[0]);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(altered) = String::from_utf8(bytes) {
                assert_eq!(
                    PlayToken::verify(&altered, &keys, 0),
                    Err(TokenError::Damaged),
                    "{altered}"
                );
            }
        }
    }

    #[test]
    fn a_token_without_a_name_is_named_by_what_was_signed() {
        let key = fixture::signing_key();
        let keys = std::slice::from_ref(&key);
        let named = |token: &PlayToken| check(&token.sign(&key), keys, &[], 0).unwrap();
        let plain = named(&token());
        assert_eq!(plain.id, named(&token()).id);
        assert_eq!((plain.id.len(), plain.uses), (22, None));
        let other = PlayToken {
            id: Some("ticket 7".to_owned()),
            uses: Some(2),
            ..token()
        };
        let other = named(&other);
        assert_eq!((other.id.as_str(), other.uses), ("ticket 7", Some(2)));
    }
}
