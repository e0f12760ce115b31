//! The agents' API: paths, requests, answers, version. The server never dials an edge; all of it
//! is asked by the edge.
//!
//! | call | asks | answers |
//! |---|---|---|
//! | `POST /control/v1/join` | [`JoinRequest`] | [`JoinAnswer`], 403 if the token is not good |
//! | `GET /control/v1/updates?…` | [`UpdatesQuery`] | [`Updates`] when there is news, 204 after 30 s without |
//! | `POST /control/v1/report` | [`crate::report::Report`] | [`crate::report::ReportAnswer`] |
//! | `POST /control/v1/answers/{question}` | [`crate::question::Answer`] | 204 |
//!
//! All but `join` carry `Authorization: Bearer <credential>`; 401 means that the edge is not known
//! any more, 410 that it was retired: it then stops serving and erases what it keeps.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::directory::DirectoryChanges;
use crate::id::{ClusterId, EdgeId};
use crate::name::Name;
use crate::order::Order;
use crate::question::Question;
use crate::report::Listeners;
use crate::secret::Secret;

/// Where an edge joins.
pub const JOIN_PATH: &str = "/control/v1/join";
/// Where an edge asks for news.
pub const UPDATES_PATH: &str = "/control/v1/updates";
/// Where an edge reports.
pub const REPORT_PATH: &str = "/control/v1/report";
/// Where an edge answers questions, followed by the question's id.
pub const ANSWERS_PATH: &str = "/control/v1/answers";
/// How long the server holds a question for news.
pub const HOLD_MS: u64 = 30_000;
/// What a join token begins with.
pub const JOIN_TOKEN_PREFIX: &str = "weir_join_";

/// What stands in a join token: `weir_join_` and this as JSON in base 64 (URL alphabet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinToken {
    /// Where the server is reached, `http://host:port`.
    pub server: String,
    /// The one-use secret.
    pub secret: Secret,
}

/// Why a text is not a join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a join token: it begins with `{JOIN_TOKEN_PREFIX}` and is copied whole from the console"
)]
pub struct JoinTokenError;

impl JoinToken {
    /// The token as people copy it.
    #[must_use]
    pub fn to_text(&self) -> String {
        use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
        let json = serde_json::to_vec(self).expect("a join token has only text keys");
        format!("{JOIN_TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`JoinTokenError`].
    pub fn parse(text: &str) -> Result<Self, JoinTokenError> {
        use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
        let payload = text
            .trim()
            .strip_prefix(JOIN_TOKEN_PREFIX)
            .ok_or(JoinTokenError)?;
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| JoinTokenError)?;
        serde_json::from_slice(&json).map_err(|_| JoinTokenError)
    }
}

/// An edge wants to enroll.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The secret of its join token.
    pub secret: Secret,
    /// What it would like to be called, if the token does not say.
    pub name: Option<Name>,
    /// The agent's version.
    pub version: String,
    /// Where it listens, if it knows.
    pub listeners: Listeners,
}

/// An edge has enrolled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinAnswer {
    /// Who it is now.
    pub edge: EdgeId,
    /// What it is called.
    pub name: Name,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// By which it proves itself from now on.
    pub credential: Secret,
}

/// What an edge has, when it asks for news.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatesQuery {
    /// The generation of its snapshot; 0 for none.
    pub generation: u64,
    /// The hash of its snapshot's bytes; empty for none.
    #[serde(default)]
    pub hash: String,
    /// The generation of its directory; 0 for none.
    pub directory: u64,
    /// The number of the last order it has carried out.
    pub order: u64,
    /// How long the answer may be held, at most [`HOLD_MS`]; 0 asks without waiting.
    pub hold_ms: u64,
}

/// News for an edge. What did not change is missing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// The newest published generation.
    pub generation: u64,
    /// The snapshot, when its hash differs from the one at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotDocument>,
    /// What changed in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryChanges>,
    /// Orders not carried out yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
    /// Questions to answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
}

/// A snapshot as it travels and as an edge keeps it on disk: the bytes whose hash this is, and the
/// generation in which they were last published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDocument {
    /// The generation.
    pub generation: u64,
    /// [`crate::snapshot::content_hash`] of the bytes of `snapshot`.
    pub hash: String,
    /// A [`crate::snapshot::Snapshot`] as JSON, its bytes untouched.
    pub snapshot: Box<RawValue>,
}
