//! The one registry of client connections of both planes, and what is counted of them.
//!
//! A plane begins a [`Session`] when it accepts a connection, changes its record as it learns more,
//! and ends or refuses it once. What changed goes to the report by [`Sessions::drain_changes`].
//! Bytes are added without a lock. Live sessions are bounded, and so are ended ones that wait for a
//! report: while the server is away the oldest of them are forgotten (and counted).

mod log;
mod session;
mod totals;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::id::{EdgeId, SessionId};
use contract::limit::Holder;
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::report::SessionRecord;

use edge_core::limit::Moved;

use session::Inner;
pub use session::Session;
use tokio::time::{MissedTickBehavior, interval};
pub use totals::{RouteCounts, Totals, TurnedAway};

use crate::clock::now_ms;
use crate::journal::Journal;

/// The most sessions at once; chosen, because a session costs sockets before it costs memory.
pub const MAX_SESSIONS: usize = 65_536;
/// The most ended sessions that wait for a report; about 10 MiB.
pub const MAX_WAITING_RECORDS: usize = 20_000;
/// The most sessions of a whole report; chosen, because the server takes reports of 16 MiB.
pub const MAX_WHOLE: usize = 15_000;
/// Changes of sessions that are over which may wait beside those of live ones; chosen, so that
/// letting them go costs little for each.
const SPARE_CHANGES: usize = 1_024;
/// How often the bytes of a session that did not change otherwise are reported.
const REFRESH_MS: u64 = 5_000;
/// How many looks there are between two checkpoints of a session, so that none is a tenth late.
const LOOKS: u32 = 10;
/// The most such refreshments in one report.
const MAX_REFRESHED: usize = 500;

/// Every client connection of this edge; clones are the same registry.
#[derive(Debug, Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    totals: Totals,
    journal: Option<Journal>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live_by_id: BTreeMap<SessionId, Arc<Inner>>,
    /// Live sessions whose record changed since the last report.
    changed: Vec<Arc<Inner>>,
    /// Sessions that are over, as they go into the next report.
    over: VecDeque<SessionRecord>,
    /// Records that were forgotten because no report took them.
    forgotten: u64,
    /// Where refreshing goes on.
    refreshed: Option<SessionId>,
}

