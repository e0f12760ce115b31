//! The servers behind: which of a route's are asked, in which order, and when one that failed is
//! asked again.
//!
//! Failures and successes with the time go in, an order of trying comes out. [`Sources`] are the
//! servers of one relay, which become one stream. Nothing here dials.

mod absent;
mod arrivals;
#[cfg(test)]
mod fixture;
mod kept;
mod pulse;
mod sources;
mod splice;

pub use absent::Absent;
pub use pulse::Pulse;
pub use sources::{Output, Said, Sources, Trouble};

use std::collections::HashMap;
use std::time::Duration;

use contract::routing::NextHop;

/// The longest that one try may take (laws.md, 5.3).
pub const ONE_TRY: Duration = Duration::from_secs(2);
/// The longest that all tries together may take, so that a client is answered before it gives up
/// (curl waits for 10 s: clients.md).
pub const ALL_TRIES: Duration = Duration::from_secs(8);
/// After so long without an answer the next one is tried beside it. Chosen, because a server that
/// is well answers `connect` within two round trips around the world.
pub const STAGGER: Duration = Duration::from_millis(700);
/// How long one that failed is asked last, at first and at most; doubled each time.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is known of the servers behind this edge.
#[derive(Debug, Clone, Default)]
pub struct Upstreams {
    failing: HashMap<NextHop, Failing>,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    until: Duration,
    wait: Duration,
}

impl Upstreams {
    /// The order in which to try: as the route says, but those that failed lately come last, the
    /// one whose time is over soonest first. None is left out: when all fail, one may be back.
    #[must_use]
    pub fn order(&self, next: &[NextHop], now: Duration) -> Vec<NextHop> {
        let held = |hop: &NextHop| {
            self.failing
                .get(hop)
                .map(|failing| failing.until)
                .filter(|until| *until > now)
        };
        let mut order = next.to_vec();
        // Stable: equal ones stay as the route says.
        order.sort_by_key(|hop| held(hop).unwrap_or_default());
        order
    }

    /// A try failed.
    pub fn failed(&mut self, hop: NextHop, now: Duration) {
        let wait = self
            .failing
            .get(&hop)
            .map_or(BACK_OFF.0, |known| (known.wait * 2).min(BACK_OFF.1));
        let until = now + wait;
        self.failing.insert(hop, Failing { until, wait });
    }

    /// A try succeeded: it is as good as any other again.
    pub fn succeeded(&mut self, hop: NextHop) {
        self.failing.remove(&hop);
    }
}

/// How long to wait before a stream that a server has not got is asked for again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    tries: u32,
    first: Duration,
    longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 0,
            first: Self::FIRST,
            longest: Self::LONGEST,
        }
    }
}

impl Retry {
    /// The longest wait. Chosen, because a viewer that waits for 3 s sees one try at least.
    const LONGEST: Duration = Duration::from_secs(2);
    /// The first wait.
    const FIRST: Duration = Duration::from_millis(250);

    /// The waits of a server that is only wanted to stand by.
    const SPARE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

    /// For a server that is only wanted to stand by: nobody waits for it.
    #[must_use]
    pub fn spare() -> Self {
        Self {
            tries: 0,
            first: Self::SPARE.0,
            longest: Self::SPARE.1,
        }
    }

    /// The wait before the next try.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.first * 2_u32.saturating_pow(self.tries.min(8));
        self.tries = self.tries.saturating_add(1);
        wait.min(self.longest)
    }

    /// Something was there: the next failure begins anew.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::id::OriginId;

    fn origin(id: u128) -> NextHop {
        NextHop::Origin(OriginId::from_bits(id))
    }

    #[test]
    fn one_that_failed_is_asked_last_for_a_while() {
        let s = Duration::from_secs;
        let all = [origin(1), origin(2), origin(3)];
        let mut upstreams = Upstreams::default();
        assert_eq!(upstreams.order(&all, s(10)), all);
        upstreams.failed(origin(1), s(10));
        assert_eq!(upstreams.order(&all, s(10)), [all[1], all[2], all[0]]);
        assert_eq!(upstreams.order(&all, s(11)), all);
        upstreams.failed(origin(1), s(11));
        upstreams.failed(origin(2), s(11));
        assert_eq!(upstreams.order(&all, s(11)), [all[2], all[1], all[0]]);
        assert_eq!(upstreams.order(&all, s(12)), [all[1], all[2], all[0]]);
        upstreams.succeeded(origin(1));
        assert_eq!(upstreams.order(&all, s(12)), all);
    }

    #[test]
    fn a_missing_stream_is_asked_for_less_and_less_often() {
        let mut retry = Retry::default();
        let waits: Vec<_> = (0..6).map(|_| retry.next_wait().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 2_000, 2_000]);
        retry.reset();
        assert_eq!(retry.next_wait().as_millis(), 250);
    }
}
