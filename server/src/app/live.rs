//! What is happening now, as the edges report it: held in memory, bounded by what they carry.
//!
//! A report replaces what it speaks of; a repeated or late one changes nothing. What is over is
//! handed out to be kept in the statistics, and goes from here only when it was kept. Pages hear at
//! most once a second that something moved.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::counts::Totals;
use contract::fault::FieldFault;
use contract::id::{BootId, ClientId, EdgeId, OriginId, SessionId};
use contract::report::{
    Reachability, Report, SessionRecord, SessionState, SettingsState, StreamState,
};
use serde::Serialize;
use tokio::sync::watch;

use crate::store::statistics::Ended;

/// What an edge said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeReport {
    /// When it came, by the server's clock.
    pub reported_ms: u64,
    /// How far ahead of the server's the edge's clock is; negative if it is behind.
    pub clock_ahead_ms: i64,
    /// What is wrong on its own machine.
    pub faults: Vec<FieldFault>,
    /// How its settings stand.
    pub settings: SettingsState,
    /// The generation of its directory.
    pub directory: u64,
    /// Live sessions, those not let in yet included.
    pub sessions: u64,
    /// Streams that it carries.
    pub streams: u64,
    /// Totals since the edge was first started.
    pub totals: Totals,
    /// Whether it can reach each origin.
    pub origins: BTreeMap<OriginId, Reachability>,
}

#[derive(Debug)]
struct EdgeNow {
    boot: BootId,
    sequence: u64,
    report: EdgeReport,
    sessions: HashMap<SessionId, SessionRecord>,
    streams: Vec<StreamState>,
    /// The totals that the statistics have, and since when.
    kept: Option<(Totals, u64)>,
}

/// Totals go to the statistics this often at most; chosen, so that a busy fleet writes sessions.
const TOTALS_EVERY_MS: u64 = 10_000;

/// What becomes of a report.
#[derive(Debug)]
pub(crate) enum Intake {
    /// It was taken already: the sequence that is known.
    Repeated(u64),
    /// It is new. Keep what is over, then [`Live::take`] it.
    New {
        /// Sessions that are over by it.
        ended: Vec<Ended>,
        /// Whether sessions may be missing, so that a whole report is wanted next.
        wants_whole: bool,
        /// Whether the totals moved and are due to be kept.
        totals_due: bool,
    },
}

