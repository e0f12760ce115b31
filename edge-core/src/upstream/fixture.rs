//! Messages for the tests of this module: each frame's payload tells it from every other.

use bytes::Bytes;
use rtmp::{Message, MessageKind};

fn message(kind: MessageKind, head: &[u8], content: u32, timestamp: u32) -> Message {
    let mut payload = head.to_vec();
    payload.extend_from_slice(&content.to_be_bytes());
    payload.resize(300, 7);
    Message::new(kind, timestamp, 1, Bytes::from(payload))
}

/// Settings of H.264; the number tells one from another.
pub(super) fn video_header(settings: u32) -> Message {
    message(MessageKind::Video, &[0x17, 0, 0, 0, 0], settings, 0)
}

/// A keyframe.
pub(super) fn key(timestamp: u32) -> Message {
    message(
        MessageKind::Video,
        &[0x17, 1, 0, 0, 0],
        timestamp,
        timestamp,
    )
}

/// A picture that depends on others.
pub(super) fn inter(timestamp: u32) -> Message {
    message(
        MessageKind::Video,
        &[0x27, 1, 0, 0, 0],
        timestamp,
        timestamp,
    )
}

/// Sound.
pub(super) fn audio(timestamp: u32) -> Message {
    message(MessageKind::Audio, &[0xaf, 1], timestamp, timestamp)
}

/// The same message at another time.
pub(super) fn moved(message: Message, by: u32) -> Message {
    Message {
        timestamp: message.timestamp.wrapping_add(by),
        ..message
    }
}
