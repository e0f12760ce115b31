//! Time, asked for in one place: Unix milliseconds for what leaves the edge, and the time since the
//! agent began for the machines of `edge-core`, which never ask by themselves.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, in Unix milliseconds. A clock that stands before 1970 reads as 0.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Time since a start; it never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "two calls give two clocks")]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
