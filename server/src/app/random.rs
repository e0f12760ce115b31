//! Random secrets and the keys under which they are kept.
//!
//! A secret of ours has 256 random bits, so one SHA-256 is enough to keep it by: there is nothing
//! to guess.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::secret::Secret;
use sha2::{Digest, Sha256};

/// A new secret of 256 bits, as text that is safe in URLs, with `prefix` before it.
pub(crate) fn secret(prefix: &str) -> Secret {
    let bits: [u8; 32] = rand::random();
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// The key under which a secret is kept: its SHA-256 in hexadecimal.
pub(crate) fn key_of(secret: &str) -> String {
    let digest = Sha256::digest(secret.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A secret that a person may have to type into an encoder: 100 random bits as 20 letters and
/// digits that are not mistaken for one another, in no need of escaping in a URL.
pub(crate) fn short_secret() -> Secret {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits: [u8; 20] = rand::random();
    Secret::new(
        bits.iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect::<String>(),
    )
}
