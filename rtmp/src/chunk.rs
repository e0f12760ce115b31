//! Chunks: messages cut in pieces, several streams of them on one connection.
//!
//! [`Reader`] makes messages of a peer's bytes; [`encode_shared`], [`encode`] and [`Header`] make
//! bytes of our messages. We always send full (type 0) headers on fixed chunk streams, so that a
//! message's bytes depend on nothing sent before and serve every viewer alike.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{Header, encode, encode_shared, header_len};

use crate::MessageKind;

/// The chunk size both ends begin with (RTMP 1.0, section 5.4.1).
pub const INITIAL_CHUNK_SIZE: u32 = 128;

/// The chunk size we send with, once announced. One for all, so that chunks can be shared.
pub const CHUNK_SIZE: u32 = 65_536;

/// The message stream id that shared bytes carry: the first that a client is given.
pub const SHARED_STREAM_ID: u32 = 1;

/// The chunk streams we send on. All fit in a header of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkStreamId {
    /// Protocol control, by the specification.
    Control = 2,
    /// Commands and their answers.
    Command = 3,
    /// Audio.
    Audio = 4,
    /// Data, such as `onMetaData`.
    Data = 5,
    /// Video.
    Video = 6,
}

impl ChunkStreamId {
    /// The chunk stream on which messages of this kind go out.
    pub fn of(kind: MessageKind) -> Self {
        match kind {
            MessageKind::SetChunkSize
            | MessageKind::Abort
            | MessageKind::Acknowledgement
            | MessageKind::UserControl
            | MessageKind::WindowAckSize
            | MessageKind::SetPeerBandwidth => Self::Control,
            MessageKind::CommandAmf0
            | MessageKind::CommandAmf3
            | MessageKind::SharedObjectAmf0
            | MessageKind::SharedObjectAmf3
            | MessageKind::Other(_) => Self::Command,
            MessageKind::Audio => Self::Audio,
            MessageKind::DataAmf0 | MessageKind::DataAmf3 => Self::Data,
            MessageKind::Video | MessageKind::Aggregate => Self::Video,
        }
    }
}
