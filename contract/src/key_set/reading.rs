//! Keys as people have them: a JWKS or a single JWK (RFC 7517), public keys in PEM, or a shared
//! secret as text. All become [`TokenKey`]s; private keys are refused, for an edge has no use for
//! them.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;

use super::{Algorithm, MAX_KEYS, MIN_SECRET_BYTES, TokenKey, der};
use crate::secret::Secret;

/// The longest text of keys; chosen, because 16 RSA keys of 8,192 bits take 25 KB.
pub const MAX_TEXT_BYTES: usize = 65_536;

/// Why keys cannot be read. The texts hold nothing of the key: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is too much of it.
    #[error("keys have at most {MAX_TEXT_BYTES} bytes")]
    Long,
    /// It begins like JSON and is not a JWK or JWKS.
    #[error("this is neither a JWKS nor a JWK: {0}")]
    Json(String),
    /// None of its keys is for signatures that we check.
    #[error("no key for HS256, RS256, ES256 or EdDSA stands in it")]
    None,
    /// More keys than a set may have.
    #[error("a set has at most {MAX_KEYS} keys")]
    Many,
    /// One key of it is wrong.
    #[error("the key `{kid}`: {what}")]
    Key {
        /// Its `kid`, or its place.
        kid: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A block of PEM that is no public key, or cannot be read.
    #[error("a block of PEM must be a `PUBLIC KEY` for RSA, P-256 or Ed25519, not `{0}`")]
    Pem(String),
    /// A private key was given.
    #[error("this is a private key: give the public one, and change this one, for it was shown")]
    Private,
    /// A shared secret that is too short.
    #[error("a shared secret has at least {MIN_SECRET_BYTES} bytes")]
    Short,
}

/// Reads keys: text that begins with `{` is JSON, text with `-----BEGIN` is PEM, all else is one
/// shared secret for HS256.
///
/// # Errors
/// [`KeyError`].
pub fn read(text: &str) -> Result<Vec<TokenKey>, KeyError> {
    let text = text.trim();
    if text.len() > MAX_TEXT_BYTES {
        return Err(KeyError::Long);
    }
    let keys = if text.starts_with('{') {
        json(text)?
    } else if text.contains("-----BEGIN ") {
        pem(text)?
    } else {
        vec![shared(text.as_bytes(), None)?]
    };
    match keys.len() {
        0 => Err(KeyError::None),
        1..=MAX_KEYS => Ok(keys),
        _ => Err(KeyError::Many),
    }
}

fn shared(secret: &[u8], kid: Option<String>) -> Result<TokenKey, KeyError> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(KeyError::Short);
    }
    Ok(key(kid, Algorithm::Hs256, secret))
}

fn key(kid: Option<String>, algorithm: Algorithm, material: &[u8]) -> TokenKey {
    TokenKey {
        kid,
        algorithm,
        material: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(material)),
    }
}

fn pem(text: &str) -> Result<Vec<TokenKey>, KeyError> {
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        let (label, rest) = block.split_once("-----").unwrap_or((block, ""));
        if label.contains("PRIVATE") {
            return Err(KeyError::Private);
        }
        let wrong = || KeyError::Pem(label.chars().take(40).collect());
        let (body, _) = rest.split_once("-----END ").ok_or_else(wrong)?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = BASE64_STANDARD.decode(body).map_err(|_| wrong())?;
        let (algorithm, material) = match label {
            "PUBLIC KEY" => der::public_key(&bytes).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        keys.push(key(None, algorithm, &material));
    }
    Ok(keys)
}

/// A JWK, as far as it concerns us.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    k: Option<String>,
    #[serde(default)]
    d: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

fn json(text: &str) -> Result<Vec<TokenKey>, KeyError> {
    // What serde says of a fault may quote a value: only the place of it is told.
    let wrong = |error: serde_json::Error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        KeyError::Json(at)
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(wrong)?;
    let all = if value.get("keys").is_some() {
        serde_json::from_str::<Jwks>(text).map_err(wrong)?.keys
    } else {
        vec![serde_json::from_str(text).map_err(wrong)?]
    };
    let mut keys = Vec::new();
    for (place, jwk) in all.into_iter().enumerate() {
        let kid = jwk.kid.clone();
        let read = jwk.read().map_err(|fault| match fault {
            Fault::Private => KeyError::Private,
            Fault::What(what) => KeyError::Key {
                kid: kid.unwrap_or_else(|| (place + 1).to_string()),
                what,
            },
        })?;
        keys.extend(read);
    }
    Ok(keys)
}

