//! Reading FLV, AVC, HEVC, AAC and Enhanced RTMP headers just enough to relay them well: is this a
//! keyframe, must a late joiner have it before anything else, what is the codec called.
//!
//! A message goes in, a [`Look`] comes out; [`Lead`] does the same for a whole stream, of which
//! several tracks may be one. Headers are read and nothing is changed; what is not understood is
//! plain media of its track.

mod flv;
mod lead;
mod tracks;

pub use lead::Lead;
pub use tracks::Tracks;

use rtmp::{Message, MessageKind, data};

/// What kind of media a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Data such as `onMetaData`, and everything else.
    Data,
}

/// What a late joiner must have before media makes sense; the newest of each is kept for each
/// track, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// `onMetaData`.
    Metadata,
    /// The decoder's settings of video.
    Video,
    /// Color and the like of video (Enhanced RTMP).
    VideoMetadata,
    /// The decoder's settings of audio.
    Audio,
    /// Which channel is where (Enhanced RTMP).
    AudioChannels,
}

/// The name of a codec, as reports and pages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// One that plain FLV has a number for.
    Known(&'static str),
    /// One that Enhanced RTMP names by four printable characters.
    FourCc([u8; 4]),
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(name) => f.write_str(name),
            Self::FourCc(code) => f.write_str(String::from_utf8_lossy(code).trim_end()),
        }
    }
}

/// What a message's first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Pictures, sound or data.
    pub track: Track,
    /// Which of several it is for; the first where there is one only.
    pub tracks: Tracks,
    /// Whether a viewer may begin here.
    pub keyframe: bool,
    /// Where it is kept for late joiners, if it is.
    pub slot: Option<Slot>,
    /// What it is coded with, where the message says so.
    pub codec: Option<Codec>,
}

impl Look {
    const fn plain(track: Track) -> Self {
        Self {
            track,
            tracks: Tracks::FIRST,
            keyframe: false,
            slot: None,
            codec: None,
        }
    }
}

/// Looks at a message of a stream's timeline.
#[must_use]
pub fn look(message: &Message) -> Look {
    match message.kind {
        MessageKind::Video => flv::video(&message.payload),
        MessageKind::Audio => flv::audio(&message.payload),
        MessageKind::DataAmf0 | MessageKind::DataAmf3 => {
            let metadata = data::name(&data::for_viewers(message)).as_deref() == Some("onMetaData");
            Look {
                slot: metadata.then_some(Slot::Metadata),
                ..Look::plain(Track::Data)
            }
        }
        MessageKind::SetChunkSize
        | MessageKind::Abort
        | MessageKind::Acknowledgement
        | MessageKind::UserControl
        | MessageKind::WindowAckSize
        | MessageKind::SetPeerBandwidth
        | MessageKind::SharedObjectAmf3
        | MessageKind::CommandAmf3
        | MessageKind::SharedObjectAmf0
        | MessageKind::CommandAmf0
        | MessageKind::Aggregate
        | MessageKind::Other(_) => Look::plain(Track::Data),
    }
}
