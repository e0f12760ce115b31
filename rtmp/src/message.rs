//! A whole message: its kind, timestamp, message stream and payload bytes.
//!
//! Chunks become messages in [`crate::chunk::Reader`]; messages become chunks in
//! [`crate::chunk`]'s functions. A payload is shared, never copied, from here on.

use bytes::Bytes;

/// What a message is, by its type id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// 1: the peer's chunks from now on have this size.
    SetChunkSize,
    /// 2: the unfinished message of a chunk stream is given up.
    Abort,
    /// 3: so many bytes were received in all.
    Acknowledgement,
    /// 4: stream begin, end, ping and the like.
    UserControl,
    /// 5: acknowledge each so many bytes.
    WindowAckSize,
    /// 6: send no more than so many bytes unacknowledged.
    SetPeerBandwidth,
    /// 8: audio.
    Audio,
    /// 9: video.
    Video,
    /// 15: data in AMF3 form.
    DataAmf3,
    /// 16: a shared object in AMF3 form.
    SharedObjectAmf3,
    /// 17: a command in AMF3 form.
    CommandAmf3,
    /// 18: data, such as `onMetaData`.
    DataAmf0,
    /// 19: a shared object.
    SharedObjectAmf0,
    /// 20: a command.
    CommandAmf0,
    /// 22: several audio, video and data messages in one.
    Aggregate,
    /// Any other type id, carried as it is.
    Other(u8),
}

impl MessageKind {
    /// The kind of a type id.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::SetChunkSize,
            2 => Self::Abort,
            3 => Self::Acknowledgement,
            4 => Self::UserControl,
            5 => Self::WindowAckSize,
            6 => Self::SetPeerBandwidth,
            8 => Self::Audio,
            9 => Self::Video,
            15 => Self::DataAmf3,
            16 => Self::SharedObjectAmf3,
            17 => Self::CommandAmf3,
            18 => Self::DataAmf0,
            19 => Self::SharedObjectAmf0,
            20 => Self::CommandAmf0,
            22 => Self::Aggregate,
            other => Self::Other(other),
        }
    }

    /// The type id of this kind.
    pub fn code(self) -> u8 {
        match self {
            Self::SetChunkSize => 1,
            Self::Abort => 2,
            Self::Acknowledgement => 3,
            Self::UserControl => 4,
            Self::WindowAckSize => 5,
            Self::SetPeerBandwidth => 6,
            Self::Audio => 8,
            Self::Video => 9,
            Self::DataAmf3 => 15,
            Self::SharedObjectAmf3 => 16,
            Self::CommandAmf3 => 17,
            Self::DataAmf0 => 18,
            Self::SharedObjectAmf0 => 19,
            Self::CommandAmf0 => 20,
            Self::Aggregate => 22,
            Self::Other(code) => code,
        }
    }

    /// Whether it may be as large as media: audio, video and aggregates of them.
    pub fn is_media(self) -> bool {
        matches!(self, Self::Audio | Self::Video | Self::Aggregate)
    }

    /// Whether it belongs to a stream's timeline: audio, video or data.
    pub fn is_timed(self) -> bool {
        matches!(
            self,
            Self::Audio | Self::Video | Self::DataAmf0 | Self::DataAmf3
        )
    }
}

/// One whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// Milliseconds, wrapping at 2³².
    pub timestamp: u32,
    /// The message stream it belongs to; 0 is the connection itself.
    pub stream_id: u32,
    /// The bytes as they were sent.
    pub payload: Bytes,
}

impl Message {
    /// Makes a message of its parts.
    pub fn new(
        kind: MessageKind,
        timestamp: u32,
        stream_id: u32,
        payload: impl Into<Bytes>,
    ) -> Self {
        Self {
            kind,
            timestamp,
            stream_id,
            payload: payload.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_id_survives_the_way_there_and_back() {
        for code in 0..=u8::MAX {
            assert_eq!(MessageKind::from_code(code).code(), code);
        }
    }
}
