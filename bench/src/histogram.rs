//! Durations counted into buckets of 50 µs up to 60 s, so that a million samples take no more room
//! than one. Percentiles come out as the upper end of their bucket.

use std::time::Duration;

const BUCKET: Duration = Duration::from_micros(50);
const BUCKETS: usize = 1_200_000;

/// How often each duration was seen.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    /// Nothing seen.
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }

    /// Counts one; what is over 60 s counts as that.
    pub(crate) fn add(&mut self, duration: Duration) {
        let bucket = (duration.as_nanos() / BUCKET.as_nanos()) as usize;
        let count = &mut self.counts[bucket.min(BUCKETS - 1)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The duration that this share (0 to 1) of all do not exceed; `None` when there are none.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.counts
            .iter()
            .position(|count| {
                seen += u64::from(*count);
                seen >= wanted
            })
            .map(|bucket| BUCKET * (bucket as u32 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_upper_ends_of_their_buckets() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.5), None);
        for ms in 1..=100 {
            histogram.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            let expected = Duration::from_millis(ms) + BUCKET;
            assert_eq!(histogram.percentile(share), Some(expected));
        }
        histogram.add(Duration::from_secs(600));
        assert_eq!(histogram.percentile(1.0), Some(Duration::from_secs(60)));
        assert_eq!(histogram.total(), 101);
    }
}
