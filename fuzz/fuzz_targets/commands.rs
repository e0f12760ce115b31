//! Commands, data and aggregates from any payload: what is read is carried on with the same meaning.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rtmp::command::Command;
use rtmp::{Message, MessageKind, data};

fuzz_target!(|input: &[u8]| {
    let bytes = Bytes::copy_from_slice(input);
    let of = |kind| Message::new(kind, 7, 1, bytes.clone());
    for kind in [MessageKind::CommandAmf0, MessageKind::CommandAmf3] {
        let Ok(command) = Command::parse(&of(kind)) else {
            continue;
        };
        // A name that is not UTF-8 grows when read, and may then be over its bound.
        for message in [command.message(1), command.amf3_message(1)] {
            if let Ok(again) = Command::parse(&message) {
                assert_eq!((&again.name, &again.raw), (&command.name, &command.raw));
            }
        }
    }
    for kind in [MessageKind::DataAmf0, MessageKind::DataAmf3] {
        let message = of(kind);
        let shown = data::for_viewers(&message);
        assert!(shown.payload.len() <= input.len() && shown.timestamp == 7);
        let _ = data::name(&shown);
    }
    if let Ok(parts) = data::parts(&of(MessageKind::Aggregate)) {
        assert!(parts.iter().map(|part| part.payload.len()).sum::<usize>() <= input.len());
        assert!(parts.first().is_none_or(|_| parts.iter().all(|part| part.stream_id == 1)));
    }
});
