//! Reporting each second, and keeping on disk how far the edge has come.
//!
//! A report that was not answered is sent again as it is, so that nothing is lost or counted twice;
//! what changes meanwhile waits for the next one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contract::fault::FieldFault;
use contract::id::BootId;
use contract::limit::Count;
use contract::order::OrderReceipt;
use contract::report::{Listeners, MAX_REPORT_SESSIONS, Report, ReportAnswer};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::keep::{Keep, Progress};
use super::link::{Link, LinkError};
use super::state::LinkState;
use crate::clock::now_ms;
use crate::dial::Dialer;
use crate::limits::Limits;
use crate::sessions::Sessions;
use crate::streams::Streams;

/// How often an edge reports (laws.md, 1.12).
const EVERY: Duration = Duration::from_secs(1);
/// How soon it reports when what it counts for a shared limit changed: so that the other edges, which ask
/// once a second, know it within 2 s (B15).
const SOON: Duration = Duration::from_millis(250);
/// How long the last report may take when the edge stops.
const LAST: Duration = Duration::from_secs(2);
/// From which difference of the clocks on it is spoken of (laws.md, 2.9).
const CLOCK_TOLERANCE_MS: u64 = 2_000;

/// Reports until `done`, and once more then.
pub(super) struct Reporter {
    pub(super) link: Link,
    pub(super) keep: Keep,
    pub(super) kept: Progress,
    pub(super) state: LinkState,
    pub(super) sessions: Sessions,
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) limits: Limits,
    pub(super) streams: Streams,
    pub(super) dialer: Dialer,
    pub(super) faults: watch::Receiver<Vec<FieldFault>>,
    pub(super) listeners: Listeners,
    pub(super) boot: BootId,
    pub(super) sequence: u64,
    pub(super) wants_whole: bool,
    pub(super) pending: Option<Pending>,
}

/// A report that was not answered yet.
pub(super) struct Pending {
    bytes: Bytes,
    receipts: Vec<OrderReceipt>,
}

impl Reporter {
    pub(super) async fn run(mut self, done: CancellationToken) {
        let mut ticks = interval(SOON);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent: Option<(Instant, u64)> = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = done.cancelled() => break,
            }
            let changes = self.limits.changes();
            let is_due = sent
                .is_none_or(|(at, before)| at.elapsed() + SOON / 2 >= EVERY || before != changes);
            if !is_due {
                continue;
            }
            sent = Some((Instant::now(), changes));
            self.keep_progress().await;
            tokio::select! {
                () = self.send() => {}
                () = done.cancelled() => break,
            }
        }
        self.keep_progress().await;
        // The server may be away: stopping does not wait for it.
        let last = async {
            self.send().await;
            self.send().await;
        };
        let _ = timeout(LAST, last).await;
    }

    async fn send(&mut self) {
        if self.state.lock().expelled {
            return;
        }
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.next(),
        };
        let bytes = pending.bytes.clone();
        // Kept while the call is under way: it may be cut off by a stop.
        self.pending = Some(pending);
        let sent_ms = now_ms();
        match self.link.report(bytes).await {
            Ok(answer) => {
                self.pending = None;
                self.answered(answer, sent_ms);
            }
            Err(LinkError::Refused { status, detail }) if status.is_client_error() => {
                tracing::error!(%status, detail, "the server refused a report: the next one is whole");
                if let Some(pending) = self.pending.take() {
                    self.state.give_back(pending.receipts);
                }
                self.wants_whole = true;
            }
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a report was not answered"
            ),
        }
    }

    fn next(&mut self) -> Pending {
        self.sequence += 1;
        let whole = std::mem::take(&mut self.wants_whole);
        let receipts = self.state.take_receipts();
        let standing = self.state.now();
        let report = Report {
            boot: self.boot,
            sequence: self.sequence,
            at_ms: now_ms(),
            version: super::VERSION.to_owned(),
            listeners: self.listeners.clone(),
            faults: self.faults.borrow().clone(),
            settings: standing.settings,
            directory: standing.directory,
            whole,
            sessions: if whole {
                self.sessions.whole()
            } else {
                self.sessions.drain_changes(MAX_REPORT_SESSIONS)
            },
            streams: self.streams.states(),
            totals: self.sessions.totals().counts(),
            origins: self.dialer.reached(),
            receipts: receipts.clone(),
            counts: self.counts(),
        };
        let bytes = serde_json::to_vec(&report).expect("a report has only text keys");
        Pending {
            bytes: bytes.into(),
            receipts,
        }
    }

    fn counts(&self) -> Vec<Count> {
        let settings = Arc::clone(&self.settings.borrow());
        self.limits
            .counts(settings.snapshot.as_deref(), &settings.directory)
    }

    fn answered(&mut self, answer: ReportAnswer, sent_ms: u64) {
        self.wants_whole |= answer.wants_whole;
        self.limits.hear(answer.cluster);
        let here_ms = sent_ms.midpoint(now_ms());
        let offset_ms = answer
            .at_ms
            .cast_signed()
            .wrapping_sub(here_ms.cast_signed());
        let before_ms = std::mem::replace(&mut self.state.lock().clock_offset_ms, offset_ms);
        let is_off = |offset_ms: i64| offset_ms.unsigned_abs() > CLOCK_TOLERANCE_MS;
        if is_off(offset_ms) && !is_off(before_ms) {
            tracing::warn!(
                offset_ms,
                "this edge's clock differs from the server's: rules with time windows follow this edge's"
            );
        }
    }

    /// Keeps totals and the last order on disk, if they moved.
    async fn keep_progress(&mut self) {
        let standing = self.state.now();
        if standing.expelled {
            return;
        }
        let progress = Progress {
            totals: self.sessions.totals().counts(),
            directory: standing.directory,
            order: standing.order,
            heard_ms: standing.heard_ms,
        };
        if progress == self.kept {
            return;
        }
        let keep = self.keep.clone();
        let copy = progress.clone();
        let work = tokio::task::spawn_blocking(move || keep.keep_progress(&copy));
        match work.await {
            Ok(Ok(())) => self.kept = progress,
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "totals could not be kept on disk"
            ),
            Err(error) => tracing::warn!(%error, "totals could not be kept on disk"),
        }
    }
}
