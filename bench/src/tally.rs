//! What all viewers of a run together saw: bytes, joins, latencies, faults, ends.
//!
//! Viewers add, the run reads. Latency counts only while the window is open, so that the burst
//! with which a server greets a newcomer is not taken for lateness.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::check::Faults;
use crate::histogram::Histogram;

/// Different reasons for an end that are kept apart; the rest is counted together.
const REASONS: usize = 8;

/// The sums.
pub(crate) struct Tally {
    /// Bytes received, handshakes and commands included.
    pub(crate) bytes: u64,
    /// Whether latencies count now.
    pub(crate) window_is_open: bool,
    pub(crate) latencies: Histogram,
    pub(crate) joins: Histogram,
    pub(crate) faults: Faults,
    /// Viewers that have stopped reading.
    pub(crate) stalled: u64,
    /// How long after that they were ended.
    pub(crate) stalled_ends: Histogram,
    /// How many viewers ended before they were told to, by reason.
    pub(crate) ends: BTreeMap<String, u64>,
}

impl Tally {
    /// All at zero.
    pub(crate) fn new() -> Self {
        Self {
            bytes: 0,
            window_is_open: false,
            latencies: Histogram::new(),
            joins: Histogram::new(),
            faults: Faults::default(),
            stalled: 0,
            stalled_ends: Histogram::new(),
            ends: BTreeMap::new(),
        }
    }

    /// A viewer saw its first keyframe so long after it sent `play`.
    pub(crate) fn join(&mut self, after: Duration) {
        self.joins.add(after);
    }

    /// A video frame came so long after it was sent.
    pub(crate) fn latency(&mut self, latency: Duration) {
        if self.window_is_open {
            self.latencies.add(latency);
        }
    }

    /// The latencies so far; they begin anew.
    pub(crate) fn take_latencies(&mut self) -> Histogram {
        std::mem::replace(&mut self.latencies, Histogram::new())
    }

    /// A viewer ended though nobody asked it to.
    pub(crate) fn end(&mut self, reason: &str) {
        let known = self.ends.contains_key(reason) || self.ends.len() < REASONS;
        let reason = if known { reason } else { "other reasons" };
        *self.ends.entry(reason.to_owned()).or_default() += 1;
    }

    /// How many viewers have ended so.
    pub(crate) fn ended(&self) -> u64 {
        self.ends.values().sum()
    }
}
