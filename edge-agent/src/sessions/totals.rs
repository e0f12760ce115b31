//! What an edge counts since it was first started: atomics that any task adds to, read whole for
//! reports, metrics and the disk. Counts never go back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use contract::counts::{self, CacheCounts, Outcome};
use contract::id::RouteId;
use contract::reason::Reason;

pub use crate::telemetry::TurnedAway;

/// The counters of this edge; clones are the same counters.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    shared: Arc<Counters>,
}

#[derive(Debug)]
struct Counters {
    admitted: AtomicU64,
    /// By the place of the reason in [`Reason::ALL`].
    refused: Vec<AtomicU64>,
    /// Sessions that were let in and are over, in the same way.
    ended: Vec<AtomicU64>,
    /// By the place in [`TurnedAway::ALL`].
    turned_away: [AtomicU64; TurnedAway::ALL.len()],
    received: AtomicU64,
    sent: AtomicU64,
    relays: AtomicU64,
    routes: RwLock<HashMap<RouteId, RouteCounts>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            admitted: AtomicU64::default(),
            refused: Reason::ALL.iter().map(|_| AtomicU64::default()).collect(),
            ended: Reason::ALL.iter().map(|_| AtomicU64::default()).collect(),
            turned_away: Default::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            relays: AtomicU64::default(),
            routes: RwLock::default(),
        }
    }
}

/// The cache counters of one route; clones are the same counters.
#[derive(Debug, Clone, Default)]
pub struct RouteCounts {
    shared: Arc<RouteCounters>,
}

#[derive(Debug, Default)]
struct RouteCounters {
    hits: AtomicU64,
    revalidated: AtomicU64,
    stale: AtomicU64,
    joined: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    sent: AtomicU64,
    fetched: AtomicU64,
}

impl Totals {
    /// Counters that go on from what was kept.
    #[must_use]
    pub fn going_on_from(kept: &counts::Totals) -> Self {
        let totals = Self::default();
        let shared = &totals.shared;
        shared.admitted.store(kept.sessions_admitted, Relaxed);
        shared.received.store(kept.received_bytes, Relaxed);
        shared.sent.store(kept.sent_bytes, Relaxed);
        shared.relays.store(kept.relays_opened, Relaxed);
        for (reason, counter) in Reason::ALL.iter().zip(&shared.refused) {
            let count = kept.sessions_refused.get(reason).copied();
            counter.store(count.unwrap_or_default(), Relaxed);
        }
        for (route, kept) in &kept.cache {
            totals.route(*route).store(kept);
        }
        totals
    }

