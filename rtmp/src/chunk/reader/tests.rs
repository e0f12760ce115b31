//! Chunks as peers send them, legal and not, and the property that pieces do not matter.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::chunk::{ChunkStreamId, encode, encode_shared};
use crate::control;

fn read_all(reader: &mut Reader, mut input: &[u8]) -> Result<Vec<Message>, Fault> {
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input)? {
        messages.push(message);
    }
    assert!(input.is_empty(), "a reader takes all there is");
    Ok(messages)
}

fn reader() -> Reader {
    let mut reader = Reader::new(Limits::default());
    reader.set_admitted(true);
    reader
}

/// Reads the bytes whole and byte by byte.
fn check(bytes: &[u8], expected: &[(MessageKind, u32, u32, &[u8])]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(kind, timestamp, stream_id, payload)| {
            Message::new(*kind, *timestamp, *stream_id, payload.to_vec())
        })
        .collect();
    assert_eq!(
        read_all(&mut reader(), bytes),
        Ok(expected.clone()),
        "at once"
    );
    let mut slow = reader();
    let mut messages = Vec::new();
    for byte in bytes {
        messages.extend(read_all(&mut slow, &[*byte]).unwrap());
    }
    assert_eq!(messages, expected, "byte by byte");
    assert_eq!(slow.held(), 0);
}

/// A type 0 header on a chunk stream below 64.
fn full(id: u8, timestamp: u32, length: u32, kind: u8, stream_id: u32) -> Vec<u8> {
    let mut header = vec![id];
    header.extend_from_slice(&timestamp.min(EXTENDED).to_be_bytes()[1..]);
    header.extend_from_slice(&length.to_be_bytes()[1..]);
    header.push(kind);
    header.extend_from_slice(&stream_id.to_le_bytes());
    if timestamp >= EXTENDED {
        header.extend_from_slice(&timestamp.to_be_bytes());
    }
    header
}

fn fault(bytes: &[u8]) -> Fault {
    read_all(&mut Reader::new(Limits::default()), bytes).unwrap_err()
}

const AUDIO: MessageKind = MessageKind::Audio;
const VIDEO: MessageKind = MessageKind::Video;

#[test]
fn headers_of_all_types_lean_on_the_ones_before() {
    let bytes = [
        &full(4, 1_000, 2, 8, 1)[..],
        b"aa",
        b"\x44\0\0\x14\0\0\x01\x09b",
        b"\x84\0\0\x0ac",
        b"\xc4d",
        b"\xc4e",
    ]
    .concat();
    check(
        &bytes,
        &[
            (AUDIO, 1_000, 1, b"aa"),
            (VIDEO, 1_020, 1, b"b"),
            (VIDEO, 1_030, 1, b"c"),
            (VIDEO, 1_040, 1, b"d"),
            (VIDEO, 1_050, 1, b"e"),
        ],
    );
}

#[test]
fn a_repeated_type_0_header_steps_by_its_timestamp() {
    let bytes = [&full(4, 23, 1, 8, 1)[..], b"a", b"\xc4b", b"\xc4c"].concat();
    check(
        &bytes,
        &[
            (AUDIO, 23, 1, b"a"),
            (AUDIO, 46, 1, b"b"),
            (AUDIO, 69, 1, b"c"),
        ],
    );
}

#[test]
fn chunk_stream_ids_of_two_and_three_bytes() {
    let header = &full(0, 5, 1, 8, 1)[1..];
    let bytes = [
        &[0, 0][..],
        header,
        b"a",
        &[1, 255, 255],
        header,
        b"b",
        &[0xc0, 0],
        b"c",
        &[0xc1, 0, 0],
        b"d",
        &[0xc1, 255, 255],
        b"e",
    ]
    .concat();
    check(
        &bytes,
        &[
            (AUDIO, 5, 1, b"a"),
            (AUDIO, 5, 1, b"b"),
            (AUDIO, 10, 1, b"c"),
            (AUDIO, 15, 1, b"d"),
            (AUDIO, 10, 1, b"e"),
        ],
    );
}