enum Fault {
    Private,
    What(&'static str),
}

impl Jwk {
    /// The key; `None` for one that is for encryption, or of a kind that we do not check: a JWKS of
    /// an identity provider may hold such keys beside ours.
    fn read(self) -> Result<Option<TokenKey>, Fault> {
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) => Algorithm::Hs256,
            ("RSA", _) => Algorithm::Rs256,
            ("EC", Some("P-256")) => Algorithm::Es256,
            ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
            _ => return Ok(None),
        };
        if self.d.is_some() {
            return Err(Fault::Private);
        }
        let other = |alg: &str| Algorithm::parse(alg) != Some(algorithm);
        if self.purpose.as_deref() == Some("enc") || self.alg.as_deref().is_some_and(other) {
            return Ok(None);
        }
        let part = |part: &Option<String>, what| {
            part.as_ref()
                .and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok())
                .ok_or(Fault::What(what))
        };
        let material = match algorithm {
            Algorithm::Hs256 => {
                let secret = part(&self.k, "`k` is missing or not base 64")?;
                return shared(&secret, self.kid)
                    .map(Some)
                    .map_err(|_| Fault::What("a shared secret has at least 32 bytes"));
            }
            Algorithm::Rs256 => {
                let modulus = part(&self.n, "`n` is missing or not base 64")?;
                let exponent = part(&self.e, "`e` is missing or not base 64")?;
                let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
                if !(2_048..=8_192).contains(&bits) {
                    return Err(Fault::What("an RSA key has 2,048 to 8,192 bits"));
                }
                der::rsa_public_key(&modulus, &exponent)
            }
            Algorithm::Es256 => {
                let x = part(&self.x, "`x` is missing or not base 64")?;
                let y = part(&self.y, "`y` is missing or not base 64")?;
                if x.len() != 32 || y.len() != 32 {
                    return Err(Fault::What("a coordinate of P-256 has 32 bytes"));
                }
                [&[4][..], &x, &y].concat()
            }
            Algorithm::EdDsa => {
                let x = part(&self.x, "`x` is missing or not base 64")?;
                if x.len() != 32 {
                    return Err(Fault::What("an Ed25519 key has 32 bytes"));
                }
                x
            }
        };
        Ok(Some(key(self.kid, algorithm, &material)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_no_key_says_why_and_shows_nothing_of_it() {
        let check = |text: &str, expected: &str| {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("hush"), "{said}");
        };
        check("hush", "at least 32 bytes");
        check("{\"kty\": \"oct\", \"k\": \"hush!\"}", "the key `1`: `k`");
        check("{\"kty\": hush}", "line 1, column 9");
        check("{\"keys\": []}", "no key for HS256");
        check("{\"kty\": \"EC\", \"crv\": \"P-384\"}", "no key for HS256");
        check(
            "{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}",
            "2,048 to 8,192 bits",
        );
        check(
            "{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"AQAB\"}",
            "has 32 bytes",
        );
        check(
            "{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"AQAB\", \"d\": \"hush\"}",
            "private key",
        );
        check(
            "-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----",
            "private key",
        );
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "not `CERTIFICATE`",
        );
        check("-----BEGIN PUBLIC KEY-----\nAAAA", "not `PUBLIC KEY`");
        check(&"x".repeat(MAX_TEXT_BYTES + 1), "at most 65536 bytes");
    }

    #[test]
    fn a_shared_secret_may_come_as_text_or_as_a_jwk() {
        let plain = read(SECRET).unwrap();
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(SECRET);
        let jwk = format!("{{\"kty\": \"oct\", \"kid\": \"a\", \"k\": \"{encoded}\"}}");
        let named = read(&jwk).unwrap();
        assert_eq!(plain[0].material, named[0].material);
        assert_eq!((&plain[0].kid, named[0].kid.as_deref()), (&None, Some("a")));
        assert_eq!(
            read(&format!(
                "{{\"keys\": [{jwk}, {{\"kty\": \"RSA\", \"use\": \"enc\"}}]}}"
            ))
            .unwrap(),
            named
        );
    }
}
