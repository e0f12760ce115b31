//! What we answer a client and tell it.
//!
//! Each method writes whole messages into the one buffer that the next
//! [`super::Session::poll_output`] hands out, so an answer of several messages is one write.

use std::time::Duration;

use super::{Session, StreamUse};
use crate::amf::{Properties, Value, property};
use crate::command::Command;
use crate::control::UserControl;
use crate::phase::Phase;
use crate::{Message, data};

/// What we say we are. Chosen, because players look at the first number only, and 3,5 is what
/// SRS says.
const VERSION: &str = "FMS/3,5,7,7009";

/// Everything a client may be told it can ask for: the number that every server sends.
const CAPABILITIES: f64 = 31.0;

impl Session {
    /// Accepts `connect`: windows, chunk size and `NetConnection.Connect.Success` in one write.
    /// What the client said of its abilities beyond the old format is echoed; `extra` properties
    /// are added and win over the echo.
    pub fn accept_connect(&mut self, transaction: f64, extra: Properties) {
        self.link.announce_window(true);
        self.link.announce_chunk_size();
        self.accepted = true;
        self.undecided = false;
        self.behind_connect = Vec::new();
        let mut properties = vec![
            ("fmsVer".to_owned(), VERSION.into()),
            ("capabilities".to_owned(), CAPABILITIES.into()),
        ];
        let offered = std::mem::take(&mut self.offered);
        properties.extend(
            offered
                .into_iter()
                .filter(|(key, _)| property(&extra, key).is_none()),
        );
        properties.extend(extra);
        let info = info(
            "status",
            "NetConnection.Connect.Success",
            "Connection succeeded.",
            vec![("objectEncoding".to_owned(), self.object_encoding.into())],
        );
        self.result(transaction, vec![Value::Object(properties), info]);
        for answer in std::mem::take(&mut self.early) {
            self.send_command(0, &answer);
        }
    }

    /// Rejects `connect` with a code such as `NetConnection.Connect.Rejected`; send it and close.
    /// `extra` stands beside the description, for example `ex` with `code` 302 and `redirect`.
    /// Nothing the client sends afterwards is heard.
    pub fn reject_connect(
        &mut self,
        transaction: f64,
        code: &str,
        description: &str,
        extra: Properties,
    ) {
        // ffmpeg looks for the description in the first object, so there is only one.
        self.error(
            transaction,
            vec![Value::Null, info("error", code, description, extra)],
        );
        self.phase = Phase::Rejected;
        self.events.clear();
        self.early.clear();
        self.behind_connect.clear();
    }

    /// Answers a call: `_result` with these values, of which the first is by custom null.
    pub fn result(&mut self, transaction: f64, values: Vec<Value>) {
        self.send_command(0, &Command::new("_result", transaction, values));
    }

    /// Answers a call: `_error` with these values, of which the first is by custom null.
    pub fn error(&mut self, transaction: f64, values: Vec<Value>) {
        self.send_command(0, &Command::new("_error", transaction, values));
    }

    /// Lets a client publish: `onFCPublish` and `NetStream.Publish.Start`.
    pub fn accept_publish(&mut self, stream_id: u32) {
        const CODE: &str = "NetStream.Publish.Start";
        self.send_command(stream_id, &fc_answer("onFCPublish", CODE));
        self.status(
            stream_id,
            "status",
            CODE,
            "Started publishing stream.",
            Vec::new(),
        );
    }

    /// Tells a message stream's fate by `onStatus`. Level is `status`, `warning` or `error`; after
    /// an `error` the message stream is free for another try.
    pub fn status(
        &mut self,
        stream_id: u32,
        level: &str,
        code: &str,
        description: &str,
        extra: Properties,
    ) {
        if level == "error"
            && let Some(slot) = self.slot(stream_id)
            && self.streams[slot] != StreamUse::Free
        {
            self.streams[slot] = StreamUse::Idle;
        }
        let values = vec![Value::Null, info(level, code, description, extra)];
        self.send_command(stream_id, &Command::new("onStatus", 0.0, values));
    }

