//! One step between our own edges: what the first edge says of the client, signed, so that the
//! next one need not ask again and a loop is seen.

use std::net::IpAddr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, EdgeId, SessionId};
use crate::token::{SigningKey, TokenError, sign, verify};

/// The most of our own edges in a row (laws.md, 2.3).
pub const MAX_HOPS: usize = 4;
/// How long a signed hop may be used; chosen, because it is used at once and clocks differ.
pub const HOP_LIFETIME_MS: u64 = 30_000;
/// The property of `connect` that carries it between edges.
pub const HOP_PROPERTY: &str = "weirHop";
/// The HTTP field that carries it between edges.
pub const HOP_FIELD: &str = "weir-hop";

/// What an edge says to the next one of a client that it has admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The edges passed so far, first the one that the client came to.
    pub edges: Vec<EdgeId>,
    /// The client's address at the first edge.
    pub addr: IpAddr,
    /// Who it is, when the first edge knows.
    pub client: Option<ClientId>,
    /// The session at the first edge.
    pub session: Option<SessionId>,
    /// Until when it holds, in Unix milliseconds.
    pub until_ms: u64,
}

impl Hop {
    /// The hop as text, signed by the key that all edges of the fleet hold.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let payload = serde_json::to_vec(self).expect("a hop has only text keys");
        sign(PREFIX, key, &BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    /// Reads a signed hop.
    ///
    /// # Errors
    /// [`TokenError`] if it is damaged, signed by another key, or too old.
    pub fn verify(text: &str, keys: &[SigningKey], now_ms: u64) -> Result<Self, TokenError> {
        let payload = verify(PREFIX, keys, text)?;
        let hop: Self = serde_json::from_slice(&payload).map_err(|_| TokenError::Damaged)?;
        if hop.until_ms < now_ms {
            return Err(TokenError::Expired);
        }
        Ok(hop)
    }
}

const PREFIX: &str = "weirhop1";
