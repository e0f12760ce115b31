//! Values from any bytes: a fault or values, whose printed form parses to the same printed form.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rtmp::amf::{self, Decoder};
use rtmp::command::Command;
use rtmp::{Message, MessageKind, data};

fuzz_target!(|input: &[u8]| {
    let bytes = Bytes::copy_from_slice(input);
    if let Ok(values) = Decoder::new(bytes.clone()).all() {
        let mut printed = BytesMut::new();
        amf::encode_all(&mut printed, &values);
        // Bytes that are not UTF-8 grow when read, and may then be over the bounds: a fault is well.
        if let Ok(again) = Decoder::new(printed.clone().freeze()).all() {
            let mut reprinted = BytesMut::new();
            amf::encode_all(&mut reprinted, &again);
            assert_eq!(printed, reprinted);
        }
    }
    for kind in [
        MessageKind::CommandAmf0,
        MessageKind::CommandAmf3,
        MessageKind::DataAmf0,
        MessageKind::DataAmf3,
    ] {
        let message = Message::new(kind, 0, 1, bytes.clone());
        if let Ok(command) = Command::parse(&message) {
            let _ = command.message(1);
        }
        let _ = (data::name(&message), data::for_viewers(&message));
    }
    if let Ok(parts) = data::parts(&Message::new(MessageKind::Aggregate, 7, 1, bytes)) {
        assert!(parts.iter().map(|part| part.payload.len()).sum::<usize>() <= input.len());
    }
});
