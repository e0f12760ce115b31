//! The challenge of an `authmod=adobe` exchange, without memory: it proves by itself that an edge
//! of the fleet made it, for this address and user, and until when it holds.
//!
//! It is short, because ffmpeg reads at most 255 bytes of a description.

use std::net::IpAddr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::token::SigningKey;

/// How long a client may take to answer; chosen, because it answers at once on a new connection.
pub const NONCE_LIFETIME_MS: u64 = 30_000;
/// Bytes of the signature that are kept. Chosen, because 96 bits cannot be guessed in 30 s.
const TAG_BYTES: usize = 12;

/// Makes the challenge for a user at an address.
#[must_use]
pub fn make(key: &SigningKey, addr: IpAddr, user: &str, now_ms: u64) -> String {
    let until_s = (now_ms + NONCE_LIFETIME_MS) / 1_000;
    let until_s = u32::try_from(until_s).unwrap_or(u32::MAX).to_be_bytes();
    let tag = tag(key, &until_s, addr, user);
    BASE64_URL_SAFE_NO_PAD.encode([&until_s[..], &tag[..]].concat())
}

/// Whether a challenge was made by an edge of the fleet for this user at this address, and still
/// holds.
#[must_use]
pub fn holds(text: &str, keys: &[SigningKey], addr: IpAddr, user: &str, now_ms: u64) -> bool {
    let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(text) else {
        return false;
    };
    let Some((until_s, seen)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let fresh = u64::from(u32::from_be_bytes(*until_s)) * 1_000 >= now_ms;
    let known = keys
        .iter()
        .any(|key| tag(key, until_s, addr, user).ct_eq(seen).into());
    fresh && known
}

/// A salt for a user whom nobody registered, the same each time: an answer does not tell who is
/// registered.
#[must_use]
pub fn decoy_salt(key: &SigningKey, user: &str) -> String {
    let tag = mac(key, &[b"salt", user.as_bytes()]);
    BASE64_URL_SAFE_NO_PAD.encode(tag)
}

fn tag(key: &SigningKey, until_s: &[u8; 4], addr: IpAddr, user: &str) -> [u8; TAG_BYTES] {
    let addr = addr.to_canonical().to_string();
    mac(key, &[b"nonce", until_s, addr.as_bytes(), user.as_bytes()])
}

fn mac(key: &SigningKey, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
        mac.update(&[0]);
    }
    let bytes = mac.finalize().into_bytes();
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&bytes[..TAG_BYTES]);
    tag
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::signing_key;

    #[test]
    fn a_challenge_holds_for_its_user_and_address_and_time_only() {
        let keys = [signing_key()];
        let addr: IpAddr = "192.0.2.1".parse().unwrap();
        let made = make(&keys[0], addr, "encoder", 1_000_000);
        assert!(made.len() <= 24, "{made}");
        assert!(holds(&made, &keys, addr, "encoder", 1_000_000));
        assert!(holds(&made, &keys, addr, "encoder", 1_029_000));
        assert!(!holds(&made, &keys, addr, "encoder", 1_031_000));
        assert!(!holds(&made, &keys, addr, "other", 1_000_000));
        let elsewhere = "192.0.2.2".parse().unwrap();
        assert!(!holds(&made, &keys, elsewhere, "encoder", 1_000_000));
        assert!(!holds(&made, &[], addr, "encoder", 1_000_000));
        for damaged in ["", "AAAA", "!", &made[1..]] {
            assert!(!holds(damaged, &keys, addr, "encoder", 0), "{damaged}");
        }
    }

    #[test]
    fn a_decoy_is_the_same_each_time() {
        let key = signing_key();
        assert_eq!(decoy_salt(&key, "nobody"), decoy_salt(&key, "nobody"));
        assert_ne!(decoy_salt(&key, "nobody"), decoy_salt(&key, "none"));
    }
}
