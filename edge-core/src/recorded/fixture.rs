//! Messages of a made-up recording, for tests.

use rtmp::amf::Value;
use rtmp::{Message, MessageKind, data};

/// A video message: frame type in the high half of the first byte.
pub(super) fn video(timestamp: u32, frame: u8, size: usize) -> Message {
    let mut payload = vec![frame << 4 | 7, 1, 0, 0, 0];
    payload.resize(5 + size, 9);
    Message::new(MessageKind::Video, timestamp, 1, payload)
}

pub(super) fn key(timestamp: u32) -> Message {
    video(timestamp, 1, 30)
}

pub(super) fn inter(timestamp: u32) -> Message {
    video(timestamp, 2, 10)
}

pub(super) fn audio(timestamp: u32) -> Message {
    Message::new(MessageKind::Audio, timestamp, 1, vec![0xaf, 1, 5, 6])
}

pub(super) fn video_header(timestamp: u32) -> Message {
    Message::new(MessageKind::Video, timestamp, 1, vec![0x17, 0, 0, 0, 0, 1])
}

pub(super) fn audio_header(timestamp: u32) -> Message {
    Message::new(MessageKind::Audio, timestamp, 1, vec![0xaf, 0, 0x12, 8])
}

pub(super) fn metadata(duration: f64) -> Message {
    let values = [
        Value::from("onMetaData"),
        Value::Object(vec![
            ("width".to_owned(), 320.0.into()),
            ("duration".to_owned(), duration.into()),
        ]),
    ];
    data::message(1, 0, &values)
}

/// A recording of so many seconds: a keyframe each 2 s, a frame and sound each 500 ms.
pub(super) fn recording(seconds: u32) -> Vec<Message> {
    let mut all = vec![
        metadata(f64::from(seconds)),
        video_header(0),
        audio_header(0),
    ];
    for half in 0..seconds * 2 {
        let at = half * 500;
        all.push(if half % 4 == 0 { key(at) } else { inter(at) });
        all.push(audio(at + 10));
    }
    all
}
