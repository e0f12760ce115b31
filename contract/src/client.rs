//! Registered clients, and how each proves itself.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ipnet::IpNet;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::id::{ClientId, GroupId};
use crate::limit::Limits;
use crate::name::Name;
use crate::secret::Secret;

/// A client that has a name: an encoder, a player, an organization's users behind one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// What people call it; also the user name of its stream password.
    pub name: Name,
    /// A client that is not enabled is refused wherever it is recognized.
    pub enabled: bool,
    /// The groups it belongs to.
    #[serde(default)]
    pub groups: Vec<GroupId>,
    /// Addresses by which it is recognized. Empty means none. The longest prefix wins.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// What its stream password is checked against.
    #[serde(default)]
    pub stream_password: Option<StreamPassword>,
    /// What it may have at once, over the whole cluster.
    #[serde(default)]
    pub limits: Limits,
}

/// A named set of clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// What people call it.
    pub name: Name,
}

/// What a stream password is checked against: it cannot be turned back into the password, but it
/// is as good as it in an `authmod=adobe` exchange, so it is kept as a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPassword {
    /// Sent to the client in the exchange.
    pub salt: String,
    /// b64(md5(user + salt + password)).
    pub digest: Secret,
}

impl StreamPassword {
    /// Makes the digest of a password for the client of this name.
    #[must_use]
    pub fn new(user: &str, salt: &str, password: &str) -> Self {
        Self {
            salt: salt.to_owned(),
            digest: Secret::new(b64_md5(&[user, salt, password])),
        }
    }

    /// Checks a password sent whole, as HTTP Basic does.
    #[must_use]
    pub fn matches(&self, user: &str, password: &str) -> bool {
        Self::new(user, &self.salt, password).digest == self.digest
    }

    /// Checks the answer of an `authmod=adobe` exchange: b64(md5(digest + opaque + challenge)),
    /// where the client chose `challenge` and the edge chose `opaque`.
    #[must_use]
    pub fn answers(&self, opaque: &str, challenge: &str, response: &str) -> bool {
        let expected = b64_md5(&[self.digest.expose(), opaque, challenge]);
        expected.as_bytes().ct_eq(response.as_bytes()).into()
    }
}

fn b64_md5(parts: &[&str]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    BASE64_STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_succeeds_only_with_the_password() {
        let known = StreamPassword::new("encoder", "salt", "right");
        assert!(known.matches("encoder", "right"));
        assert!(!known.matches("encoder", "wrong"));
        assert!(!known.matches("other", "right"));
        let response = b64_md5(&[known.digest.expose(), "opaque", "challenge"]);
        assert!(known.answers("opaque", "challenge", &response));
        assert!(!known.answers("other", "challenge", &response));
    }

    #[test]
    fn the_digest_is_the_one_that_encoders_compute() {
        // echo -n 'user' 'salt' 'password' | md5, in base 64.
        let digest = StreamPassword::new("user", "salt", "password").digest;
        assert_eq!(digest.expose(), b64_md5(&["usersaltpassword"]));
        assert_eq!(b64_md5(&[""]), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
