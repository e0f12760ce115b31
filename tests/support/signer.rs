//! A maker of JSON Web Tokens that is not ours: openssl makes its keys and its signatures.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::run;

const SOON: Duration = Duration::from_secs(10);
const URL_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) struct Signer {
    folder: TempDir,
    algorithm: &'static str,
}

impl Signer {
    /// One with a new key for `RS256`, `ES256` or `EdDSA`.
    pub(crate) fn new(algorithm: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let signer = Self { folder, algorithm };
        let mut made = vec!["genpkey", "-out", "key.pem", "-algorithm"];
        made.extend(match algorithm {
            "RS256" => ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"].as_slice(),
            "ES256" => ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"].as_slice(),
            "EdDSA" => ["ED25519"].as_slice(),
            other => panic!("no key for {other}"),
        });
        signer.openssl(&made);
        signer.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        signer
    }

    /// Its public key in PEM.
    pub(crate) fn public_key(&self) -> String {
        fs::read_to_string(self.file("public.pem")).expect("openssl wrote it")
    }

    /// A token with these claims, until so many seconds from now.
    pub(crate) fn token(&self, mut claims: Value, life_s: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_secs();
        claims["exp"] = json!(now.saturating_add_signed(life_s));
        let header = json!({"alg": self.algorithm, "typ": "JWT"});
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        fs::write(self.file("signed"), &signed).expect("the folder takes a file");
        let arguments = match self.algorithm {
            "EdDSA" => [
                "pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "signed", "-out", "mac",
            ]
            .as_slice(),
            _ => [
                "dgst", "-sha256", "-sign", "key.pem", "-out", "mac", "signed",
            ]
            .as_slice(),
        };
        self.openssl(arguments);
        let mut signature = fs::read(self.file("mac")).expect("openssl wrote it");
        if self.algorithm == "ES256" {
            signature = two_numbers(&signature);
        }
        format!("{signed}.{}", encode(&signature))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let made = run(
            command.args(arguments).current_dir(self.folder.path()),
            SOON,
        );
        assert!(made.status.success(), "openssl failed: {made}");
    }
}

/// An ECDSA signature as tokens have it, from openssl's DER: two numbers of 32 bytes.
fn two_numbers(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let digits = &number[number.len().saturating_sub(32)..];
        numbers.resize(numbers.len() + 32 - digits.len(), 0);
        numbers.extend_from_slice(digits);
        rest = &rest[2 + length..];
    }
    numbers
}

/// Base 64 as tokens have it: the URL alphabet, no padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for place in 0..3 {
            bits = bits << 8 | u32::from(three.get(place).copied().unwrap_or(0));
        }
        for place in 0..=three.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(URL_ALPHABET[digit as usize]));
        }
    }
    text
}

#[test]
fn base_64_has_no_padding() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("{\"a\":1}", "eyJhIjoxfQ"),
    ] {
        assert_eq!(encode(bytes.as_bytes()), text);
    }
}
