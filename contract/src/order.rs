//! Orders: numbered instructions to edges. An edge carries them out in order, goes on after a gap
//! where it stopped, and answers each with a receipt.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its number; only grows.
    pub number: u64,
    /// What to do.
    pub work: Work,
}

/// What an order asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// End these sessions. One that is not there counts as ended.
    Kick {
        /// Which.
        sessions: Vec<SessionId>,
    },
    /// Make every stored object of these paths go.
    Purge {
        /// What.
        scope: PurgeScope,
    },
}

/// What a purge is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PurgeScope {
    /// Everything.
    All,
    /// One URL, as clients ask for it: `http://host/path?query`; of a recorded stream
    /// `rtmp://host/app/stream`.
    Url {
        /// The URL.
        url: String,
    },
}

/// An edge's answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderReceipt {
    /// The order's number.
    pub number: u64,
    /// When it was done, by the edge's clock, in Unix milliseconds.
    pub at_ms: u64,
    /// Sessions that were ended, or objects that went.
    pub count: u64,
}
