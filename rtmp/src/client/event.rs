//! What a server says.
//!
//! None of the texts is safe to show a client: any may name the server.

use crate::Message;
use crate::amf::{Properties, Value};
use crate::command::Command;

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `connect` was accepted.
    Connected {
        /// The server's version and abilities.
        properties: Properties,
        /// Code, description and what else it says.
        info: Properties,
    },
    /// `connect` was rejected; the server closes.
    Rejected {
        /// For example `NetConnection.Connect.Rejected`.
        code: String,
        /// The server's words.
        description: String,
        /// All of it, `ex` with `redirect` included.
        object: Properties,
    },
    /// A message stream for what was asked; its `play` or `publish` has been sent.
    StreamReady {
        /// The message stream.
        stream_id: u32,
    },
    /// `onStatus`, or an `_error` to `createStream` (on message stream 0).
    Status {
        /// The message stream.
        stream_id: u32,
        /// `status`, `warning` or `error`.
        level: String,
        /// For example `NetStream.Play.Start`.
        code: String,
        /// The server's words.
        description: String,
        /// All of it.
        object: Properties,
    },
    /// Audio, video or data, as it was sent.
    Media(Message),
    /// The answer to [`super::Session::call`].
    Answer {
        /// The call's transaction.
        transaction: f64,
        /// False for `_error`.
        ok: bool,
        /// What was answered; the first is by custom null.
        values: Vec<Value>,
    },
    /// Any other command.
    Command {
        /// The message stream it came on.
        stream_id: u32,
        /// All of it.
        command: Box<Command>,
    },
    /// A message stream begins.
    StreamBegin {
        /// The message stream.
        stream_id: u32,
    },
    /// What was played is at its end.
    StreamEof {
        /// The message stream.
        stream_id: u32,
    },
    /// What is played is recorded.
    StreamIsRecorded {
        /// The message stream.
        stream_id: u32,
    },
    /// The answer to [`super::Session::ping`].
    PingResponse {
        /// The lower 32 bits of the milliseconds at which it was asked.
        timestamp: u32,
    },
    /// Any other message; in a tunnel every message.
    Other(Message),
}