/// What is happening now on all edges.
#[derive(Debug)]
pub(crate) struct Live {
    edges: Mutex<HashMap<EdgeId, EdgeNow>>,
    has_moved: AtomicBool,
    moved: watch::Sender<u64>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            edges: Mutex::default(),
            has_moved: AtomicBool::new(false),
            moved: watch::Sender::new(0),
        }
    }

    fn edges(&self) -> MutexGuard<'_, HashMap<EdgeId, EdgeNow>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears that something moved; the number only tells one time from another.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Says that something moved, if it did since the last time: called once a second.
    pub(crate) fn tell(&self) {
        if self.has_moved.swap(false, Ordering::Relaxed) {
            self.moved
                .send_modify(|times| *times = times.wrapping_add(1));
        }
    }

    /// Looks at a report without taking it.
    pub(crate) fn look(&self, edge: EdgeId, report: &Report, now_ms: u64) -> Intake {
        let edges = self.edges();
        let known = edges.get(&edge);
        let same_boot = known.filter(|known| known.boot == report.boot);
        if let Some(known) = same_boot
            && report.sequence <= known.sequence
        {
            return Intake::Repeated(known.sequence);
        }
        let follows = same_boot.is_some_and(|known| report.sequence == known.sequence + 1);
        let mut ended: Vec<Ended> = report
            .sessions
            .iter()
            .filter(|record| is_over(record))
            .map(|record| Ended {
                edge,
                record: record.clone(),
            })
            .collect();
        if report.whole
            && let Some(known) = known
        {
            let told: HashSet<SessionId> = report.sessions.iter().map(|record| record.id).collect();
            let vanished = known
                .sessions
                .values()
                .filter(|record| !told.contains(&record.id));
            ended.extend(vanished.map(|record| Ended {
                edge,
                record: vanished_record(record, known.report.reported_ms.min(now_ms)),
            }));
        }
        let totals_due = match known.and_then(|known| known.kept.as_ref()) {
            Some((kept, kept_ms)) => {
                *kept != report.totals && now_ms.saturating_sub(*kept_ms) >= TOTALS_EVERY_MS
            }
            None => true,
        };
        Intake::New {
            ended,
            wants_whole: !follows && !report.whole,
            totals_due,
        }
    }

    /// Takes a report that was looked at, its totals being kept by now or not.
    pub(crate) fn take(&self, edge: EdgeId, report: Report, totals_kept: bool, now_ms: u64) {
        let mut edges = self.edges();
        let is_late =
            |known: &EdgeNow| known.boot == report.boot && known.sequence >= report.sequence;
        if edges.get(&edge).is_some_and(is_late) {
            // A newer one was taken while this one's sessions were being kept.
            return;
        }
        let (mut sessions, mut kept) = match edges.remove(&edge) {
            Some(known) if !report.whole => (known.sessions, known.kept),
            Some(known) => (HashMap::new(), known.kept),
            None => (HashMap::new(), None),
        };
        if totals_kept {
            kept = Some((report.totals.clone(), now_ms));
        }
        for record in report.sessions {
            if is_over(&record) {
                sessions.remove(&record.id);
            } else {
                sessions.insert(record.id, record);
            }
        }
        let ahead = i128::from(report.at_ms) - i128::from(now_ms);
        let now = EdgeNow {
            boot: report.boot,
            sequence: report.sequence,
            report: EdgeReport {
                reported_ms: now_ms,
                clock_ahead_ms: i64::try_from(ahead).unwrap_or(i64::MAX),
                faults: report.faults,
                settings: report.settings,
                directory: report.directory,
                sessions: sessions.len() as u64,
                streams: report.streams.len() as u64,
                totals: report.totals,
                origins: report.origins,
            },
            sessions,
            streams: report.streams,
            kept,
        };
        edges.insert(edge, now);
        self.has_moved.store(true, Ordering::Relaxed);
    }

    /// Forgets an edge that was retired; gives its sessions, which are over.
    pub(crate) fn forget(&self, edge: EdgeId, now_ms: u64) -> Vec<Ended> {
        let gone = self.edges().remove(&edge);
        gone.into_iter()
            .flat_map(|now| now.sessions.into_values())
            .map(|record| Ended {
                edge,
                record: vanished_record(&record, now_ms),
            })
            .collect()
    }

    /// What an edge said last.
    pub(crate) fn report(&self, edge: EdgeId) -> Option<EdgeReport> {
        self.edges().get(&edge).map(|now| now.report.clone())
    }

    /// When an edge said something last.
    pub(crate) fn reported_ms(&self, edge: EdgeId) -> Option<u64> {
        self.edges().get(&edge).map(|now| now.report.reported_ms)
    }

    /// The totals of all edges that report.
    pub(crate) fn totals(&self) -> Vec<(EdgeId, Totals)> {
        self.edges()
            .iter()
            .map(|(edge, now)| (*edge, now.report.totals.clone()))
            .collect()
    }

    /// One live session.
    pub(crate) fn session(&self, id: SessionId) -> Option<(EdgeId, SessionRecord)> {
        self.edges()
            .iter()
            .find_map(|(edge, now)| now.sessions.get(&id).map(|record| (*edge, record.clone())))
    }

    /// The newest live sessions that a filter lets through, at most `limit`.
    pub(crate) fn sessions(
        &self,
        limit: usize,
        filter: impl Fn(EdgeId, &SessionRecord) -> bool,
    ) -> Vec<(EdgeId, SessionRecord)> {
        let edges = self.edges();
        let mut found: Vec<(EdgeId, &SessionRecord)> = edges
            .iter()
            .flat_map(|(edge, now)| now.sessions.values().map(|record| (*edge, record)))
            .filter(|(edge, record)| filter(*edge, record))
            .collect();
        found.sort_unstable_by_key(|(_, record)| std::cmp::Reverse(record.id));
        found.truncate(limit);
        found
            .into_iter()
            .map(|(edge, record)| (edge, record.clone()))
            .collect()
    }

    /// How many live sessions a filter lets through.
    pub(crate) fn count(&self, filter: impl Fn(&SessionRecord) -> bool) -> u64 {
        let edges = self.edges();
        let sessions = edges.values().flat_map(|now| now.sessions.values());
        sessions.filter(|record| filter(record)).count() as u64
    }

    /// How many live sessions these clients have.
    pub(crate) fn count_of_clients(&self, clients: &HashSet<ClientId>) -> u64 {
        self.count(|session| {
            session
                .client
                .is_some_and(|client| clients.contains(&client))
        })
    }

    /// All streams, with the edge that carries each.
    pub(crate) fn streams(&self) -> Vec<(EdgeId, StreamState)> {
        let edges = self.edges();
        edges
            .iter()
            .flat_map(|(edge, now)| now.streams.iter().map(|stream| (*edge, stream.clone())))
            .collect()
    }
}

fn is_over(record: &SessionRecord) -> bool {
    match record.state {
        SessionState::Connecting | SessionState::Live => false,
        SessionState::Ended | SessionState::Refused => true,
    }
}

/// A session whose edge was started anew, or taken out, without saying how it ended.
fn vanished_record(record: &SessionRecord, ended_ms: u64) -> SessionRecord {
    SessionRecord {
        state: SessionState::Ended,
        ended_ms: Some(ended_ms.max(record.began_ms)),
        detail: Some("the edge stopped without saying how this session ended".to_owned()),
        ..record.clone()
    }
}
