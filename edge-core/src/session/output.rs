//! What a session wants of its driver.

use bytes::Bytes;
use contract::admit::Passage;
use contract::facts::Facts;
use contract::name::StreamName;
use contract::reason::Reason;
use rtmp::Message;
use rtmp::amf::Properties;
use rtmp::server::{PlayFrom, PublishKind};

use super::Opening;
use crate::admission::Ruling;
use crate::admission::webhook::Inquiry;

/// What a session wants of its driver, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Write these bytes.
    Send(Bytes),
    /// What is known of the session changed: [`super::Session::describe`] says it.
    Changed,
    /// A stream was refused beside those that go on: it is an end of its own in the records, which
    /// [`super::Session::describe_refused`] writes.
    Refused(Box<Refused>),
    /// Find this stream; answer with [`super::Session::play_started`] or
    /// [`super::Session::play_failed`].
    Subscribe(Box<Wanted>, Part),
    /// The player leaves the stream that it has on this message stream.
    Unsubscribe {
        /// The client's message stream.
        stream_id: u32,
    },
    /// Something a player asks for.
    Player {
        /// The client's message stream.
        stream_id: u32,
        /// What it asks for.
        wish: PlayerWish,
    },
    /// Say how long this stream is, by [`super::Session::length_known`]; where it is not known, as
    /// of a live stream, nothing is said.
    Length {
        /// The client's transaction.
        transaction: f64,
        /// The stream, which the client may play; no message stream is meant.
        wanted: Box<Wanted>,
    },
    /// Ask this application; answer with [`super::Session::answered`], and read nothing meanwhile.
    Ask(Box<Inquiry>),
    /// Take this stream; answer with [`super::Session::publish_started`] or
    /// [`super::Session::publish_failed`].
    Publish(Box<Wanted>, PublishKind),
    /// A message of a published stream, told by its message stream id.
    Media(Message),
    /// The publisher ends the stream that it has on this message stream.
    Unpublish {
        /// The client's message stream.
        stream_id: u32,
    },
    /// Open this tunnel; answer with [`super::Session::tunnel_opened`] or
    /// [`super::Session::tunnel_failed`], and read nothing meanwhile.
    Tunnel(Box<Opening>),
    /// Say this to the server at the tunnel's other end.
    Forward(Message),
    /// The client answered a ping.
    Alive,
    /// Write what is left, then close.
    Close(Closing),
}

/// A stream that a client was refused while it has others.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub(super) facts: Option<Facts>,
    pub(super) ruling: Ruling,
    /// Why.
    pub reason: Reason,
}

impl Refused {
    /// What the reason is about, where more is known.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        self.ruling.detail.clone()
    }
}

/// A stream that a client was admitted to.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The client's message stream.
    pub stream_id: u32,
    /// The way to it.
    pub passage: Passage,
    /// Whether the client is carried to the edge where it belongs, which is asked as this one was.
    pub relayed: bool,
    /// The stream.
    pub stream: StreamName,
    /// The query without our own parameters, for the server behind.
    pub query: Option<String>,
    /// What the client said at `connect` of codecs and abilities beyond the old format, for the
    /// server behind.
    pub offers: Properties,
}

/// What part of a stream a player asks for. Of a live stream there is only now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Where it begins, and whether live or recorded is meant.
    pub from: PlayFrom,
    /// How much of it; `None` to the end.
    pub duration_ms: Option<u32>,
    /// Whether what plays on this message stream ends; else this follows it.
    pub reset: bool,
    /// What the player said that it buffers.
    pub buffer_ms: Option<u32>,
}

/// What a player may ask for while it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerWish {
    /// Hold, or go on.
    Pause {
        /// True to hold.
        paused: bool,
        /// Where the player is; it goes on from there.
        position_ms: u32,
    },
    /// Go on from another place: answer with [`super::Session::sought`] or
    /// [`super::Session::seek_failed`].
    Seek {
        /// Milliseconds from the begin.
        position_ms: u32,
    },
    /// The player buffers so much.
    Buffer {
        /// The buffer.
        length_ms: u32,
    },
    /// Audio, or none.
    Audio(bool),
    /// Video, or none.
    Video(bool),
}

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Whether it was ever let in to what it asked for.
    pub ending: Ending,
    /// Why.
    pub reason: Reason,
    /// More of it, for the record; without secrets.
    pub detail: Option<String>,
}

/// Whether a session was refused or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was not let in.
    Refused,
    /// It was asked to sign in, and comes again for that.
    Challenged,
    /// It is over.
    Ended,
}