#[test]
fn audio_may_stand_inside_a_video_message() {
    let video = vec![7; 300];
    let bytes = [
        &full(6, 40, 300, 9, 1)[..],
        &video[..128],
        &full(4, 41, 3, 8, 1),
        b"aac",
        b"\xc6",
        &video[128..256],
        b"\xc4mp3",
        b"\xc6",
        &video[256..],
    ]
    .concat();
    check(
        &bytes,
        &[
            (AUDIO, 41, 1, b"aac"),
            (AUDIO, 82, 1, b"mp3"),
            (VIDEO, 40, 1, &video),
        ],
    );
}

#[test]
fn an_aborted_message_is_gone_and_its_stream_goes_on() {
    let bytes = [
        &full(6, 40, 300, 9, 1)[..],
        &[7; 128],
        &full(2, 0, 4, 2, 0),
        &[0, 0, 0, 6],
        &full(6, 80, 1, 9, 1),
        b"v",
        &full(2, 0, 4, 2, 0),
        &[0, 0, 1, 77],
    ]
    .concat();
    check(
        &bytes,
        &[
            (MessageKind::Abort, 0, 0, &[0, 0, 0, 6]),
            (VIDEO, 80, 1, b"v"),
            (MessageKind::Abort, 0, 0, &[0, 0, 1, 77]),
        ],
    );
}

#[test]
fn a_new_header_gives_up_the_unfinished_message() {
    let bytes = [
        &full(6, 40, 300, 9, 1)[..],
        &[7; 128],
        &full(6, 80, 1, 9, 1),
        b"v",
    ]
    .concat();
    check(&bytes, &[(VIDEO, 80, 1, b"v")]);
}

#[test]
fn messages_of_length_zero_are_messages() {
    let bytes = [&full(4, 5, 0, 8, 1)[..], b"\xc4", &full(6, 6, 0, 9, 1)].concat();
    check(
        &bytes,
        &[(AUDIO, 5, 1, b""), (AUDIO, 10, 1, b""), (VIDEO, 6, 1, b"")],
    );
}

#[test]
fn librtmp_may_begin_with_a_type_1_header() {
    check(
        b"\x42\0\0\0\0\0\x04\x05\0\0\0\x09",
        &[(MessageKind::WindowAckSize, 0, 0, &[0, 0, 0, 9])],
    );
    assert_eq!(fault(b"\x82\0\0\0"), Fault::NoHeader(2));
    assert_eq!(fault(b"\xc3"), Fault::NoHeader(3));
}

#[test]
fn extended_timestamps_with_and_without_them_in_later_chunks() {
    let time = 0x0123_4567;
    let payload: Vec<u8> = (0..200).collect();
    let with = [
        &full(6, time, 200, 9, 1)[..],
        &payload[..128],
        b"\xc6",
        &time.to_be_bytes(),
        &payload[128..],
        b"\xc6",
        &time.to_be_bytes(),
        &payload[..128],
        b"\xc6",
        &time.to_be_bytes(),
        &payload[128..],
    ]
    .concat();
    check(
        &with,
        &[(VIDEO, time, 1, &payload), (VIDEO, time, 1, &payload)],
    );

    let without = [
        &full(6, time, 200, 9, 1)[..],
        &payload[..128],
        b"\xc6",
        &payload[128..],
    ]
    .concat();
    check(&without, &[(VIDEO, time, 1, &payload)]);

    // A rest shorter than a timestamp: the next header stands where it would be.
    let short = [
        &full(6, time, 130, 9, 1)[..],
        &payload[..128],
        b"\xc6ab",
        &full(4, 5, 0, 8, 1),
        b"\xc4\xc4",
    ]
    .concat();
    let mut expected = payload[..128].to_vec();
    expected.extend_from_slice(b"ab");
    check(
        &short,
        &[
            (VIDEO, time, 1, &expected),
            (AUDIO, 5, 1, b""),
            (AUDIO, 10, 1, b""),
            (AUDIO, 15, 1, b""),
        ],
    );

    let step = [
        &full(4, 1, 1, 8, 1)[..],
        b"a\x84\xff\xff\xff\x01\0\0\0b\xc4\x01\0\0\0c",
    ]
    .concat();
    check(
        &step,
        &[
            (AUDIO, 1, 1, b"a"),
            (AUDIO, 0x0100_0001, 1, b"b"),
            (AUDIO, 0x0200_0001, 1, b"c"),
        ],
    );
}

