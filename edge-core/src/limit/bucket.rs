//! A token bucket: so many a second, and one second's worth at once. Rates may change between two
//! uses; the time is handed in.

use std::time::Duration;

/// One, in the unit in which is counted: what a rate of one a second gives in a nanosecond.
const ONE: u128 = 1_000_000_000;

/// A bucket; a new one is full.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// What is left, and when it was so; `None` is full.
    left: Option<(u128, Duration)>,
}

impl Bucket {
    /// Whether one could be taken now.
    pub(super) fn has_one(&self, rate: u64, now: Duration) -> bool {
        self.level(rate, now) >= ONE
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, rate: u64, now: Duration) {
        self.left = Some((self.level(rate, now).saturating_sub(ONE), now));
    }

    /// Whether it would be full again whatever its rate was: a second has passed.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.left
            .is_none_or(|(_, at)| now.saturating_sub(at) >= Duration::from_secs(1))
    }

    fn level(&self, rate: u64, now: Duration) -> u128 {
        let most = u128::from(rate) * ONE;
        match self.left {
            None => most,
            Some((left, at)) => {
                let grown = now.saturating_sub(at).as_nanos() * u128::from(rate);
                (left + grown).min(most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_one_seconds_worth_through_at_once_and_then_so_many_a_second() {
        let mut bucket = Bucket::default();
        let mut taken = 0;
        for step in 0..=2_000 {
            let now = Duration::from_millis(step);
            if bucket.has_one(10, now) {
                bucket.take(10, now);
                taken += 1;
            }
        }
        assert_eq!(taken, 30);
        assert!(!bucket.is_full(Duration::from_millis(2_001)));
        assert!(bucket.is_full(Duration::from_secs(4)));
        assert!(!Bucket::default().has_one(0, Duration::ZERO));
    }
}
