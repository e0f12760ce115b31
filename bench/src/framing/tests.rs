//! The reader of chunks against bytes written by hand and against the `rtmp` crate's writer.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use rtmp::chunk::{ChunkStreamId, encode, encode_shared};
use rtmp::{Message, MessageKind};

use super::*;

/// Kind, timestamp, length and last four bytes.
type Seen = (u8, u32, usize, [u8; 4]);

/// Reads the bytes in pieces of several sizes.
fn check(bytes: &[u8], expected: Result<&[Seen], Broken>) {
    for size in [1, 2, 3, 7, 4096] {
        let mut framing = Framing::new();
        let mut found = Vec::new();
        let mut result = Ok(());
        for piece in bytes.chunks(size) {
            result = framing.read(piece, |whole| {
                found.push((whole.kind, whole.timestamp, whole.length, whole.tail));
            });
            if result.is_err() {
                break;
            }
        }
        match expected {
            Ok(messages) => {
                assert_eq!(result, Ok(()), "in pieces of {size}");
                assert_eq!(found, messages, "in pieces of {size}");
            }
            Err(broken) => assert_eq!(result, Err(broken), "in pieces of {size}"),
        }
    }
}

#[test]
fn messages_of_all_four_header_formats_are_read() {
    let bytes = [
        &b"\x06\0\0\x0a\0\0\x05\x09\x01\0\0\0abcde"[..],
        b"\x46\0\0\x14\0\0\x04\x09wxyz",
        b"\x86\0\0\x05wxyz",
        b"\xc6ABCD",
    ]
    .concat();
    check(
        &bytes,
        Ok(&[
            (9, 10, 5, *b"bcde"),
            (9, 30, 4, *b"wxyz"),
            (9, 35, 4, *b"wxyz"),
            (9, 40, 4, *b"ABCD"),
        ]),
    );
}

#[test]
fn audio_may_stand_inside_video() {
    let mut bytes = b"\x06\0\0\x01\0\0\x83\x09\x01\0\0\0".to_vec();
    bytes.extend([7; 128]);
    bytes.extend(b"\x04\0\0\x02\0\0\x02\x08\x01\0\0\0yz");
    bytes.extend(b"\xc6abc");
    check(
        &bytes,
        Ok(&[(8, 2, 2, *b"\0\0yz"), (9, 1, 131, *b"\x07abc")]),
    );
}

#[test]
fn what_the_rtmp_crate_writes_is_read() {
    let mut out = BytesMut::new();
    encode(&mut out, &rtmp::control::set_chunk_size(65_536), 128);
    for (timestamp, length) in [(0, 0), (5, 65_536), (0xff_fffe, 9), (0xff_ffff, 200_000)] {
        let message = Message::new(MessageKind::Video, timestamp, 1, vec![3; length]);
        out.extend(encode_shared(&message, ChunkStreamId::Video, 65_536));
    }
    let tail = [3; 4];
    check(
        &out,
        Ok(&[
            (1, 0, 4, 65_536_u32.to_be_bytes()),
            (9, 0, 0, [0; 4]),
            (9, 5, 65_536, tail),
            (9, 0xff_fffe, 9, tail),
            (9, 0xff_ffff, 200_000, tail),
        ]),
    );
}

#[test]
fn broken_chunks_are_found() {
    let video = |length: u8| [6, 0, 0, 1, 0, 0, length, 9, 1, 0, 0, 0];
    let cases: &[(&[&[u8]], Broken)] = &[
        (&[b"\xc6abc"], Broken::NoHeader(6)),
        (&[&video(200), &[7; 128], &video(1)], Broken::Unfinished(6)),
        // A byte too many in a message: the next header is read out of place.
        (
            &[&video(3), b"abcd", &video(3), b"abc"],
            Broken::NoHeader(36),
        ),
        // A byte too few: the next header's first byte is swallowed, its timestamp is a header.
        (&[&video(4), b"abc", &video(3), b"abc"], Broken::Kind(0)),
        (
            &[b"\x06\0\0\0\xff\xff\xff\x09\x01\0\0\0"],
            Broken::Length(0xff_ffff),
        ),
        (
            &[b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0"],
            Broken::ChunkSize(0),
        ),
        (&[b"\x02\0\0\0\0\0\x01\x01\0\0\0\0\0"], Broken::Short(1)),
    ];
    for (parts, broken) in cases {
        check(&parts.concat(), Err(*broken));
    }
}
