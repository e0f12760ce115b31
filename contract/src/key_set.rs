//! Key sets: the keys by which an application, or whoever signs in its users, makes JSON Web Tokens
//! that edges accept as play tokens.
//!
//! Keys come in as JWKS, as PEM or as a shared secret (`reading`) and are kept in one form each, so
//! that an edge never parses what a person pasted. The algorithm belongs to the key: what a token
//! says of its algorithm can only agree with it. Signatures are checked here; what a token claims
//! is read elsewhere.

mod der;
mod reading;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use reading::{KeyError, MAX_TEXT_BYTES, read};

use crate::fault::FieldFault;
use crate::id::KeySetId;
use crate::name::Name;
use crate::secret::Secret;

/// The most keys of one set; chosen, because rotation needs two or three at once.
pub const MAX_KEYS: usize = 16;
/// The most key sets; chosen, because a token without `kid` is held against all their keys.
pub const MAX_KEY_SETS: usize = 32;
/// The longest `kid`, issuer and audience; chosen, because they stand in tokens in URLs.
pub const MAX_WORD_BYTES: usize = 256;
/// The shortest shared secret in bytes (RFC 7518, section 3.2: as long as the hash).
pub const MIN_SECRET_BYTES: usize = 32;

/// Keys of one maker of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// Its id.
    pub id: KeySetId,
    /// What people call it.
    pub name: Name,
    /// Tokens of a set that is not enabled are not accepted.
    pub enabled: bool,
    /// What `iss` must say; `None` does not ask.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What must be among `aud`; `None` does not ask.
    #[serde(default)]
    pub audience: Option<String>,
    /// The keys; several are valid at once, so that they can be changed without a gap.
    #[serde(default)]
    pub keys: Vec<TokenKey>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// The name by which tokens choose it; a key without one is tried for every token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What it signs with, and nothing else.
    pub algorithm: Algorithm,
    /// Base 64 (URL alphabet, no padding) of the shared secret, of an RSA key's
    /// `RSAPublicKey` (RFC 8017, appendix A.1.1), of an uncompressed point of P-256, or of an
    /// Ed25519 key.
    pub material: Secret,
}

/// How a token is signed (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a shared secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA (PKCS #1 1.5) with SHA-256, 2,048 to 8,192 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every variant.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// The word for it, as it stands in a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this word; `none` and all that we do not speak are not among them.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }
}

impl TokenKey {
    /// Whether the signature was made with this key.
    #[must_use]
    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let Some(material) = self.bytes() else {
            return false;
        };
        let public: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::Hs256 => {
                return mac(&material)
                    .chain_update(signed)
                    .verify_slice(signature)
                    .is_ok();
            }
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDsa => &ED25519,
        };
        UnparsedPublicKey::new(public, material)
            .verify(signed, signature)
            .is_ok()
    }

    /// Signs with a shared secret; `None` for keys that can only verify.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            Algorithm::Hs256 => {
                let tag = mac(&self.bytes()?).chain_update(text).finalize();
                Some(tag.into_bytes().to_vec())
            }
            Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => None,
        }
    }

    /// By what people tell public keys apart: the beginning of the hash of its material. A shared
    /// secret has none, because a short one could be guessed from it.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        match self.algorithm {
            Algorithm::Hs256 => None,
            Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => {
                let hash = Sha256::digest(self.bytes()?);
                Some(BASE64_URL_SAFE_NO_PAD.encode(&hash[..12]))
            }
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        BASE64_URL_SAFE_NO_PAD.decode(self.material.expose()).ok()
    }

    /// What is wrong with the key by itself.
    fn fault(&self) -> Option<String> {
        let kid = self.kid.as_ref();
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > MAX_WORD_BYTES) {
            return Some(format!("a `kid` has 1 to {MAX_WORD_BYTES} bytes"));
        }
        let length = self.bytes().map_or(0, |bytes| bytes.len());
        let fits = match self.algorithm {
            Algorithm::Hs256 => length >= MIN_SECRET_BYTES,
            Algorithm::Rs256 => length >= 256,
            Algorithm::Es256 => length == 65,
            Algorithm::EdDsa => length == 32,
        };
        (!fits).then(|| format!("a key for {} cannot be read", self.algorithm.as_str()))
    }
}

fn mac(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length")
}

impl KeySet {
    /// The key that signs tokens which the server makes: the first shared secret.
    #[must_use]
    pub fn signer(&self) -> Option<&TokenKey> {
        self.keys
            .iter()
            .find(|key| key.algorithm == Algorithm::Hs256)
    }

    /// What is wrong with the set by itself, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut wrong = |field: &str, message: String| faults.push(FieldFault::new(field, message));
        for (field, word) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if let Some(word) = word
                && (word.trim().is_empty() || word.len() > MAX_WORD_BYTES)
            {
                wrong(
                    field,
                    format!("a word of at most {MAX_WORD_BYTES} bytes, or none"),
                );
            }
        }
        if self.keys.len() > MAX_KEYS {
            wrong("keys", format!("a set has at most {MAX_KEYS} keys"));
        }
        if self.enabled && self.keys.is_empty() {
            wrong("keys", "a set that is enabled needs a key".to_owned());
        }
        for (place, key) in self.keys.iter().enumerate() {
            if let Some(message) = key.fault() {
                wrong("keys", message);
            }
            let earlier = &self.keys[..place];
            if key.kid.is_some() && earlier.iter().any(|other| other.kid == key.kid) {
                wrong("keys", "two keys have the same `kid`".to_owned());
            }
        }
        faults
    }
}
