//! What this edge counts for limits, between those who count and the link to the server: what it
//! has goes into each report, what the others of the cluster have comes back with the answer.
//!
//! Whether there is room is `edge-core`'s to say; this only brings it the time, and the bytes that
//! sessions moved, where a limit asks for them.

use std::collections::BTreeMap;

use contract::directory::Directory;
use contract::limit::{ClusterCounts, Count, Holder, LimitKind, Limits as Set};
use contract::snapshot::Snapshot;
use edge_core::limit::{Gate, Limiter};

use crate::clock::Clock;
use crate::sessions::Sessions;

/// What is counted; clones are the same counts.
#[derive(Debug, Clone)]
pub struct Limits {
    limiter: Limiter,
    clock: Clock,
}

impl Limits {
    /// Counts that begin with nothing.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            limiter: Limiter::default(),
            clock,
        }
    }

    /// The counts at this moment, for admission.
    #[must_use]
    pub fn gate(&self) -> Gate<'_> {
        Gate {
            limiter: &self.limiter,
            now: self.clock.now(),
        }
    }

    /// What a report says of the limits that are set.
    #[must_use]
    pub fn counts(&self, snapshot: Option<&Snapshot>, directory: &Directory) -> Vec<Count> {
        self.limiter
            .counts(|holder| current(snapshot, directory, holder))
    }

    /// Takes what the server says of the other edges.
    pub fn hear(&self, cluster: ClusterCounts) {
        self.limiter.hear(cluster, self.clock.now());
    }

    /// Grows whenever something changed that other edges want to know.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.limiter.changes()
    }

    /// Measures rates; called about once a second. Sessions are asked for their bytes only if a
    /// limit is set on any.
    pub fn measure(&self, snapshot: Option<&Snapshot>, directory: &Directory, sessions: &Sessions) {
        let Some(snapshot) = snapshot else { return };
        let is_asked = directory.measures_clients()
            || snapshot.own().is_some_and(|own| own.limits.measures_bits())
            || snapshot
                .routes
                .iter()
                .any(|route| route.limits.measures_bits());
        let moved = if is_asked {
            sessions.moved(snapshot.edge)
        } else {
            Default::default()
        };
        self.limiter.measure(&moved, self.clock.now());
    }

    /// How often a limit refused somebody, by whose and which limit it was.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<(&'static str, LimitKind), u64> {
        self.limiter.refused()
    }
}

/// The limits of a holder as they are set now; those of a token stand in the token alone.
fn current(snapshot: Option<&Snapshot>, directory: &Directory, holder: &Holder) -> Option<Set> {
    match holder {
        Holder::Edge { edge } => Some(snapshot?.neighbor(*edge)?.limits),
        Holder::Route { route } => {
            let known = snapshot?.routes.iter().find(|known| known.id == *route)?;
            Some(known.limits)
        }
        Holder::Client { client } => Some(directory.client(*client)?.limits),
        Holder::Token { .. } => None,
    }
}
