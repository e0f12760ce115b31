//! The one clock of a run: the publisher's stamps and the viewers' readings are times since the
//! same start, so that their difference is the latency.

use std::time::{Duration, Instant};

/// Time since the run began; never falls.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
