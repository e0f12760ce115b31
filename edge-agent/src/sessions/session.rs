//! One session: its record, its bytes, and the wish that it should end.
//!
//! A [`Session`] is a handle that may be cloned; when the last one is dropped the session has
//! ended. It ends or is refused once; what comes later changes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::id::{EdgeId, SessionId};
use contract::limit::Holder;
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::report::{SessionRecord, SessionState};
use edge_core::limit::Moved;
use tokio_util::sync::CancellationToken;

use super::Sessions;

use crate::clock::now_ms;
use crate::journal::{Journal, Track};

/// A client connection on this edge.
#[derive(Debug, Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

/// Ends the session when the last [`Session`] goes.
#[derive(Debug)]
struct Handle {
    inner: Arc<Inner>,
    sessions: Sessions,
}

/// What the registry and the handles share.
#[derive(Debug)]
pub(super) struct Inner {
    id: SessionId,
    record: Mutex<Record>,
    received: AtomicU64,
    sent: AtomicU64,
    /// Whether it stands in the list of changed sessions.
    listed: AtomicBool,
    wish: CancellationToken,
    wished: Mutex<Option<Reason>>,
}

#[derive(Debug)]
struct Record {
    record: SessionRecord,
    admitted: bool,
    reported_ms: u64,
    reported_bytes: u64,
    /// What was received and sent when it was measured last.
    measured: Moved,
    /// What the session log was told; `None` where there is none.
    track: Option<Box<Track>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn new(addr: IpAddr, ingress: Ingress, now_ms: u64) -> Self {
        let id = SessionId::new();
        let record = SessionRecord {
            id,
            state: SessionState::Connecting,
            addr: addr.to_canonical(),
            client: None,
            user_agent: None,
            ingress,
            host: String::new(),
            app: String::new(),
            stream: None,
            action: None,
            route: None,
            next_hop: None,
            through: Vec::new(),
            decision: None,
            rule: None,
            assignment: None,
            began_ms: now_ms,
            ended_ms: None,
            received_bytes: 0,
            sent_bytes: 0,
            reason: None,
            detail: None,
        };
        Self {
            id,
            record: Mutex::new(Record {
                record,
                admitted: false,
                reported_ms: 0,
                reported_bytes: 0,
                measured: Moved::default(),
                track: None,
            }),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            listed: AtomicBool::new(true),
            wish: CancellationToken::new(),
            wished: Mutex::new(None),
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    pub(super) fn kick(&self, reason: Reason) {
        lock(&self.wished).get_or_insert(reason);
        self.wish.cancel();
    }

    fn with_bytes(&self, record: &SessionRecord) -> SessionRecord {
        SessionRecord {
            received_bytes: self.received.load(Ordering::Relaxed),
            sent_bytes: self.sent.load(Ordering::Relaxed),
            ..record.clone()
        }
    }

    /// Tells the session log what follows from the record. Under the record's lock, so that what a
    /// session does is told in its order; telling does not wait.
    fn tell(&self, held: &mut Record, journal: Option<&Journal>) {
        let Some(journal) = journal else { return };
        let record = self.with_bytes(&held.record);
        let at_ms = record.ended_ms.unwrap_or_else(now_ms);
        let track = held.track.get_or_insert_default();
        for entry in track.observe(&record, at_ms) {
            journal.push(entry);
        }
    }

    /// Tells the session log how far the session has come, if it was told nothing for so long.
    pub(super) fn checkpoint(&self, journal: &Journal, now_ms: u64, every_ms: u64) {
        let mut held = lock(&self.record);
        let record = self.with_bytes(&held.record);
        let Some(track) = &mut held.track else { return };
        for entry in track.checkpoint(&record, now_ms, every_ms) {
            journal.push(entry);
        }
    }

    /// The record for a report; `None` if the session is over, which is reported apart.
    pub(super) fn reported(&self, now_ms: u64) -> Option<SessionRecord> {
        // Before the record is read: a change after this lists the session again.
        self.listed.store(false, Ordering::Release);
        let mut held = lock(&self.record);
        if is_over(held.record.state) {
            return None;
        }
        let record = self.with_bytes(&held.record);
        held.reported_ms = now_ms;
        held.reported_bytes = record.received_bytes + record.sent_bytes;
        Some(record)
    }

    /// Adds what it moved since the last time to those whose it is.
    pub(super) fn moved_into(&self, edge: EdgeId, all: &mut HashMap<Holder, Moved>) {
        let now = Moved {
            received_bytes: self.received.load(Ordering::Relaxed),
            sent_bytes: self.sent.load(Ordering::Relaxed),
        };
        let mut held = lock(&self.record);
        let before = std::mem::replace(&mut held.measured, now);
        if before == now {
            return;
        }
        let mut add = |holder: Holder| {
            let moved = all.entry(holder).or_default();
            moved.received_bytes += now.received_bytes.saturating_sub(before.received_bytes);
            moved.sent_bytes += now.sent_bytes.saturating_sub(before.sent_bytes);
        };
        add(Holder::Edge { edge });
        if held.record.through.is_empty() {
            let route = held.record.route.map(|route| Holder::Route { route });
            let client = held.record.client.map(|client| Holder::Client { client });
            route.into_iter().chain(client).for_each(add);
        }
    }

    /// The record, if its bytes moved and it was not reported for a while.
    pub(super) fn refreshed(&self, now_ms: u64, every_ms: u64) -> Option<SessionRecord> {
        let bytes = self.received.load(Ordering::Relaxed) + self.sent.load(Ordering::Relaxed);
        {
            let held = lock(&self.record);
            if held.reported_bytes == bytes || now_ms < held.reported_ms.saturating_add(every_ms) {
                return None;
            }
        }
        self.reported(now_ms)
    }
}

const fn is_over(state: SessionState) -> bool {
    match state {
        SessionState::Connecting | SessionState::Live => false,
        SessionState::Ended | SessionState::Refused => true,
    }
}

impl Session {
    pub(super) fn new(inner: Arc<Inner>, sessions: Sessions) -> Self {
        Self {
            handle: Arc::new(Handle { inner, sessions }),
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.inner().id
    }

    /// Its record as it is now.
    #[must_use]
    pub fn record(&self) -> SessionRecord {
        self.inner().with_bytes(&lock(&self.inner().record).record)
    }

    /// Changes its record. When `state` becomes [`SessionState::Live`] for the first time the
    /// session counts as admitted. To end or refuse it call [`Session::end`] or
    /// [`Session::refuse`]. A session that is over is not changed.
    pub fn update(&self, change: impl FnOnce(&mut SessionRecord)) {
        let inner = self.inner();
        {
            let mut held = lock(&inner.record);
            if is_over(held.record.state) {
                return;
            }
            change(&mut held.record);
            if held.record.state == SessionState::Live && !held.admitted {
                held.admitted = true;
                self.handle.sessions.totals().admitted();
            }
            inner.tell(&mut held, self.handle.sessions.journal());
        }
        if !inner.listed.swap(true, Ordering::AcqRel) {
            self.handle.sessions.changed(inner);
        }
    }

    /// Counts bytes received from the client.
    pub fn add_received(&self, bytes: u64) {
        self.inner().received.fetch_add(bytes, Ordering::Relaxed);
        self.handle.sessions.totals().received(bytes);
    }

    /// Counts bytes sent to the client.
    pub fn add_sent(&self, bytes: u64) {
        self.inner().sent.fetch_add(bytes, Ordering::Relaxed);
        self.handle.sessions.totals().sent(bytes);
    }

    /// The session is not let in. `detail` says what was wrong and never holds a secret.
    pub fn refuse(&self, reason: Reason, detail: Option<String>) {
        self.handle.close(SessionState::Refused, reason, detail);
    }

    /// The client was asked to sign in and comes again: the session is over, and nobody was refused.
    pub fn challenge(&self, reason: Reason) {
        self.handle.close(SessionState::Ended, reason, None);
    }

    /// The session is over. One that was never let in counts as refused for this reason.
    pub fn end(&self, reason: Reason) {
        self.handle.end(reason, None);
    }

    /// The session is over, as by [`Session::end`]; `detail` says what was wrong and never holds a
    /// secret.
    pub fn end_with(&self, reason: Reason, detail: String) {
        self.handle.end(reason, Some(detail));
    }

    /// Asks the session to end for this reason; the first reason stays.
    pub fn kick(&self, reason: Reason) {
        self.inner().kick(reason);
    }

    /// Fires when the session is asked to end; [`Session::end_reason`] says why.
    #[must_use]
    pub fn ended(&self) -> CancellationToken {
        self.inner().wish.clone()
    }

    /// Why it was asked to end, if it was.
    #[must_use]
    pub fn end_reason(&self) -> Option<Reason> {
        *lock(&self.inner().wished)
    }
}

impl Handle {
    fn end(&self, reason: Reason, detail: Option<String>) {
        let admitted = lock(&self.inner.record).admitted;
        let state = if admitted {
            SessionState::Ended
        } else {
            SessionState::Refused
        };
        self.close(state, reason, detail);
    }

    fn close(&self, state: SessionState, reason: Reason, detail: Option<String>) {
        let record = {
            let mut held = lock(&self.inner.record);
            if is_over(held.record.state) {
                return;
            }
            held.record.state = state;
            held.record.reason = Some(reason);
            held.record.detail = detail;
            held.record.ended_ms = Some(now_ms());
            held.record = self.inner.with_bytes(&held.record);
            self.inner.tell(&mut held, self.sessions.journal());
            held.record.clone()
        };
        if state == SessionState::Refused {
            self.sessions.totals().refused(reason);
        } else {
            self.sessions.totals().ended(reason);
        }
        self.sessions.over(record);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let wished = *lock(&self.inner.wished);
        self.end(wished.unwrap_or(Reason::ClientClosed), None);
    }
}
