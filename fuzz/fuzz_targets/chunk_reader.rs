//! Chunks from any bytes: whole and in pieces they end alike, under the bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::chunk::Reader;
use rtmp::{Fault, Limits, Message};

fn read_all(reader: &mut Reader, mut input: &[u8]) -> Result<Vec<Message>, Fault> {
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input)? {
        messages.push(message);
    }
    assert!(input.is_empty());
    Ok(messages)
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, input)) = input.split_first() else {
        return;
    };
    let whole = read_all(&mut Reader::new(Limits::default()), input);
    let mut reader = Reader::new(Limits::default());
    let mut pieces = Ok(Vec::new());
    for piece in input.chunks(usize::from(step) + 1) {
        let read = read_all(&mut reader, piece);
        assert!(reader.held() <= 64 * 1024);
        pieces = pieces.and_then(|mut messages: Vec<Message>| {
            messages.extend(read?);
            Ok(messages)
        });
        if pieces.is_err() {
            break;
        }
    }
    assert_eq!(whole, pieces);
});