    /// Starts playing, in the order that players expect: StreamBegin, whether it is recorded,
    /// `NetStream.Play.Reset` (where asked for), `NetStream.Play.Start`, `|RtmpSampleAccess`.
    pub fn start_play(&mut self, stream_id: u32, name: &str, reset: bool, recorded: bool) {
        self.link
            .send(&UserControl::StreamBegin(stream_id).message());
        if recorded {
            self.link
                .send(&UserControl::StreamIsRecorded(stream_id).message());
        }
        let details = || vec![("details".to_owned(), name.into())];
        if reset {
            let text = "Playing and resetting stream.";
            self.status(stream_id, "status", "NetStream.Play.Reset", text, details());
        }
        self.status(
            stream_id,
            "status",
            "NetStream.Play.Start",
            "Started playing stream.",
            details(),
        );
        let access = [Value::from("|RtmpSampleAccess"), true.into(), true.into()];
        self.link.send(&data::message(stream_id, 0, &access));
    }

    /// Tells a player that it goes on from where it wanted.
    pub fn sought(&mut self, stream_id: u32) {
        self.link
            .send(&UserControl::StreamBegin(stream_id).message());
        let (code, text) = ("NetStream.Seek.Notify", "Seeking.");
        self.status(stream_id, "status", code, text, Vec::new());
    }

    /// Tells a player that it cannot go on from where it wanted. It goes on playing all the same.
    pub fn seek_failed(&mut self, stream_id: u32) {
        let text = "This stream cannot be sought in.";
        let info = info("error", "NetStream.Seek.Failed", text, Vec::new());
        let command = Command::new("onStatus", 0.0, vec![Value::Null, info]);
        self.send_command(stream_id, &command);
    }

    /// Tells a player that it has all it asked for of a recorded stream: `onPlayStatus` with
    /// `NetStream.Play.Complete`, then its end.
    pub fn play_complete(&mut self, stream_id: u32) {
        let complete = Value::object([
            ("level", "status".into()),
            ("code", "NetStream.Play.Complete".into()),
        ]);
        let values = [Value::from("onPlayStatus"), complete];
        self.link.send(&data::message(stream_id, 0, &values));
        self.stream_eof(stream_id);
    }

    /// Ends what a player is sent: `NetStream.Play.Stop` and StreamEOF.
    pub fn stream_eof(&mut self, stream_id: u32) {
        self.status(
            stream_id,
            "status",
            "NetStream.Play.Stop",
            "Stopped playing stream.",
            Vec::new(),
        );
        self.link.send(&UserControl::StreamEof(stream_id).message());
    }

    /// Tells a player that the publisher is gone; it may come back.
    pub fn unpublish_notify(&mut self, stream_id: u32, name: &str) {
        let details = vec![("details".to_owned(), name.into())];
        self.status(
            stream_id,
            "status",
            "NetStream.Play.UnpublishNotify",
            "Stream is now unpublished.",
            details,
        );
    }

    /// Asks whether the client is there; [`super::Event::PingResponse`] is the answer.
    pub fn ping(&mut self, now: Duration) {
        let timestamp = (now.as_millis() & u128::from(u32::MAX)) as u32;
        self.link
            .send(&UserControl::PingRequest(timestamp).message());
    }

    /// Sends a command on a message stream; 0 is the connection. It goes out in the form in which
    /// the client sends its own.
    pub fn send_command(&mut self, stream_id: u32, command: &Command) {
        let message = if self.speaks_amf3 {
            command.amf3_message(stream_id)
        } else {
            command.message(stream_id)
        };
        self.link.send(&message);
    }

    /// Sends any message as it is.
    pub fn send_message(&mut self, message: &Message) {
        self.link.send(message);
    }

    /// Counts bytes that the driver wrote past this session.
    pub fn acknowledge_sent(&mut self, count: u64) {
        self.link.sent_elsewhere(count);
    }
}

/// What answers `FCPublish` and `FCSubscribe`.
pub(super) fn fc_answer(command: &str, code: &str) -> Command {
    let values = vec![Value::Null, info("status", code, "", Vec::new())];
    Command::new(command, 0.0, values)
}

/// The object that tells a fate.
fn info(level: &str, code: &str, description: &str, extra: Properties) -> Value {
    let mut properties = vec![
        ("level".to_owned(), level.into()),
        ("code".to_owned(), code.into()),
        ("description".to_owned(), description.into()),
    ];
    properties.extend(extra);
    Value::Object(properties)
}
