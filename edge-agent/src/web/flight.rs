//! Which fills are under way, so that equal requests join one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fill::{Fill, Reader};

/// The most who wait for one object (laws.md, section 6).
const MAX_WAITERS: usize = 10_000;

/// The fills that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    fills_by_name: Mutex<HashMap<String, Arc<Fill>>>,
    /// How often something was purged.
    purges: AtomicU64,
}

/// Where a request stands.
#[derive(Debug)]
pub(super) enum Boarding<T> {
    /// It began the fill, and must fetch.
    Began(Arc<Fill>, Reader),
    /// It reads what another began to fetch.
    Joined(Reader),
    /// Too many wait already.
    Full,
    /// The answer had come meanwhile.
    Landed(T),
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Fill>>> {
        self.fills_by_name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fill of this name, or begins it. `look_again` is asked when there is none: one may
    /// have ended, and stored its answer, since the caller looked.
    pub(super) fn board<T>(
        &self,
        name: &str,
        look_again: impl FnOnce() -> Option<T>,
    ) -> Boarding<T> {
        let mut fills = self.lock();
        if let Some(fill) = fills.get(name) {
            if fill.readers() >= MAX_WAITERS {
                return Boarding::Full;
            }
            return Boarding::Joined(fill.reader());
        }
        if let Some(landed) = look_again() {
            return Boarding::Landed(landed);
        }
        let fill = Fill::new();
        let reader = fill.reader();
        fills.insert(name.to_owned(), Arc::clone(&fill));
        Boarding::Began(fill, reader)
    }

    /// The fill is over: whoever comes now finds its answer in the store, or begins anew.
    pub(super) fn land(&self, name: &str, fill: &Arc<Fill>) {
        let mut fills = self.lock();
        if fills
            .get(name)
            .is_some_and(|known| Arc::ptr_eq(known, fill))
        {
            fills.remove(name);
        }
    }

    /// How often something was purged: what was begun at another count is not stored.
    pub(super) fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    /// Fills under names that fit are not joined any more, and not stored.
    pub(super) fn outdate(&self, fits: impl Fn(&str) -> bool) {
        self.purges.fetch_add(1, Ordering::AcqRel);
        self.lock().retain(|name, fill| {
            let goes = fits(name);
            if goes {
                fill.outdated.store(true, Ordering::Release);
            }
            !goes
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_meet_until_the_fill_is_over() {
        let flights = Flights::default();
        let none = || None::<()>;
        let Boarding::Began(fill, _reader) = flights.board("a", none) else {
            panic!("nothing was under way");
        };
        assert!(matches!(flights.board("a", none), Boarding::Joined(_)));
        assert!(matches!(flights.board("b", none), Boarding::Began(..)));
        flights.land("a", &fill);
        assert!(matches!(
            flights.board("a", || Some(())),
            Boarding::Landed(())
        ));
    }

    #[test]
    fn a_purge_outdates_only_what_fits() {
        let flights = Flights::default();
        let none = || None::<()>;
        let Boarding::Began(fill, _reader) = flights.board("a", none) else {
            panic!("nothing was under way");
        };
        let Boarding::Began(other, _other) = flights.board("b", none) else {
            panic!("nothing was under way");
        };
        flights.outdate(|name| name == "a");
        assert!(fill.outdated.load(Ordering::Acquire));
        assert!(!other.outdated.load(Ordering::Acquire));
        assert!(matches!(flights.board("a", none), Boarding::Began(..)));
    }
}
