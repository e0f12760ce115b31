//! What a payload is, from any bytes: the same whenever it is looked at, and never a keyframe that is
//! also a header.
#![no_main]

use bytes::Bytes;
use edge_core::live::Entry;
use edge_core::media::look;
use libfuzzer_sys::fuzz_target;
use rtmp::{Message, MessageKind};

fuzz_target!(|input: &[u8]| {
    let [kind, payload @ ..] = input else { return };
    let kind = match kind % 4 {
        0 => MessageKind::Audio,
        1 => MessageKind::Video,
        2 => MessageKind::DataAmf0,
        _ => MessageKind::DataAmf3,
    };
    let message = Message::new(kind, 7, 1, Bytes::copy_from_slice(payload));
    let seen = look(&message);
    assert_eq!(seen, look(&message));
    assert!(!(seen.keyframe && seen.slot.is_some()));
    let entry = Entry::new(&message, std::time::Duration::ZERO);
    assert!(entry.bytes.len() >= payload.len().min(1));
});