impl Sessions {
    /// An empty registry that counts into `totals`, and tells `journal` what sessions do.
    #[must_use]
    pub fn new(totals: Totals, journal: Option<Journal>) -> Self {
        Self {
            shared: Arc::new(Shared {
                totals,
                journal,
                state: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.shared.totals
    }

    /// The session log in files, if there is one.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.shared.journal.as_ref()
    }

    /// Tells the session log again and again how far those have come that go on: each once in `every`.
    pub async fn checkpoints(self, every: Duration) {
        let Some(journal) = self.journal() else {
            return;
        };
        let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        let mut looks = interval((every / LOOKS).max(Duration::from_secs(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let live: Vec<_> = self.state().live_by_id.values().cloned().collect();
            for inner in live {
                inner.checkpoint(journal, now_ms(), every_ms);
            }
        }
    }

    /// Begins the session of a connection that was just accepted; `None` when there are
    /// [`MAX_SESSIONS`] already: the connection is closed then.
    #[must_use]
    pub fn begin(&self, addr: IpAddr, ingress: Ingress) -> Option<Session> {
        let inner = Arc::new(Inner::new(addr, ingress, now_ms()));
        let mut state = self.state();
        if state.live_by_id.len() >= MAX_SESSIONS {
            self.totals().turned_away(TurnedAway::Sessions);
            return None;
        }
        state.live_by_id.insert(inner.id(), Arc::clone(&inner));
        state.changed.push(Arc::clone(&inner));
        drop(state);
        Some(Session::new(inner, self.clone()))
    }

    /// Asks sessions to end; returns how many were there.
    pub fn kick(&self, ids: &[SessionId], reason: Reason) -> u64 {
        let state = self.state();
        let mut found = 0;
        for inner in ids.iter().filter_map(|id| state.live_by_id.get(id)) {
            inner.kick(reason);
            found += 1;
        }
        found
    }

    /// Asks every session to end.
    pub fn kick_all(&self, reason: Reason) {
        for inner in self.state().live_by_id.values() {
            inner.kick(reason);
        }
    }

    /// How many sessions there are now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().live_by_id.len()
    }

    /// How many ended sessions were forgotten because no report took them.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.state().forgotten
    }

    /// Sessions that began, changed or ended since the last call, at most `max`; and, in turn,
    /// some of those that only moved bytes.
    #[must_use]
    pub fn drain_changes(&self, max: usize) -> Vec<SessionRecord> {
        let mut state = self.state();
        let mut records = Vec::new();
        while records.len() < max
            && let Some(record) = state.over.pop_front()
        {
            records.push(record);
        }
        while records.len() < max
            && let Some(inner) = state.changed.pop()
        {
            // One that ended meanwhile has gone with `over`.
            if let Some(record) = inner.reported(now_ms()) {
                records.push(record);
            }
        }
        let room = max.saturating_sub(records.len()).min(MAX_REFRESHED);
        records.extend(state.refresh(room, now_ms()));
        records
    }

    /// Every session that goes on, and those that ended and were not reported yet, at most
    /// [`MAX_WHOLE`]; what does not fit comes with the next changes.
    #[must_use]
    pub fn whole(&self) -> Vec<SessionRecord> {
        let mut state = self.state();
        let over = state.over.len().min(MAX_WHOLE / 2);
        let mut records: Vec<SessionRecord> = state.over.drain(..over).collect();
        state.changed.clear();
        let mut later = Vec::new();
        for inner in state.live_by_id.values() {
            if records.len() < MAX_WHOLE {
                records.extend(inner.reported(now_ms()));
            } else {
                later.push(Arc::clone(inner));
            }
        }
        state.changed = later;
        records
    }

    /// What the sessions of each holder of limits moved since the last call. What is carried here
    /// from another edge counts for this edge only: that one counts it for the others.
    #[must_use]
    pub fn moved(&self, edge: EdgeId) -> HashMap<Holder, Moved> {
        let mut all = HashMap::new();
        for inner in self.state().live_by_id.values() {
            inner.moved_into(edge, &mut all);
        }
        all
    }

    fn changed(&self, inner: &Arc<Inner>) {
        self.state().changed.push(Arc::clone(inner));
    }

    /// A session is over: this is its last record.
    fn over(&self, record: SessionRecord) {
        log::over(&record);
        let mut state = self.state();
        state.live_by_id.remove(&record.id);
        state.forget_changes();
        if state.over.len() >= MAX_WAITING_RECORDS {
            state.over.pop_front();
            state.forgotten += 1;
        }
        state.over.push_back(record);
    }
}

impl State {
    /// While no report takes changes, those of sessions that are over are let go now and then:
    /// their last records wait in `over`.
    fn forget_changes(&mut self) {
        if self.changed.len() > 2 * self.live_by_id.len() + SPARE_CHANGES {
            let live = &self.live_by_id;
            self.changed.retain(|inner| live.contains_key(&inner.id()));
        }
    }

    /// Goes round the live sessions, a part at a time.
    fn refresh(&mut self, room: usize, now_ms: u64) -> Vec<SessionRecord> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = self.refreshed.map_or(Unbounded, Excluded);
        let mut records = Vec::new();
        let mut looked_at = None;
        for (id, inner) in self.live_by_id.range((from, Unbounded)) {
            if records.len() >= room {
                self.refreshed = looked_at;
                return records;
            }
            looked_at = Some(*id);
            records.extend(inner.refreshed(now_ms, REFRESH_MS));
        }
        self.refreshed = None;
        records
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use contract::report::SessionState;

    fn sessions() -> Sessions {
        Sessions::new(Totals::default(), None)
    }

    fn begin(sessions: &Sessions) -> Session {
        sessions
            .begin([192, 0, 2, 1].into(), Ingress::Http)
            .unwrap()
    }

    #[test]
    fn a_change_is_reported_once() {
        let sessions = sessions();
        let session = begin(&sessions);
        assert_eq!(sessions.drain_changes(10).len(), 1);
        assert!(sessions.drain_changes(10).is_empty());
        session.update(|record| "live".clone_into(&mut record.app));
        session.update(|record| record.state = SessionState::Live);
        let changes = sessions.drain_changes(10);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].app, "live");
        assert_eq!(sessions.totals().counts().sessions_admitted, 1);
    }

