//! JSON Web Tokens (RFC 7519, signed as RFC 7515 says) as play tokens.
//!
//! A text, the key sets and the time go in, a [`Right`] comes out. The key decides the algorithm;
//! the token's `alg` can only agree with it, and `none` is no algorithm. Addresses of keys that a
//! token names (`jku`, `x5u`) and keys that it carries (`jwk`) are not looked at.
//!
//! | claim | means |
//! |---|---|
//! | `exp` | until when, in seconds; required |
//! | `nbf` | from when |
//! | `iss`, `aud` | must be what the key set says, where it says something |
//! | `app` | a pattern of applications; required |
//! | `stream` | a pattern of streams; all where it is missing |
//! | `action` | `play` or `publish`, or a list of them; `play` where it is missing |
//! | `addr` | the only address that may use it |
//! | `client` | the name of the registered client that it stands for |
//! | `uses` | how many sessions at once, from 1 |
//! | `jti` | its name, by which those are counted |

use std::net::IpAddr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bearer, MAX_TOKEN_BYTES, Right, TokenError, name_of};
use crate::facts::Action;
use crate::key_set::{Algorithm, KeySet, TokenKey};
use crate::pattern::Pattern;

/// By how much the maker's clock may differ; chosen as for hops, because machines that keep time at
/// all keep it within that.
pub const LEEWAY_MS: u64 = 30_000;
/// The most keys that one token is held against; chosen, because a signature takes up to 0.1 ms and
/// nobody is admitted yet.
pub const MAX_TRIED_KEYS: usize = 16;
/// The longest `jti`; chosen, because it stands in reports.
pub const MAX_ID_BYTES: usize = 128;

/// Whether a text has the shape of such a token: three parts, the first of which is JSON.
#[must_use]
pub fn is_jwt(text: &str) -> bool {
    // `eyJ` is `{"` in base 64.
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// What a reader must understand to trust the token: we understand none of it.
    #[serde(default)]
    crit: Option<Value>,
}

/// The claims, each of whatever type it has: a claim that we cannot use is told by its name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    exp: Option<Value>,
    nbf: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    app: Option<Value>,
    stream: Option<Value>,
    action: Option<Value>,
    addr: Option<Value>,
    client: Option<Value>,
    uses: Option<Value>,
    jti: Option<Value>,
}

/// Checks a token's signature and time, and reads what it grants.
///
/// # Errors
/// [`TokenError`], but not [`TokenError::Elsewhere`] and [`TokenError::Bearer`].
pub fn verify(text: &str, key_sets: &[KeySet], now_ms: u64) -> Result<Right, TokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Damaged);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Damaged)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Damaged)?;
    let header: Header = part(header)?;
    let algorithm = Algorithm::parse(&header.alg).ok_or(TokenError::Damaged)?;
    if header.crit.is_some() {
        return Err(TokenError::Damaged);
    }
    let signature = BASE64_URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Damaged)?;
    let mut fault = TokenError::Damaged;
    for (set, _) in key_sets
        .iter()
        .filter(|set| set.enabled)
        .flat_map(|set| set.keys.iter().map(move |key| (set, key)))
        .filter(|(_, key)| key.algorithm == algorithm && may_be(key, header.kid.as_deref()))
        .take(MAX_TRIED_KEYS)
        .filter(|(_, key)| key.verifies(signed.as_bytes(), &signature))
    {
        // Two sets may hold one key and ask for different audiences.
        match claims(text, payload, set, now_ms) {
            Ok(right) => return Ok(right),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

fn may_be(key: &TokenKey, kid: Option<&str>) -> bool {
    match (&key.kid, kid) {
        (Some(own), Some(named)) => own == named,
        (None, _) | (_, None) => true,
    }
}

fn part<T: DeserializeOwned>(encoded: &str) -> Result<T, TokenError> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| TokenError::Damaged)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Damaged)
}

