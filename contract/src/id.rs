//! The ids of Weir: one newtype a noun, so that an edge's id cannot stand where a route's is asked.
//!
//! An id is a UUID of version 7 (it sorts by the time it was made), printed as a prefix that tells
//! what it names and 26 characters of Crockford's base 32: `edge_01JD…`. The only way in from text
//! is [`std::str::FromStr`], which refuses another noun's prefix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text begins with another prefix.
    #[error("`{text}` is not an id of this kind: it must begin with `{prefix}_`")]
    Prefix {
        /// What was given.
        text: String,
        /// What it must begin with.
        prefix: &'static str,
    },
    /// What follows the prefix is not 26 characters of Crockford's base 32 within 128 bits.
    #[error("`{text}` is not an id: 26 characters of base 32 must follow `{prefix}_`")]
    Digits {
        /// What was given.
        text: String,
        /// What it must begin with.
        prefix: &'static str,
    },
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

fn encode(value: u128) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    digits
}

fn decode(text: &str) -> Option<u128> {
    // 26 digits hold 130 bits: the first may only use its lower three.
    if text.len() != DIGITS || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET
            .iter()
            .position(|known| *known == byte.to_ascii_lowercase())?;
        Some((value << 5) | digit as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What the printed form begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id that has not been used before.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "two calls give two ids")]
            pub fn new() -> Self {
                Self(Uuid::now_v7().as_u128())
            }

            /// The id with these 128 bits; for fixtures and for ids that are derived.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits, for hashing.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = encode(self.0);
                write!(f, "{}_{}", $prefix, String::from_utf8_lossy(&digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text
                    .strip_prefix(concat!($prefix, "_"))
                    .ok_or_else(|| IdError::Prefix { text: text.to_owned(), prefix: $prefix })?;
                decode(digits)
                    .map(Self)
                    .ok_or_else(|| IdError::Digits { text: text.to_owned(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A person who signs in to the server.
    UserId = "user";
    /// A user's browser session.
    LoginId = "login";
    /// A secret that lets automation call the API.
    ApiTokenId = "token";
    /// A one-use secret by which an edge enrolls.
    JoinTokenId = "join";
    /// Edges that serve the same routes and stand in for one another.
    ClusterId = "cluster";
    /// One enrolled edge server.
    EdgeId = "edge";
    /// A server where applications run.
    OriginId = "origin";
    /// What a request matches and where it goes.
    RouteId = "route";
    /// A registered client.
    ClientId = "client";
    /// A set of clients.
    GroupId = "group";
    /// Where a client, group or network belongs.
    AssignmentId = "assignment";
    /// One ordered statement of who may do what.
    RuleId = "rule";
    /// The key that signs play tokens and hops.
    KeyId = "key";
    /// Keys of others that sign play tokens.
    KeySetId = "keyset";
    /// An application's address that is asked who may come in.
    WebhookId = "webhook";
    /// One client connection on an edge.
    SessionId = "session";
    /// The name under which a decision can be looked up afterwards.
    DecisionId = "decision";
    /// Something the server asks an edge.
    QuestionId = "question";
    /// One run of an agent, from start to stop.
    BootId = "boot";
    /// One line of the audit.
    AuditId = "audit";
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        for bits in [
            0,
            1,
            31,
            32,
            u128::MAX,
            0x0192_3456_789a_bcde_f012_3456_789a_bcde,
        ] {
            let id = EdgeId::from_bits(bits);
            assert_eq!(id.to_string().parse::<EdgeId>().unwrap(), id);
        }
    }

    #[test]
    fn refuses_another_nouns_id_and_bad_digits() {
        let route = RouteId::new().to_string();
        assert!(matches!(
            route.parse::<EdgeId>(),
            Err(IdError::Prefix { .. })
        ));
        for text in [
            "edge_",
            "edge_80000000000000000000000000",
            "edge_u0000000000000000000000000",
        ] {
            assert!(
                matches!(text.parse::<EdgeId>(), Err(IdError::Digits { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let first = EdgeId::new();
        let second = EdgeId::new();
        assert!(first.to_string() < second.to_string());
    }
}