    /// All counts as they are now.
    #[must_use]
    pub fn counts(&self) -> counts::Totals {
        let shared = &self.shared;
        let refused = Reason::ALL.iter().zip(&shared.refused);
        let routes = shared.routes.read().unwrap_or_else(PoisonError::into_inner);
        counts::Totals {
            sessions_admitted: shared.admitted.load(Relaxed),
            sessions_refused: refused
                .map(|(reason, counter)| (*reason, counter.load(Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            received_bytes: shared.received.load(Relaxed),
            sent_bytes: shared.sent.load(Relaxed),
            relays_opened: shared.relays.load(Relaxed),
            cache: routes
                .iter()
                .map(|(route, counts)| (*route, counts.counts()))
                .collect(),
        }
    }

    /// A relay was opened to an origin or a sibling.
    pub fn relay_opened(&self) {
        self.shared.relays.fetch_add(1, Relaxed);
    }

    /// The cache counters of a route. Routes come from snapshots, so there are only so many.
    #[must_use]
    pub fn route(&self, route: RouteId) -> RouteCounts {
        let routes = &self.shared.routes;
        let known = routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(&route) {
            return counts.clone();
        }
        drop(known);
        let mut routes = routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.entry(route).or_default().clone()
    }

    pub(super) fn admitted(&self) {
        self.shared.admitted.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, reason: Reason) {
        add_one(&self.shared.refused, reason);
    }

    pub(super) fn ended(&self, reason: Reason) {
        add_one(&self.shared.ended, reason);
    }

    /// A connection was closed before it became a session.
    pub fn turned_away(&self, why: TurnedAway) {
        let counters = TurnedAway::ALL.iter().zip(&self.shared.turned_away);
        for (_, counter) in counters.filter(|(known, _)| **known == why) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Sessions that were let in and are over since this run began, by why.
    #[must_use]
    pub fn ended_by_reason(&self) -> Vec<(Reason, u64)> {
        let counts = Reason::ALL.iter().zip(&self.shared.ended);
        let counts = counts.map(|(reason, counter)| (*reason, counter.load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Connections that were closed before they became sessions since this run began, by why.
    #[must_use]
    pub fn turned_away_by_reason(&self) -> Vec<(TurnedAway, u64)> {
        let counts = TurnedAway::ALL.iter().zip(&self.shared.turned_away);
        counts
            .map(|(why, counter)| (*why, counter.load(Relaxed)))
            .collect()
    }

    pub(super) fn received(&self, bytes: u64) {
        self.shared.received.fetch_add(bytes, Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.shared.sent.fetch_add(bytes, Relaxed);
    }
}

fn add_one(counters: &[AtomicU64], reason: Reason) {
    let place = Reason::ALL.iter().position(|known| *known == reason);
    if let Some(counter) = place.and_then(|place| counters.get(place)) {
        counter.fetch_add(1, Relaxed);
    }
}

impl RouteCounts {
    /// Counts one answer.
    pub fn count(&self, outcome: Outcome) {
        let shared = &self.shared;
        let counter = match outcome {
            Outcome::Hit => &shared.hits,
            Outcome::Revalidated => &shared.revalidated,
            Outcome::Stale => &shared.stale,
            Outcome::Joined => &shared.joined,
            Outcome::Miss => &shared.misses,
            Outcome::Bypass => &shared.bypasses,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Counts body bytes sent to a client.
    pub fn sent(&self, bytes: u64) {
        self.shared.sent.fetch_add(bytes, Relaxed);
    }

    /// Counts body bytes received from an origin.
    pub fn fetched(&self, bytes: u64) {
        self.shared.fetched.fetch_add(bytes, Relaxed);
    }

    fn store(&self, kept: &CacheCounts) {
        let shared = &self.shared;
        shared.hits.store(kept.hits, Relaxed);
        shared.revalidated.store(kept.revalidated, Relaxed);
        shared.stale.store(kept.stale, Relaxed);
        shared.joined.store(kept.joined, Relaxed);
        shared.misses.store(kept.misses, Relaxed);
        shared.bypasses.store(kept.bypasses, Relaxed);
        shared.sent.store(kept.sent_bytes, Relaxed);
        shared.fetched.store(kept.fetched_bytes, Relaxed);
    }

    fn counts(&self) -> CacheCounts {
        let shared = &self.shared;
        CacheCounts {
            hits: shared.hits.load(Relaxed),
            revalidated: shared.revalidated.load(Relaxed),
            stale: shared.stale.load(Relaxed),
            joined: shared.joined.load(Relaxed),
            misses: shared.misses.load(Relaxed),
            bypasses: shared.bypasses.load(Relaxed),
            sent_bytes: shared.sent.load(Relaxed),
            fetched_bytes: shared.fetched.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_where_they_were_kept() {
        let totals = Totals::default();
        let route = RouteId::from_bits(1);
        totals.admitted();
        totals.refused(Reason::NoRoute);
        totals.received(1);
        totals.sent(2);
        totals.relay_opened();
        totals.route(route).count(Outcome::Hit);
        totals.route(route).sent(10);
        totals.route(route).fetched(4);
        let kept = totals.counts();
        assert_eq!(kept.cache[&route].hits, 1);
        assert_eq!(Totals::going_on_from(&kept).counts(), kept);
    }
}
