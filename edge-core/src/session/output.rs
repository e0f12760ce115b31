//! What a session wants of its driver.

use bytes::Bytes;
use contract::admit::Passage;
use contract::name::StreamName;
use contract::reason::Reason;
use rtmp::Message;
use rtmp::server::PublishKind;

/// What a session wants of its driver, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Write these bytes.
    Send(Bytes),
    /// What is known of the session changed: [`super::Session::describe`] says it.
    Changed,
    /// Find this stream; answer with [`super::Session::play_started`] or
    /// [`super::Session::play_failed`].
    Subscribe(Box<Wanted>),
    /// The player leaves its stream.
    Unsubscribe,
    /// Something a player asks for.
    Player(PlayerWish),
    /// Take this stream; answer with [`super::Session::publish_started`] or
    /// [`super::Session::publish_failed`].
    Publish(Box<Wanted>, PublishKind),
    /// A message of the published stream.
    Media(Message),
    /// The publisher ends its stream.
    Unpublish,
    /// The client answered a ping.
    Alive,
    /// Write what is left, then close.
    Close(Closing),
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
}

/// What a player may ask for while it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerWish {
    /// Hold, or go on.
    Pause(bool),
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
    /// It is over.
    Ended,
}