fn claims(text: &str, payload: &str, set: &KeySet, now_ms: u64) -> Result<Right, TokenError> {
    let claims: Claims = part(payload)?;
    let expires_ms = seconds(claims.exp.as_ref(), "exp")?.ok_or(TokenError::Claim("exp"))?;
    if expires_ms.saturating_add(LEEWAY_MS) <= now_ms {
        return Err(TokenError::Expired);
    }
    if seconds(claims.nbf.as_ref(), "nbf")?
        .is_some_and(|begins_ms| begins_ms > now_ms.saturating_add(LEEWAY_MS))
    {
        return Err(TokenError::NotYet);
    }
    if let Some(issuer) = &set.issuer
        && word(claims.iss.as_ref(), "iss")?.as_ref() != Some(issuer)
    {
        return Err(TokenError::Foreign("issuer"));
    }
    if let Some(audience) = &set.audience
        && !words(claims.aud.as_ref(), "aud")?.contains(audience)
    {
        return Err(TokenError::Foreign("audience"));
    }
    let jti = word(claims.jti.as_ref(), "jti")?;
    if jti
        .as_ref()
        .is_some_and(|jti| jti.is_empty() || jti.len() > MAX_ID_BYTES)
    {
        return Err(TokenError::Claim("jti"));
    }
    Ok(Right {
        // Two makers of tokens may give the same name.
        id: jti.map_or_else(|| name_of(text), |jti| format!("{}:{jti}", set.id)),
        app: pattern(claims.app.as_ref(), "app")?.ok_or(TokenError::Claim("app"))?,
        stream: pattern(claims.stream.as_ref(), "stream")?.unwrap_or_else(Pattern::any),
        actions: actions(claims.action.as_ref())?,
        addr: addr(claims.addr.as_ref())?,
        bearer: word(claims.client.as_ref(), "client")?.map(Bearer::Name),
        uses: uses(claims.uses.as_ref())?,
    })
}

/// A time in seconds, whole or not, as milliseconds.
fn seconds(claim: Option<&Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(claim) = claim else {
        return Ok(None);
    };
    if let Some(whole) = claim.as_u64() {
        return Ok(Some(whole.saturating_mul(1_000)));
    }
    let seconds = claim.as_f64().filter(|seconds| *seconds >= 0.0);
    let seconds = seconds.ok_or(TokenError::Claim(name))?;
    // Too large a number becomes the largest.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(Some((seconds * 1_000.0) as u64))
}

fn word(claim: Option<&Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    claim
        .map(|claim| claim.as_str().map(str::to_owned))
        .map(|word| word.ok_or(TokenError::Claim(name)))
        .transpose()
}

fn words(claim: Option<&Value>, name: &'static str) -> Result<Vec<String>, TokenError> {
    match claim {
        None => Ok(Vec::new()),
        Some(Value::Array(all)) => all
            .iter()
            .map(|one| one.as_str().map(str::to_owned))
            .map(|word| word.ok_or(TokenError::Claim(name)))
            .collect(),
        one => Ok(word(one, name)?.into_iter().collect()),
    }
}

fn pattern(claim: Option<&Value>, name: &'static str) -> Result<Option<Pattern>, TokenError> {
    word(claim, name)?
        .map(|text| Pattern::parse(&text).map_err(|_| TokenError::Claim(name)))
        .transpose()
}

fn actions(claim: Option<&Value>) -> Result<Vec<Action>, TokenError> {
    let wrong = TokenError::Claim("action");
    if claim.is_none() {
        return Ok(vec![Action::Play]);
    }
    let words = words(claim, "action")?;
    let action = |word: &String| {
        Action::ALL
            .into_iter()
            .find(|action| action.as_str() == word)
            .ok_or(wrong)
    };
    words.iter().map(action).collect()
}

fn addr(claim: Option<&Value>) -> Result<Option<IpAddr>, TokenError> {
    word(claim, "addr")?
        .map(|text| text.parse().map_err(|_| TokenError::Claim("addr")))
        .transpose()
}

fn uses(claim: Option<&Value>) -> Result<Option<u32>, TokenError> {
    claim
        .map(|claim| {
            let uses = claim.as_u64().and_then(|uses| u32::try_from(uses).ok());
            uses.filter(|uses| *uses > 0)
                .ok_or(TokenError::Claim("uses"))
        })
        .transpose()
}

/// What the server puts into a token that it makes.
#[derive(Debug, Clone, Serialize)]
pub struct Issued {
    /// Until when, in seconds.
    pub exp: u64,
    /// Who made it, as the key set says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom, as the key set says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Applications.
    pub app: Pattern,
    /// Streams.
    pub stream: Pattern,
    /// What it allows.
    pub action: Action,
    /// The only address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addr: Option<IpAddr>,
    /// The name of the client that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How many sessions at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

impl Issued {
    /// The token as text; `None` when the key can only verify.
    #[must_use]
    pub fn sign(&self, key: &TokenKey) -> Option<String> {
        let mut header = serde_json::json!({"alg": key.algorithm, "typ": "JWT"});
        if let Some(kid) = &key.kid {
            header["kid"] = Value::from(kid.as_str());
        }
        let payload = serde_json::to_vec(self).expect("claims have only text keys");
        let signed = format!(
            "{}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
            BASE64_URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())?);
        Some(format!("{signed}.{signature}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
