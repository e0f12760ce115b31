//! Signed play and publish tokens: a right to one action on some streams until some time, made by
//! the server or by an application that holds the key, checked by an edge without asking anyone.
//!
//! The text is `weirplay1.<key id>.<payload>.<mac>`: the payload is JSON in base 64 (URL alphabet,
//! no padding), the mac is HMAC-SHA-256 over all that stands before its dot.

use std::net::IpAddr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::facts::{Action, Facts};
use crate::id::{ClientId, KeyId};
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
    /// It is for another application, stream, action or address.
    #[error("the token is for {0}")]
    Elsewhere(&'static str),
}

/// A right to play or publish.
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

    /// Whether the token is for this request. What is not known yet (at `connect`) does not count
    /// against it: it is asked again at `play` or `publish`.
    ///
    /// # Errors
    /// [`TokenError::Elsewhere`] with what differs.
    pub fn covers(&self, facts: &Facts) -> Result<(), TokenError> {
        let requested = &facts.requested;
        if self
            .addr
            .is_some_and(|addr| addr.to_canonical() != facts.addr.to_canonical())
        {
            return Err(TokenError::Elsewhere("another address"));
        }
        if facts.action.is_some_and(|action| action != self.action) {
            return Err(TokenError::Elsewhere("another action"));
        }
        if requested
            .app
            .as_ref()
            .is_some_and(|app| !self.app.matches(app.as_str()))
        {
            return Err(TokenError::Elsewhere("another application"));
        }
        if requested
            .stream
            .as_ref()
            .is_some_and(|stream| !self.stream.matches(stream.as_str()))
        {
            return Err(TokenError::Elsewhere("another stream"));
        }
        Ok(())
    }
}

/// Whether a text claims to be a play token of ours; such a text is not passed on to an origin.
#[must_use]
pub fn is_play_token(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.starts_with('.'))
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
    fn covers_only_what_it_names() {
        let check = |change: fn(&mut Facts), expected: bool| {
            let mut facts = fixture::play_facts("live", "cam1");
            change(&mut facts);
            assert_eq!(token().covers(&facts).is_ok(), expected, "{facts:?}");
        };
        check(|_| {}, true);
        check(|facts| facts.action = None, true);
        check(|facts| facts.action = Some(Action::Publish), false);
        check(
            |facts| facts.requested.app = Some("vod".parse().unwrap()),
            false,
        );
        check(
            |facts| facts.requested.stream = Some("other".parse().unwrap()),
            false,
        );
    }
}
