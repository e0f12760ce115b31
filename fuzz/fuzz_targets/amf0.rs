//! Values from any bytes: a fault or values, whose printed form parses to the same printed form.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rtmp::amf::{self, Decoder};

fuzz_target!(|input: &[u8]| {
    let Ok(values) = Decoder::new(Bytes::copy_from_slice(input)).all() else {
        return;
    };
    let mut printed = BytesMut::new();
    amf::encode_all(&mut printed, &values);
    // Bytes that are not UTF-8 grow when read, and may then be over the bounds: a fault is well.
    if let Ok(again) = Decoder::new(printed.clone().freeze()).all() {
        let mut reprinted = BytesMut::new();
        amf::encode_all(&mut reprinted, &again);
        assert_eq!(printed, reprinted);
    }
});
