//! Everything a peer can do wrong on the wire, one variant a bound or a broken rule.
//!
//! A fault ends its own session. It holds figures only, never text that came from the peer, so it
//! may be logged and counted as it is.

use std::time::Duration;

/// Why a session ended: the rule that the peer broke, with the figure it broke it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first byte is not the version of plain RTMP: something else speaks on this port.
    #[error("the handshake begins with version {0}, only 3 is spoken")]
    Version(u8),
    /// The handshake could not be answered or understood.
    #[error("the handshake is malformed")]
    Handshake,
    /// The handshake did not end in its time.
    #[error("the handshake did not end within {0:?}")]
    HandshakeTimeout(Duration),
    /// No `connect`, or no answer to ours, in its time.
    #[error("`connect` was not there within {0:?} of the handshake")]
    ConnectTimeout(Duration),
    /// The peer uses more chunk streams than a connection may.
    #[error("more than {0} chunk streams")]
    ChunkStreams(usize),
    /// A chunk leaves out header fields that no chunk before it gave.
    #[error("chunk stream {0} begins with a header that has no fields before it")]
    NoHeader(u32),
    /// The peer set a chunk size of 0 or above the largest message.
    #[error("chunk size {size}, allowed are 1 to {max}")]
    ChunkSize {
        /// What the peer asked for.
        size: u32,
        /// The most that is honored.
        max: u32,
    },
    /// A message announces more bytes than its kind may have.
    #[error("a message of kind {kind} with {length} bytes, allowed are {max}")]
    MessageSize {
        /// The message type id on the wire.
        kind: u8,
        /// What its header announces.
        length: usize,
        /// The most for this kind.
        max: usize,
    },
    /// The unfinished messages of all chunk streams together are too large.
    #[error("unfinished messages hold more than {0} bytes")]
    Unfinished(usize),
    /// The peer spends its bytes on tiny chunks faster than it may.
    #[error("more than {0} tiny chunks in a second")]
    TinyChunks(u32),
    /// Too many messages before the client was admitted.
    #[error("more than {0} messages before admission")]
    MessagesBeforeAdmission(u32),
    /// More commands or control messages than a session needs.
    #[error("more than {0} commands and control messages in a second")]
    Commands(u32),
    /// A protocol control message is shorter than its fields.
    #[error("a control message of kind {0} is too short")]
    ShortControl(u8),
    /// An AMF value ends in the middle.
    #[error("an AMF value is cut short")]
    AmfTruncated,
    /// AMF objects or arrays stand too deep in one another.
    #[error("AMF values are nested deeper than {0}")]
    AmfDepth(usize),
    /// One message holds too many AMF values.
    #[error("more than {0} AMF values in one message")]
    AmfNodes(usize),
    /// An AMF string is too long.
    #[error("an AMF string of {length} bytes, allowed are {max}")]
    AmfString {
        /// What it announces.
        length: usize,
        /// The most that is read.
        max: usize,
    },
    /// An AMF marker that stands for no value here.
    #[error("AMF marker {0} is not a value here")]
    AmfMarker(u8),
    /// A command message without a name.
    #[error("a command without a name")]
    CommandName,
    /// A command's transaction is not a number.
    #[error("a command whose transaction is not a number")]
    CommandTransaction,
    /// A command, media or data before `connect`.
    #[error("a message of kind {0} before `connect`")]
    BeforeConnect(u8),
    /// A second `connect` on one connection.
    #[error("a second `connect`")]
    SecondConnect,
    /// `connect` without its object or application.
    #[error("`connect` without its properties")]
    ConnectArguments,
    /// More message streams than a connection may have.
    #[error("more than {0} message streams")]
    MessageStreams(u32),
    /// `publish` or `play` on a message stream that was not created.
    #[error("message stream {0} does not exist")]
    MessageStream(u32),
    /// `publish` or `play` on a message stream that is already in use.
    #[error("message stream {0} is already in use")]
    MessageStreamBusy(u32),
    /// An application, address or stream name that cannot be one.
    #[error("a name or address of {0} bytes that is too long or holds control characters")]
    Name(usize),
    /// An aggregate message whose parts do not fit.
    #[error("a malformed aggregate message")]
    Aggregate,
    /// An aggregate message with too many parts.
    #[error("more than {0} parts in one aggregate message")]
    AggregateParts(usize),
}
