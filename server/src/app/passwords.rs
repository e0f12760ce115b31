//! Hashing and checking sign-in passwords: argon2id with 19 MiB, two passes, one lane (OWASP's
//! first recommendation), on the blocking pool, a few at a time.
//!
//! A check that finds no user still hashes, so that the time of an answer does not tell which
//! names exist.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use contract::secret::Secret;
use tokio::sync::Semaphore;

use super::Error;

/// Hashes at once; chosen, because each takes 19 MiB and a core for some 20 ms.
const AT_ONCE: usize = 2;
/// Who waits longer than this for a turn is told to come again; chosen to stay under a browser
/// user's patience.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The fewest characters of a sign-in password (NIST SP 800-63B asks for at least 8 and advises 15
/// without a second factor; 10 is chosen between them).
pub const FEWEST_CHARS: usize = 10;
/// The most bytes, so that a sign-in cannot be used to burn time.
pub const MOST_BYTES: usize = 1024;

static HASHER: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    let params = Params::new(19 * 1024, 2, 1, None).expect("argon2 accepts OWASP's parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// A hash of nobody's password, checked when there is no user of the name.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let bits: [u8; 32] = rand::random();
    hash_now(&bits).expect("argon2 hashes 32 random bytes")
});

fn hash_now(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    HASHER.hash_password(password).map(|hash| hash.to_string())
}

/// What is wrong with a new password, if anything is.
pub(crate) fn fault(password: &Secret) -> Option<String> {
    let chars = password.expose().chars().count();
    if chars < FEWEST_CHARS {
        Some(format!("a password has at least {FEWEST_CHARS} characters"))
    } else if password.expose().len() > MOST_BYTES {
        Some(format!("a password has at most {MOST_BYTES} bytes"))
    } else {
        None
    }
}

/// Hashes and checks passwords, a few at a time.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| Error::Busy {
                retry_after: LONGEST_WAIT,
            })?
            .map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(Error::internal)
    }

    /// The PHC string of a password.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, Error> {
        self.run(move || hash_now(password.expose().as_bytes()))
            .await?
            .map_err(|error| Error::internal(error.to_string()))
    }

    /// Whether the password is the one that was hashed; never true without a hash.
    pub(crate) async fn check(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        if password.expose().len() > MOST_BYTES {
            return Ok(false);
        }
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.clone());
            PasswordHash::new(&hash).is_ok_and(|parsed| {
                HASHER
                    .verify_password(password.expose().as_bytes(), &parsed)
                    .is_ok()
            }) && known
        })
        .await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_only_what_was_hashed() {
        let passwords = Passwords::new();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let check = async |password: &str, hash: Option<&String>| {
            passwords
                .check(Secret::new(password), hash.cloned())
                .await
                .unwrap()
        };
        assert!(check("correct horse", Some(&hash)).await);
        assert!(!check("wrong horse", Some(&hash)).await);
        assert!(!check("correct horse", None).await);
    }
}