#[test]
fn chunk_sizes_from_one_to_the_largest_are_honored() {
    for size in [1_u32, 2, 127, 4_096, 65_536, Limits::MAX_CHUNK_SIZE] {
        let message = Message::new(VIDEO, 3, 1, vec![9; 70_000]);
        let mut bytes = BytesMut::new();
        encode(&mut bytes, &control::set_chunk_size(size), 128);
        encode(&mut bytes, &message, size);
        let mut reader = reader();
        let messages = read_all(&mut reader, &bytes).unwrap();
        assert_eq!(messages[1], message);
        assert_eq!(reader.chunk_size(), size);
    }
    for size in [
        0,
        Limits::MAX_CHUNK_SIZE + 1,
        0x7fff_ffff,
        0x8000_0001,
        u32::MAX,
    ] {
        let bytes = [&full(2, 0, 4, 1, 0)[..], &size.to_be_bytes()].concat();
        assert_eq!(
            fault(&bytes),
            Fault::ChunkSize {
                size,
                max: Limits::MAX_CHUNK_SIZE
            }
        );
    }
    assert_eq!(
        fault(&[&full(2, 0, 3, 1, 0)[..], &[0; 3]].concat()),
        Fault::ShortControl(1)
    );
    assert_eq!(fault(&full(2, 0, 0, 2, 0)), Fault::ShortControl(2));
}

#[test]
fn too_many_chunk_streams_are_a_fault() {
    let mut bytes = Vec::new();
    for id in 0..65_000_u16 {
        bytes.push(1);
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&full(0, 0, 1, 8, 1)[1..]);
        bytes.push(0);
    }
    let mut reader = reader();
    assert!(read_all(&mut reader, &bytes[..64 * 15]).is_ok());
    assert_eq!(
        read_all(&mut reader, &bytes[64 * 15..]),
        Err(Fault::ChunkStreams(64))
    );
}

#[test]
fn messages_larger_than_their_kind_may_be_are_a_fault() {
    let mib8 = 8 * 1024 * 1024;
    for (kind, length, max) in [
        (8, mib8 + 1, mib8),
        (9, 0xff_ffff, mib8),
        (22, mib8 + 1, mib8),
        (20, 65_537, 65_536),
        (18, 65_537, 65_536),
        (1, 65_537, 65_536),
        (99, 65_537, 65_536),
    ] {
        let expected = Fault::MessageSize {
            kind,
            length: length as usize,
            max: max as usize,
        };
        assert_eq!(fault(&full(4, 0, length, kind, 0)), expected);
    }
}

#[test]
fn unfinished_messages_are_bounded_by_what_arrives() {
    // 60 messages of 8 MiB announced, a byte of each sent: no memory to speak of.
    let mut announced = Vec::new();
    for id in 3..63 {
        announced.extend_from_slice(&full(id, 0, 8 * 1024 * 1024, 9, 1));
        announced.extend_from_slice(&[0; 128]);
    }
    let mut slow = Reader::new(Limits::default());
    for piece in announced.chunks(140) {
        read_all(&mut slow, piece).unwrap();
    }
    assert!(slow.held() <= 60 * 256, "{} bytes held", slow.held());

    // Before admission 64 KiB, afterwards 16 MiB.
    for (admitted, budget) in [(false, 64 * 1024), (true, 16 * 1024 * 1024)] {
        let mut reader = Reader::new(Limits::default());
        reader.set_admitted(admitted);
        let size = control::set_chunk_size(Limits::MAX_CHUNK_SIZE);
        let mut bytes = BytesMut::new();
        encode(&mut bytes, &size, 128);
        read_all(&mut reader, &bytes).unwrap();
        let mut most = 0;
        let mut sent = 0;
        let end = 'feeding: loop {
            for id in 3..63 {
                let mut chunk = full(id, 0, 8 * 1024 * 1024, 9, 1);
                chunk.resize(chunk.len() + 700_000, 0);
                for piece in chunk.chunks(1_000) {
                    if let Err(fault) = read_all(&mut reader, piece) {
                        break 'feeding fault;
                    }
                    most = most.max(reader.held());
                    sent += piece.len();
                }
                // The rest of the chunk stays away; another connection goes on.
                reader.state = State::Header;
            }
        };
        assert_eq!(end, Fault::Unfinished(budget));
        assert!(most <= budget, "{most} bytes held");
        assert!(sent > budget / 4, "ended after {sent} bytes");
    }
}

