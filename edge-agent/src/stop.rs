//! Stopping in two steps: softly (accept nothing new, let what is under way come to its end) and
//! hard (close everything now). Whoever serves looks at both; only the agent pulls them.

use tokio_util::sync::CancellationToken;

/// The two steps of a stop; clones are the same stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Stop {
    /// A stop that nobody has asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone to come to an end.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Ends everything at once.
    pub fn cut(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Comes when an end is asked for.
    pub async fn begun(&self) {
        self.soft.cancelled().await;
    }

    /// Comes when everything must end at once.
    pub async fn is_cut(&self) {
        self.hard.cancelled().await;
    }

    /// The token of the soft step, for `select` loops that keep it.
    #[must_use]
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// The token of the hard step.
    #[must_use]
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }
}
