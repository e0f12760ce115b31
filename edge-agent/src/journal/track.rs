//! From a session's record as it changes to what is said of it in the session log.
//!
//! The record goes in whenever it changed, the entries that follow come out. The invariants: who was
//! let in has one `connect` and one `disconnect`; each `play` has one `stop` and each `publish` one
//! `unpublish`, before the `disconnect`; bytes of a stream are counted from where it began. Of
//! several streams on one connection the record tells the newest, and so does the log. Requests by
//! HTTP are not streams: of those connections only coming and going is told.

use contract::facts::Action;
use contract::protocol::Plane;
use contract::report::{SessionRecord, SessionState};

use super::entry::{Entry, Event, status};

/// What was said of a session so far.
#[derive(Debug, Default)]
pub(crate) struct Track {
    pending: bool,
    connected: bool,
    stream: Option<Stream>,
    /// When anything was said last.
    said_ms: u64,
}

/// The stream that was said to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    action: Action,
    app: String,
    name: String,
    began_ms: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Track {
    /// What follows from the record as it stands at `now_ms`.
    pub(crate) fn observe(&mut self, record: &SessionRecord, now_ms: u64) -> Vec<Entry> {
        let mut said = Vec::new();
        match record.state {
            SessionState::Connecting => {
                if !self.pending && !record.app.is_empty() {
                    self.pending = true;
                    said.push(of_session(Event::ConnectPending, 100, record, now_ms));
                }
            }
            SessionState::Live => {
                self.connect(record, now_ms, &mut said);
                let begins = self.begun(record, now_ms);
                if begins.is_some() {
                    self.stop(record, now_ms, &mut said);
                    self.stream = begins;
                    self.say_stream(true, 200, record, now_ms, &mut said);
                }
            }
            SessionState::Ended | SessionState::Refused => self.over(record, now_ms, &mut said),
        }
        if !said.is_empty() {
            self.said_ms = now_ms;
        }
        said
    }

    /// How far a session has come of which nothing was said for so long.
    pub(crate) fn checkpoint(
        &mut self,
        record: &SessionRecord,
        now_ms: u64,
        every_ms: u64,
    ) -> Vec<Entry> {
        if !self.connected || now_ms.saturating_sub(self.said_ms) < every_ms {
            return Vec::new();
        }
        self.said_ms = now_ms;
        let mut said = vec![of_session(Event::ConnectContinue, 200, record, now_ms)];
        if let Some(stream) = &self.stream {
            let event = match stream.action {
                Action::Play => Event::PlayContinue,
                Action::Publish => Event::PublishContinue,
            };
            said.push(stream.entry(event, 200, record, now_ms));
        }
        said
    }

    fn connect(&mut self, record: &SessionRecord, now_ms: u64, said: &mut Vec<Entry>) {
        if !self.connected {
            self.connected = true;
            said.push(of_session(Event::Connect, 200, record, now_ms));
        }
    }

    /// The stream that the record tells of, if it is another one than was said.
    fn begun(&self, record: &SessionRecord, now_ms: u64) -> Option<Stream> {
        if record.ingress.plane() != Plane::Rtmp {
            return None;
        }
        let (action, name) = (record.action?, record.stream.as_ref()?);
        let is_known = self.stream.as_ref().is_some_and(|known| {
            known.action == action && known.app == record.app && known.name == *name
        });
        (!is_known).then(|| Stream {
            action,
            app: record.app.clone(),
            name: name.clone(),
            began_ms: now_ms,
            received_bytes: record.received_bytes,
            sent_bytes: record.sent_bytes,
        })
    }

    fn over(&mut self, record: &SessionRecord, now_ms: u64, said: &mut Vec<Entry>) {
        let refused = record.reason.map_or(400, status);
        let wanted = self.begun(record, now_ms);
        self.stop(record, now_ms, said);
        if record.state == SessionState::Refused && wanted.is_some() {
            self.stream = wanted;
            self.say_stream(true, refused, record, now_ms, said);
            self.stream = None;
        } else if !self.connected {
            said.push(of_session(Event::Connect, refused, record, now_ms));
            return;
        }
        said.push(of_session(Event::Disconnect, 200, record, now_ms));
    }

    fn stop(&mut self, record: &SessionRecord, now_ms: u64, said: &mut Vec<Entry>) {
        self.say_stream(false, 200, record, now_ms, said);
        self.stream = None;
    }

    fn say_stream(
        &self,
        begins: bool,
        status: u16,
        record: &SessionRecord,
        now_ms: u64,
        said: &mut Vec<Entry>,
    ) {
        let Some(stream) = &self.stream else { return };
        let event = match (stream.action, begins) {
            (Action::Play, true) => Event::Play,
            (Action::Play, false) => Event::Stop,
            (Action::Publish, true) => Event::Publish,
            (Action::Publish, false) => Event::Unpublish,
        };
        said.push(stream.entry(event, status, record, now_ms));
    }
}

impl Stream {
    fn entry(&self, event: Event, status: u16, record: &SessionRecord, now_ms: u64) -> Entry {
        Entry {
            event,
            status,
            at_ms: now_ms,
            duration_ms: now_ms.saturating_sub(self.began_ms),
            stream_received_bytes: record.received_bytes.saturating_sub(self.received_bytes),
            stream_sent_bytes: record.sent_bytes.saturating_sub(self.sent_bytes),
            session: SessionRecord {
                action: Some(self.action),
                app: self.app.clone(),
                stream: Some(self.name.clone()),
                ..record.clone()
            },
        }
    }
}

fn of_session(event: Event, status: u16, record: &SessionRecord, now_ms: u64) -> Entry {
    Entry {
        event,
        status,
        at_ms: now_ms,
        duration_ms: now_ms.saturating_sub(record.began_ms),
        stream_received_bytes: 0,
        stream_sent_bytes: 0,
        session: record.clone(),
    }
}
