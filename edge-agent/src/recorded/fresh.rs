//! Whether what is stored of a recording may still be served: for the route's time it may, then it
//! is compared with what the server has.
//!
//! The invariants: one comparison at a time, which all who come meanwhile wait for; a recording that
//! differs is dropped whole. It does not know how a server is asked.

use std::sync::Arc;

use contract::reason::Reason;
use edge_core::recorded::Head;

use super::recording::Recording;

/// How a recording stands for a viewer that comes now.
#[derive(Debug)]
pub enum Standing {
    /// What is stored may be served.
    Fresh,
    /// Nothing is known of it.
    Unknown,
    /// It has to be compared first: the caller starts that.
    Stale(Comparison),
    /// It is being compared.
    Compared,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The server has the same.
    Same,
    /// It has another: what was stored must go.
    Other,
    /// It says that it has none, or does not give it.
    Refused(Reason),
    /// It cannot be asked.
    Unreachable,
}

#[derive(Debug, Default)]
pub(super) struct Freshness {
    checked_ms: Option<u64>,
    comparing: bool,
    found: Option<Found>,
}

impl Freshness {
    pub(super) fn checked(&mut self, now_ms: u64) {
        self.checked_ms = Some(now_ms);
    }

    pub(super) fn checked_ms(&self) -> Option<u64> {
        self.checked_ms
    }
}

/// A comparison, in the hands of who carries it out. Dropping it says that nobody could be asked.
#[derive(Debug)]
pub struct Comparison {
    recording: Arc<Recording>,
    found: Found,
}

impl Comparison {
    /// Says whether the server's begin of the recording is the one that is known.
    pub async fn seen(mut self, head: &Head, now_ms: u64) {
        let same = self.recording.state().head.is_same(head);
        self.found = if same { Found::Same } else { Found::Other };
        if same {
            self.recording.state().fresh.checked(now_ms);
            self.recording.keep_head().await;
        }
    }

    /// The server does not give it.
    pub fn refused(mut self, reason: Reason) {
        self.found = Found::Refused(reason);
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        {
            let fresh = &mut self.recording.state().fresh;
            fresh.comparing = false;
            fresh.found = Some(self.found);
        }
        self.recording.changed();
    }
}

impl Recording {
    /// How it stands for a viewer that comes now, where it stays fresh for so long.
    #[must_use]
    pub fn standing(self: &Arc<Self>, ttl_ms: u64, now_ms: u64) -> Standing {
        let mut state = self.state();
        // What is being fetched is as new as anything can be.
        if !state.fills.is_empty() {
            return Standing::Fresh;
        }
        if !state.head.is_whole() || state.index.is_empty() {
            return Standing::Unknown;
        }
        let checked = state.fresh.checked_ms.unwrap_or_default();
        // A clock that was set back makes nothing fresh for long.
        if checked <= now_ms && now_ms - checked < ttl_ms {
            return Standing::Fresh;
        }
        if state.fresh.comparing {
            return Standing::Compared;
        }
        state.fresh.comparing = true;
        Standing::Stale(Comparison {
            recording: Arc::clone(self),
            found: Found::Unreachable,
        })
    }

    /// What the comparison that is under way finds.
    pub async fn compared(&self) -> Found {
        let mut changes = self.changes();
        loop {
            {
                let fresh = &self.state().fresh;
                if !fresh.comparing {
                    return fresh.found.unwrap_or(Found::Unreachable);
                }
            }
            // The sender is this recording's own.
            let _ = changes.changed().await;
        }
    }
}
