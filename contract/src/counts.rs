//! Counts: cumulative, so that a lost or repeated report changes no sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::RouteId;
use crate::reason::Reason;

/// How a cacheable request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Fresh from the store.
    Hit,
    /// From the store after the origin confirmed it.
    Revalidated,
    /// From the store though it is not fresh.
    Stale,
    /// From a fill that another request had begun.
    Joined,
    /// From the origin, by a fill of its own.
    Miss,
    /// From the origin, nothing being stored or looked up.
    Bypass,
}

/// Cache outcomes and bytes of one route on one edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheCounts {
    /// Answers fresh from the store.
    pub hits: u64,
    /// Answers from the store after the origin confirmed them.
    pub revalidated: u64,
    /// Answers from the store though not fresh.
    pub stale: u64,
    /// Answers from a fill that another request had begun.
    pub joined: u64,
    /// Answers from a fill of their own.
    pub misses: u64,
    /// Answers for which nothing was stored or looked up.
    pub bypasses: u64,
    /// Body bytes sent to clients.
    pub sent_bytes: u64,
    /// Body bytes received from origins.
    pub fetched_bytes: u64,
}

impl CacheCounts {
    /// Counts one answer.
    pub fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Hit => &mut self.hits,
            Outcome::Revalidated => &mut self.revalidated,
            Outcome::Stale => &mut self.stale,
            Outcome::Joined => &mut self.joined,
            Outcome::Miss => &mut self.misses,
            Outcome::Bypass => &mut self.bypasses,
        };
        *counter += 1;
    }

    /// All answers.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits + self.revalidated + self.stale + self.joined + self.misses + self.bypasses
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.revalidated += other.revalidated;
        self.stale += other.stale;
        self.joined += other.joined;
        self.misses += other.misses;
        self.bypasses += other.bypasses;
        self.sent_bytes += other.sent_bytes;
        self.fetched_bytes += other.fetched_bytes;
    }
}

/// Everything an edge counts, since it was first started: kept on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Sessions that were let in.
    pub sessions_admitted: u64,
    /// Sessions that were refused, by reason.
    pub sessions_refused: BTreeMap<Reason, u64>,
    /// Bytes received from clients.
    pub received_bytes: u64,
    /// Bytes sent to clients.
    pub sent_bytes: u64,
    /// Relays opened to origins and siblings.
    pub relays_opened: u64,
    /// Cache outcomes by route.
    pub cache: BTreeMap<RouteId, CacheCounts>,
}
