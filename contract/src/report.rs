//! What an agent sends up each second: changes of sessions, the streams it carries, its totals.
//!
//! Sessions come as they are after each change, whole, so that a repeated report changes nothing;
//! totals are cumulative since the edge was first started. A report is known by boot id and
//! sequence: the server keeps the newest and answers with the sequence it has.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::HostPort;
use crate::counts::Totals;
use crate::facts::Action;
use crate::fault::FieldFault;
use crate::id::{
    AssignmentId, BootId, ClientId, DecisionId, EdgeId, OriginId, RouteId, RuleId, SessionId,
};
use crate::limit::{ClusterCounts, Count};
use crate::order::OrderReceipt;
use crate::protocol::Ingress;
use crate::reason::Reason;

/// The most sessions in one report; what does not fit comes with the next one.
pub const MAX_REPORT_SESSIONS: usize = 5_000;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// This run of the agent.
    pub boot: BootId,
    /// Counts up by one with each report of a run.
    pub sequence: u64,
    /// When, by the edge's clock, in Unix milliseconds.
    pub at_ms: u64,
    /// The agent's version.
    pub version: String,
    /// Where it listens, as clients of its own machine would reach it.
    pub listeners: Listeners,
    /// What is wrong on its own machine: a certificate that cannot be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FieldFault>,
    /// How its settings stand.
    pub settings: SettingsState,
    /// The generation of its directory.
    pub directory: u64,
    /// Whether `sessions` and `streams` are all there are, as in the first report of a run or
    /// after the server asked; otherwise `sessions` holds only those that changed.
    pub whole: bool,
    /// Sessions that began, changed or ended.
    pub sessions: Vec<SessionRecord>,
    /// All streams that it carries now.
    pub streams: Vec<StreamState>,
    /// Totals since the edge was first started.
    pub totals: Totals,
    /// Whether it can reach each origin; one that was not tried yet is missing.
    pub origins: BTreeMap<OriginId, Reachability>,
    /// Orders that it has carried out since the last report that was answered.
    pub receipts: Vec<OrderReceipt>,
    /// What it counts where a limit is shared with the other edges of its cluster; not nothing, and
    /// at most [`crate::limit::MAX_COUNTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
}

/// What the server answers to a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// The sequence that it has now.
    pub sequence: u64,
    /// The server's time, in Unix milliseconds: an edge whose clock is off says so.
    pub at_ms: u64,
    /// Whether the next report must be whole, because the server was restarted.
    pub wants_whole: bool,
    /// What the other edges of its cluster count.
    #[serde(default)]
    pub cluster: ClusterCounts,
}

/// Where an edge listens; `None` where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listeners {
    /// RTMP.
    pub rtmp: Option<HostPort>,
    /// RTMP inside TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmps: Option<HostPort>,
    /// HTTP.
    pub http: Option<HostPort>,
}

/// A generation with the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The number.
    pub generation: u64,
    /// The hash of the snapshot's bytes.
    pub hash: String,
}

/// Received, validated, applied and serving are four facts (laws.md, 1.7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettingsState {
    /// The newest snapshot that came.
    pub received: Option<Stamp>,
    /// The newest that was found whole and right.
    pub validated: Option<Stamp>,
    /// The newest that was kept on disk and handed out.
    pub applied: Option<Stamp>,
    /// The one by which connections are judged.
    pub serving: Option<Stamp>,
    /// Why the newest one was not applied.
    pub faults: Vec<FieldFault>,
}

/// Whether an upstream can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// The last try succeeded.
    pub reachable: bool,
    /// Since when it has been so, in Unix milliseconds.
    pub since_ms: u64,
}

/// One client connection on an edge, from accept to close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whether it goes on.
    pub state: SessionState,
    /// The client's address.
    pub addr: IpAddr,
    /// The client, when it is known.
    pub client: Option<ClientId>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// How it came.
    pub ingress: Ingress,
    /// The host name that it used.
    pub host: String,
    /// The application as it asked for it; empty before `connect`.
    pub app: String,
    /// The stream; `None` before `play` or `publish`.
    pub stream: Option<String>,
    /// What it does; `None` before that is known.
    pub action: Option<Action>,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// The next hop it is served through.
    pub next_hop: Option<HopTarget>,
    /// The edges it came through, when another edge carried it here.
    pub through: Vec<EdgeId>,
    /// The decision that governs it.
    pub decision: Option<DecisionId>,
    /// The rule that let it in or refused it.
    pub rule: Option<RuleId>,
    /// The assignment that governs it.
    pub assignment: Option<AssignmentId>,
    /// When it was accepted, in Unix milliseconds.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Bytes received from the client.
    pub received_bytes: u64,
    /// Bytes sent to the client.
    pub sent_bytes: u64,
    /// Why it was refused or ended.
    pub reason: Option<Reason>,
    /// What was wrong, when the reason needs it: never with a secret in it.
    pub detail: Option<String>,
}

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Accepted, not let in yet.
    Connecting,
    /// Let in.
    Live,
    /// Let in, and over.
    Ended,
    /// Never let in.
    Refused,
}

impl SessionState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Refused => "refused",
        }
    }
}

/// The next hop of a session: of an origin only its id leaves the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HopTarget {
    /// A listed origin.
    Origin {
        /// Which.
        origin: OriginId,
    },
    /// Another edge.
    Edge {
        /// Which.
        edge: EdgeId,
    },
}

/// One stream that an edge carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// The application, as the origin is asked for it.
    pub app: String,
    /// Its name.
    pub stream: String,
    /// The route.
    pub route: RouteId,
    /// Where it comes from, or for a published one, where it is sent.
    pub next_hop: Option<HopTarget>,
    /// The session of its publisher, when that is a client of this edge.
    pub publisher: Option<SessionId>,
    /// Viewers on this edge.
    pub viewers: u64,
    /// Since when, in Unix milliseconds.
    pub began_ms: u64,
    /// Media bytes received since then.
    pub received_bytes: u64,
    /// Bits a second over the last few seconds.
    pub bits_per_second: u64,
    /// Video codec, as seen: `avc`, `hevc`, or a FourCC.
    pub video: Option<String>,
    /// Audio codec, as seen.
    pub audio: Option<String>,
    /// Times that a slow viewer was given a later keyframe.
    pub shed: u64,
}
