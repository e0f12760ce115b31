//! How fast upstreams usually answer, so that one which hangs is told from one that is always slow.
//!
//! Times go in, a patience comes out. It knows nothing of health: an upstream that fails is known elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::routing::NextHop;

use super::exchange::IMPATIENT;

/// The least patience. Chosen: with it a client hears within 50 ms what stands in for an answer that does not come.
const LEAST: Duration = Duration::from_millis(25);
/// Patience with an upstream that has not answered yet; chosen, because most answer sooner.
const UNKNOWN: Duration = Duration::from_millis(250);
/// How many times its usual time an upstream may take; chosen, because the times of one server scatter so far.
const TIMES: u32 = 4;
/// Of a new time one part in so many counts.
const SMOOTH: u32 = 8;
/// The most upstreams that are remembered; settings change, old ones are forgotten.
const MOST: usize = 4_096;

/// The usual time of each upstream's answers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    usual: Mutex<HashMap<NextHop, Duration>>,
}

impl Pace {
    fn lock(&self) -> MutexGuard<'_, HashMap<NextHop, Duration>> {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An upstream's answer began after this time.
    pub(super) fn told(&self, hop: NextHop, took: Duration) {
        let mut usual = self.lock();
        if usual.len() >= MOST && !usual.contains_key(&hop) {
            usual.clear();
        }
        let known = usual.entry(hop).or_insert(took);
        *known = (*known * (SMOOTH - 1) + took) / SMOOTH;
    }

    /// How long to wait for the first of these before something stands in for it.
    pub(super) fn patience(&self, next: &[NextHop]) -> Duration {
        let usual = next.first().and_then(|hop| self.lock().get(hop).copied());
        usual.map_or(UNKNOWN, |usual| (usual * TIMES).clamp(LEAST, IMPATIENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::id::OriginId;

    #[test]
    fn an_upstream_is_waited_for_as_long_as_it_usually_takes_and_some_more() {
        let pace = Pace::default();
        let hop = NextHop::Origin(OriginId::from_bits(1));
        let ms = Duration::from_millis;
        assert_eq!(pace.patience(&[hop]), UNKNOWN);
        pace.told(hop, ms(1));
        assert_eq!(pace.patience(&[hop]), LEAST);
        for _ in 0..100 {
            pace.told(hop, ms(100));
        }
        let patience = pace.patience(&[hop]);
        assert!(ms(390) < patience && patience <= ms(400), "{patience:?}");
        pace.told(hop, ms(60_000));
        assert_eq!(pace.patience(&[hop]), IMPATIENT);
    }
}
