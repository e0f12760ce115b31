//! What a client is told of its streams: that they begin, fail, end.
//!
//! The driver's answers go in, answers to the client come out. A stream that fails or ends takes
//! the session with it when it was the last.

use contract::facts::Facts;
use contract::reason::Reason;
use rtmp::amf::Value;
use rtmp::command::Command;

use super::connect::REJECTED;
use super::{Active, Ending, Kind, Session};
use crate::admission::Ruling;

pub(super) const PLAY_FAILED: &str = "NetStream.Play.Failed";
const PLAY_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
pub(super) const PUBLISH_FAILED: &str = "NetStream.Publish.BadName";
const CALL_FAILED: &str = "NetConnection.Call.Failed";
const CLOSED: &str = "NetConnection.Connect.Closed";

impl Session {
    /// The stream is there: the player is told so, and media may follow. A recorded one may be
    /// sought in.
    pub fn play_started(&mut self, stream_id: u32, recorded: bool) {
        let found = self
            .active
            .iter_mut()
            .find(|one| one.stream_id == stream_id);
        if let Some(active) = found
            && let Kind::Play { reset, started } = &mut active.kind
        {
            *started = true;
            self.wire
                .start_play(stream_id, &active.name, *reset, recorded);
        }
        self.flush();
    }

    /// The stream cannot be had: the player is told why, then closed, unless it has others.
    pub fn play_failed(&mut self, stream_id: u32, reason: Reason) {
        self.fail(stream_id, reason);
    }

    /// A player has been sent all that it asked for of a recorded stream. It may go back.
    pub fn play_complete(&mut self, stream_id: u32) {
        self.wire.play_complete(stream_id);
        self.flush();
    }

    /// A player goes on from another place.
    pub fn sought(&mut self, stream_id: u32) {
        self.wire.sought(stream_id);
        self.flush();
    }

    /// A player cannot go on from where it wanted: it goes on where it is.
    pub fn seek_failed(&mut self, stream_id: u32) {
        self.wire.seek_failed(stream_id);
        self.flush();
    }

    /// Says how many seconds a stream is long.
    pub fn length_known(&mut self, transaction: f64, seconds: f64) {
        self.wire
            .result(transaction, vec![Value::Null, Value::Number(seconds)]);
        self.flush();
    }

    /// The stream was taken: the publisher may go on.
    pub fn publish_started(&mut self, stream_id: u32) {
        if self.at(stream_id).is_some() {
            self.wire.accept_publish(stream_id);
        }
        self.flush();
    }

    /// The stream was not taken: the publisher is told why, then closed, unless it has others.
    pub fn publish_failed(&mut self, stream_id: u32, reason: Reason) {
        self.fail(stream_id, reason);
    }

    fn fail(&mut self, stream_id: u32, reason: Reason) {
        let Some(active) = self.remove(stream_id) else {
            return;
        };
        let code = match active.kind {
            Kind::Publish => PUBLISH_FAILED,
            Kind::Play { .. } if reason == Reason::StreamNotFound => PLAY_NOT_FOUND,
            Kind::Play { .. } => PLAY_FAILED,
        };
        let says = says(Some(&active.facts), Some(&active.ruling), reason);
        self.wire
            .status(stream_id, "error", code, &says, Vec::new());
        self.flush();
        if self.active.is_empty() {
            self.close(Ending::Ended, reason, None);
        }
    }

    /// A call that nobody here understands: who waits for its answer is told.
    pub(super) fn call(&mut self, command: &Command) {
        // Answers begin with an underscore, and so do calls that old servers made of their clients.
        if command.transaction == 0.0 || command.name.starts_with('_') {
            return;
        }
        let info = Value::object([
            ("level", "error".into()),
            ("code", CALL_FAILED.into()),
            ("description", "no such method".into()),
        ]);
        let values = vec![Value::Null, info];
        self.wire.error(command.transaction, values);
        self.flush();
    }

    /// Tells the client that its session ends, in the way that fits what it does.
    pub(super) fn tell_all(&mut self, reason: Reason) {
        if self.closing {
            return;
        }
        if let Some(transaction) = self.unanswered_tunnel() {
            let says = says(self.facts.as_deref(), self.ruling.as_deref(), reason);
            self.wire
                .reject_connect(transaction, REJECTED, &says, Vec::new());
            self.flush();
            return;
        }
        if !self.wire.is_accepted() {
            return;
        }
        if self.active.is_empty() {
            let says = says(self.facts.as_deref(), self.ruling.as_deref(), reason);
            self.wire.status(0, "error", CLOSED, &says, Vec::new());
            self.flush();
        }
        for active in std::mem::take(&mut self.active) {
            self.tell_end(active, reason);
        }
    }

    /// Tells the client that one of its streams ends.
    pub(super) fn tell_end(&mut self, active: Active, reason: Reason) {
        let stream_id = active.stream_id;
        let code = match active.kind {
            Kind::Play { started: true, .. } if reason == Reason::StreamEnded => {
                self.wire.unpublish_notify(stream_id, &active.name);
                self.wire.stream_eof(stream_id);
                self.flush();
                return;
            }
            Kind::Play { .. } => PLAY_FAILED,
            Kind::Publish => PUBLISH_FAILED,
        };
        let says = says(Some(&active.facts), Some(&active.ruling), reason);
        self.wire
            .status(stream_id, "error", code, &says, Vec::new());
        self.flush();
    }
}

/// What a client is told. To one that names the destination itself, "not reachable" looks like "not
/// listed"; the record keeps what was so.
pub(super) fn says(facts: Option<&Facts>, ruling: Option<&Ruling>, reason: Reason) -> String {
    let wrapped = facts.is_some_and(|facts| facts.requested.is_wrapped());
    let unreachable = matches!(reason, Reason::OriginUnreachable | Reason::OriginRefused);
    let reason = if wrapped && unreachable {
        Reason::Destination
    } else {
        reason
    };
    match ruling {
        Some(ruling) => ruling.says(reason),
        None => reason.sentence().to_owned(),
    }
}