    #[test]
    fn a_dropped_session_has_ended_by_the_client() {
        let sessions = sessions();
        let session = begin(&sessions);
        session.update(|record| record.state = SessionState::Live);
        let other = session.clone();
        drop(session);
        assert_eq!(sessions.count(), 1);
        other.add_sent(7);
        drop(other);
        assert_eq!(sessions.count(), 0);
        let changes = sessions.drain_changes(10);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].state, SessionState::Ended);
        assert_eq!(changes[0].reason, Some(Reason::ClientClosed));
        assert_eq!(changes[0].sent_bytes, 7);
        assert_eq!(sessions.totals().counts().sent_bytes, 7);
    }

    #[test]
    fn a_refusal_is_a_record_and_a_count_and_stays_one() {
        let sessions = sessions();
        let session = begin(&sessions);
        session.refuse(Reason::DeniedByRule, None);
        session.end(Reason::StreamEnded);
        drop(session);
        let changes = sessions.drain_changes(10);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].state, SessionState::Refused);
        let counts = sessions.totals().counts();
        assert_eq!(counts.sessions_refused[&Reason::DeniedByRule], 1);
        assert_eq!(counts.sessions_admitted, 0);
    }

    #[test]
    fn a_kick_reaches_only_the_session_it_names() {
        let sessions = sessions();
        let (one, other) = (begin(&sessions), begin(&sessions));
        assert_eq!(sessions.kick(&[one.id()], Reason::EndedByOperator), 1);
        assert!(one.ended().is_cancelled());
        assert_eq!(one.end_reason(), Some(Reason::EndedByOperator));
        assert!(!other.ended().is_cancelled());
        drop(one);
        let changes = sessions.drain_changes(10);
        let ended = changes.iter().find(|record| record.reason.is_some());
        assert_eq!(ended.unwrap().reason, Some(Reason::EndedByOperator));
    }

    #[test]
    fn a_whole_report_leaves_no_change_behind() {
        let sessions = sessions();
        let session = begin(&sessions);
        drop(begin(&sessions));
        assert_eq!(sessions.whole().len(), 2);
        assert!(sessions.drain_changes(10).is_empty());
        session.update(|record| "x".clone_into(&mut record.app));
        assert_eq!(sessions.drain_changes(10).len(), 1);
    }

    #[test]
    fn sessions_that_come_and_go_while_the_server_is_away_leave_bounded_memory() {
        let sessions = sessions();
        let held = begin(&sessions);
        for _ in 0..3 * SPARE_CHANGES {
            drop(begin(&sessions));
        }
        assert!(sessions.state().changed.len() <= SPARE_CHANGES + 2);
        let changes = sessions.drain_changes(usize::MAX);
        assert_eq!(changes.len(), 3 * SPARE_CHANGES + 1);
        drop(held);
    }

    #[test]
    fn a_report_has_a_bound_and_the_rest_comes_later() {
        let sessions = sessions();
        let held: Vec<Session> = (0..5).map(|_| begin(&sessions)).collect();
        assert_eq!(sessions.drain_changes(3).len(), 3);
        assert_eq!(sessions.drain_changes(3).len(), 2);
        drop(held);
    }
}