#[test]
fn tiny_chunks_draw_on_a_budget_that_fills_up() {
    let limits = Limits {
        tiny_chunks: 100,
        ..Limits::default()
    };
    let mut reader = Reader::new(limits);
    let empty = full(4, 0, 0, 8, 1);
    for _ in 0..100 {
        read_all(&mut reader, &empty).unwrap();
    }
    assert_eq!(read_all(&mut reader, &empty), Err(Fault::TinyChunks(100)));
    reader.refill(1_000);
    for _ in 0..100 {
        let large = [&full(4, 0, 128, 8, 1)[..], &[0; 128]].concat();
        read_all(&mut reader, &large).unwrap();
        read_all(&mut reader, &empty).unwrap();
    }
    assert_eq!(read_all(&mut reader, &empty), Err(Fault::TinyChunks(100)));
}

fn any_message() -> impl Strategy<Value = Message> {
    let kind =
        prop::sample::select(vec![8_u8, 9, 15, 18, 20, 22, 4, 77]).prop_map(MessageKind::from_code);
    let timestamp = prop_oneof![
        0..5_000_u32,
        Just(EXTENDED - 1),
        Just(EXTENDED),
        any::<u32>()
    ];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (0..3_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    (kind, timestamp, 0..40_u32, payload).prop_map(|(kind, timestamp, stream_id, payload)| {
        Message::new(kind, timestamp, stream_id, payload)
    })
}

proptest! {
    #[test]
    fn reading_undoes_writing_in_pieces_of_any_size(
        messages in prop::collection::vec(any_message(), 0..12),
        chunk_size in 1..400_u32,
        pieces in prop::collection::vec(1..700_usize, 1..20),
    ) {
        let mut bytes = BytesMut::new();
        encode(&mut bytes, &control::set_chunk_size(chunk_size), 128);
        for message in &messages {
            encode(&mut bytes, message, chunk_size);
        }
        let mut reader = reader();
        let mut read = Vec::new();
        let mut rest = &bytes[..];
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            read.extend(read_all(&mut reader, piece).unwrap());
            rest = after;
        }
        prop_assert_eq!(&read[1..], &messages[..]);
        prop_assert_eq!(reader.held(), 0);
    }

    #[test]
    fn shared_bytes_are_the_message_on_stream_1(message in any_message(), chunk_size in 128..400_u32) {
        let bytes = encode_shared(&message, ChunkStreamId::of(message.kind), chunk_size);
        let mut reader = reader();
        reader.chunk_size = chunk_size as usize;
        let read = read_all(&mut reader, &bytes).unwrap();
        prop_assert_eq!(read, vec![Message { stream_id: 1, ..message }]);
    }

    #[test]
    fn any_bytes_in_any_pieces_end_alike(
        bytes in prop::collection::vec(any::<u8>(), 0..3_000),
        cut in 0..3_000_usize,
    ) {
        let whole = read_all(&mut Reader::new(Limits::default()), &bytes);
        let mut reader = Reader::new(Limits::default());
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let pieces = read_all(&mut reader, first).and_then(|mut messages| {
            messages.extend(read_all(&mut reader, second)?);
            Ok(messages)
        });
        prop_assert_eq!(whole, pieces);
        prop_assert!(reader.held() <= 64 * 1024);
    }
}
