//! How long a stream's server may be silent before it is suspected: as long as the stream's own
//! steps make likely.
//!
//! The times at which media came go in, a patience comes out.

use std::time::Duration;

/// So many of the stream's own widest steps are waited for.
const STEPS: u32 = 4;
/// The shortest patience. Chosen, because a packet that is lost twice comes again within it, and
/// viewers whose server froze are promised a gap of less than 2 s.
const SHORTEST: Duration = Duration::from_millis(700);
/// The patience with a stream that nothing is known of yet.
const FIRST: Duration = Duration::from_secs(2);
/// Messages by which its steps are known.
const KNOWN: u32 = 20;
/// In so long a wide step is forgotten.
const FORGETS: Duration = Duration::from_secs(8);
/// A server that says nothing for so long in the middle of a stream is given up, whatever else is
/// known. Chosen, because encoders send at least audio several times a second.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// What is known of the steps in which a stream comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    last: Option<Duration>,
    widest: Duration,
    count: u32,
}

impl Arrivals {
    /// Media came.
    pub(super) fn heard(&mut self, now: Duration) {
        if let Some(last) = self.last {
            let step = now.saturating_sub(last);
            let left = FORGETS.saturating_sub(step).as_secs_f64() / FORGETS.as_secs_f64();
            self.widest = self.widest.mul_f64(left).max(step);
        }
        self.last = Some(now);
        self.count = self.count.saturating_add(1);
    }

    /// How long it may be silent.
    pub(super) fn patience(&self) -> Duration {
        if self.count < KNOWN {
            return FIRST;
        }
        (self.widest * STEPS).clamp(SHORTEST, SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_the_streams_own_steps() {
        let check = |steps: &[u64], expected: u64| {
            let mut arrivals = Arrivals::default();
            let mut now = Duration::from_secs(9);
            arrivals.heard(now);
            for step in steps {
                now += Duration::from_millis(*step);
                arrivals.heard(now);
            }
            let patience = arrivals.patience().as_millis();
            let near = patience.abs_diff(expected.into()) <= 30;
            assert!(near, "{steps:?}: {patience} instead of {expected}");
        };
        check(&[20], 2_000);
        check(&[20; 50], 700);
        let batches: Vec<u64> = (0..200)
            .map(|at| if at % 20 == 19 { 350 } else { 1 })
            .collect();
        check(&batches, 1_400);
        check(&[3_000; 30], 10_000);
        // A wide step is forgotten after a while.
        let mut once = vec![1_500];
        once.extend([20; 600]);
        check(&once, 700 + 640);
        once.extend([20; 400]);
        check(&once, 700);
    }
}
