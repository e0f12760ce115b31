//! A viewer gets whole messages in order, whatever the socket takes.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;
use rtmp::chunk::Reader;
use rtmp::{Limits, Message, MessageKind, amf, data};

use super::own::MAX_COMMAND_BYTES;
use super::*;
use crate::live::pace::{self, Pace};

fn entry(kind: MessageKind, timestamp: u32, payload: &[u8]) -> Entry {
    let message = Message::new(kind, timestamp, 1, payload.to_vec());
    Entry::new(&message, Duration::from_millis(timestamp.into()))
}

pub(crate) fn key(timestamp: u32) -> Entry {
    entry(MessageKind::Video, timestamp, &[0x17, 1, 0, 0, 0, 7])
}

pub(crate) fn inter(timestamp: u32) -> Entry {
    entry(MessageKind::Video, timestamp, &[0x27, 1, 0, 0, 0, 8])
}

pub(crate) fn audio(timestamp: u32) -> Entry {
    entry(MessageKind::Audio, timestamp, &[0xaf, 1, 9])
}

pub(crate) fn video_header(timestamp: u32) -> Entry {
    entry(MessageKind::Video, timestamp, &[0x17, 0, 0, 0, 0, 1, 100])
}

pub(crate) fn metadata(timestamp: u32) -> Entry {
    let values = ["@setDataFrame", "onMetaData"].map(amf::Value::from);
    let message = data::message(1, timestamp, &values);
    Entry::new(&message, Duration::from_millis(timestamp.into()))
}

fn ring(entries: Vec<Entry>) -> Ring {
    let mut ring = Ring::default();
    for entry in entries {
        ring.append(Arc::new(entry));
    }
    ring
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Writes all that is owed in pieces of these lengths, and reads it as a viewer would.
fn read(cursor: &mut Cursor, ring: &Ring, pieces: &[usize], now: Duration) -> Vec<Message> {
    let mut wire = BytesMut::new();
    drain(cursor, ring, pieces, now, &mut wire);
    messages(&wire)
}

fn drain(cursor: &mut Cursor, ring: &Ring, pieces: &[usize], now: Duration, wire: &mut BytesMut) {
    for piece in pieces.iter().cycle() {
        cursor.settle(ring, now);
        let mut scratch = Scratch::default();
        let owed = cursor.owed(ring, &mut scratch);
        if owed.bytes() == 0 {
            return;
        }
        let whole: Vec<u8> = owed.slices().iter().flat_map(|one| one.to_vec()).collect();
        assert_eq!(whole.len(), owed.bytes());
        let count = whole.len().min(*piece);
        wire.extend_from_slice(&whole[..count]);
        cursor.wrote(count, ring, now);
    }
}

fn messages(wire: &[u8]) -> Vec<Message> {
    let mut reader = Reader::new(Limits::default());
    reader.set_admitted(true);
    // Says that chunks are large, as every session does before media.
    let mut size = BytesMut::new();
    let announced = rtmp::control::set_chunk_size(rtmp::chunk::CHUNK_SIZE);
    rtmp::chunk::encode(&mut size, &announced, 128);
    let mut input = &size[..];
    while reader.read(&mut input).unwrap().is_some() {}
    let mut input = wire;
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input).unwrap() {
        messages.push(message);
    }
    assert!(input.is_empty());
    assert_eq!(reader.held(), 0, "a message went out in part");
    messages
}

fn times(messages: &[Message]) -> Vec<(u8, u32)> {
    messages
        .iter()
        .map(|one| (one.kind.code(), one.timestamp))
        .collect()
}

#[test]
fn a_late_joiner_starts_at_the_keyframe_with_its_headers() {
    let ring = ring(vec![
        metadata(0),
        video_header(0),
        key(0),
        inter(40),
        audio(45),
        key(80),
        audio(90),
        inter(120),
    ]);
    let mut cursor = Cursor::join(&ring, Form::viewer(1), ms(120));
    let got = read(&mut cursor, &ring, &[usize::MAX], ms(120));
    let expected = [(18, 0), (9, 80), (9, 80), (8, 90), (9, 120)];
    assert_eq!(times(&got), expected);
    assert_eq!(data::name(&got[0]).as_deref(), Some("onMetaData"));
}

#[test]
fn who_waited_for_the_stream_gets_it_from_its_beginning_once() {
    let mut stream = ring(vec![]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    for entry in [metadata(0), video_header(0), key(0), inter(40)] {
        stream.append(Arc::new(entry));
    }
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(40));
    assert_eq!(times(&got), [(18, 0), (9, 0), (9, 0), (9, 40)]);
}

#[test]
fn who_joins_in_the_first_group_of_pictures_misses_no_sound_before_it() {
    let stream = ring(vec![
        metadata(0),
        audio(0),
        video_header(0),
        key(23),
        inter(56),
    ]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(60));
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(60));
    assert_eq!(times(&got), [(18, 0), (8, 0), (9, 0), (9, 23), (9, 56)]);
}

#[test]
fn pictures_that_nobody_can_show_are_left_out() {
    let mut stream = ring(vec![video_header(0), inter(0), audio(10), inter(40)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(40));
    for entry in [audio(50), inter(80), key(120), inter(160)] {
        stream.append(Arc::new(entry));
    }
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(160));
    assert_eq!(times(&got), [(9, 40), (8, 50), (9, 120), (9, 160)]);
}

#[test]
fn the_next_server_gets_data_as_it_was_sent() {
    let ring = ring(vec![metadata(0), video_header(0), key(0)]);
    let form = Form {
        stream_id: 3,
        upstream: true,
    };
    let mut cursor = Cursor::join(&ring, form, ms(0));
    let got = read(&mut cursor, &ring, &[5], ms(0));
    assert_eq!(data::name(&got[0]).as_deref(), Some("@setDataFrame"));
    assert!(got.iter().all(|one| one.stream_id == 3));
}

#[test]
fn five_seconds_behind_it_jumps_to_the_newest_keyframe() {
    let mut stream = ring(vec![video_header(0), key(0), inter(1_000)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    // Half of the first message goes out, then nothing more.
    let mut wire = BytesMut::new();
    let mut scratch = Scratch::default();
    let first = cursor.owed(&stream, &mut scratch).slices()[0].to_vec();
    wire.extend_from_slice(&first[..9]);
    cursor.wrote(9, &stream, ms(0));
    for entry in [key(4_000), inter(4_500)] {
        stream.append(Arc::new(entry));
    }
    assert_eq!(pace::check(&mut cursor, &stream, ms(4_900)), Pace::Even);
    assert_eq!(pace::check(&mut cursor, &stream, ms(5_000)), Pace::Shed);
    assert_eq!(pace::check(&mut cursor, &stream, ms(5_000)), Pace::Even);
    cursor
        .command(Bytes::from_static(&[
            2, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 0, 1,
        ]))
        .unwrap();
    drain(&mut cursor, &stream, &[7], ms(5_000), &mut wire);
    assert_eq!(
        times(&messages(&wire)),
        [(9, 0), (5, 0), (9, 4_000), (9, 4_000), (9, 4_500)]
    );
    assert_eq!(cursor.shed(), 1);
}

#[test]
fn one_that_reads_nothing_is_ended_after_thirty_seconds() {
    let mut stream = ring(vec![key(0)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    for second in 1..30 {
        stream.append(Arc::new(key(second * 1_000)));
        cursor.settle(&stream, ms(u64::from(second) * 1_000));
        let seen = pace::check(&mut cursor, &stream, ms(u64::from(second) * 1_000));
        assert_ne!(seen, Pace::TooSlow);
    }
    assert_eq!(pace::check(&mut cursor, &stream, ms(30_000)), Pace::TooSlow);
}

#[test]
fn one_who_is_owed_nothing_is_never_too_slow() {
    let mut stream = ring(vec![key(0)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    read(&mut cursor, &stream, &[usize::MAX], ms(0));
    assert_eq!(pace::check(&mut cursor, &stream, ms(90_000)), Pace::Even);
    stream.append(Arc::new(key(91_000)));
    assert_eq!(pace::check(&mut cursor, &stream, ms(91_000)), Pace::Even);
}

#[test]
fn pictures_that_are_wanted_again_begin_at_the_next_keyframe_and_no_sound_comes_twice() {
    let mut stream = ring(vec![video_header(0), key(0), audio(10)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(2), ms(0));
    cursor.want_video(false, &stream);
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(20));
    assert_eq!(times(&got), [(8, 10)]);
    cursor.want_video(true, &stream);
    for entry in [inter(30), audio(40), key(50), inter(60)] {
        stream.append(Arc::new(entry));
    }
    let got = read(&mut cursor, &stream, &[7], ms(60));
    assert_eq!(times(&got), [(9, 10), (8, 40), (9, 50), (9, 60)]);
    assert_eq!(got[0].payload[..2], [0x17, 0], "the header of its pictures");
}

#[test]
fn after_a_pause_nothing_comes_twice_and_what_is_old_is_left_out() {
    let mut stream = ring(vec![video_header(0), key(0), audio(10)]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    read(&mut cursor, &stream, &[usize::MAX], ms(20));
    cursor.pause(true, &stream, ms(20));
    stream.append(Arc::new(inter(40)));
    assert!(read(&mut cursor, &stream, &[usize::MAX], ms(40)).is_empty());
    cursor.pause(false, &stream, ms(60));
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(60));
    assert_eq!(times(&got), [(9, 40)]);

    cursor.pause(true, &stream, ms(60));
    for entry in [inter(80), key(90), inter(100)] {
        stream.append(Arc::new(entry));
    }
    cursor.pause(false, &stream, ms(100));
    let got = read(&mut cursor, &stream, &[usize::MAX], ms(100));
    assert_eq!(times(&got), [(9, 90), (9, 90), (9, 100)]);
}

#[test]
fn commands_have_a_bound() {
    let stream = ring(vec![]);
    let mut cursor = Cursor::join(&stream, Form::viewer(1), ms(0));
    let command = Bytes::from(vec![0; 1_000]);
    let taken = (0..100).take_while(|_| cursor.command(command.clone()).is_ok());
    assert_eq!(taken.count(), MAX_COMMAND_BYTES / 1_000);
}

proptest! {
    /// Whatever the socket takes and whenever media is given up, what goes out are whole messages
    /// in order, and pictures begin at a keyframe. What is joined for many is what one is owed.
    #[test]
    fn only_whole_messages_in_order_go_out(
        steps in prop::collection::vec((0u8..6, 1u32..900, 0usize..400), 1..150),
        stream_id in 1u32..3,
    ) {
        let mut stream = Ring::new(crate::live::Bounds { bytes: 6_000, ..Default::default() });
        stream.append(Arc::new(video_header(0)));
        stream.append(Arc::new(key(0)));
        let mut cursor = Cursor::join(&stream, Form::viewer(stream_id), ms(0));
        let (mut batch, mut wire) = (Batch::default(), BytesMut::new());
        let mut at = 0;
        for (kind, step, takes) in steps {
            at += step;
            let now = ms(at.into());
            stream.append(Arc::new(match kind {
                0 => key(at),
                1 => video_header(at),
                2 | 3 => audio(at),
                _ => inter(at),
            }));
            let joined = cursor.plain().and_then(|place| {
                batch.at(&stream, place);
                batch.at(&stream, place)
            });
            cursor.settle(&stream, now);
            let mut scratch = Scratch::default();
            let owed = cursor.owed(&stream, &mut scratch);
            let whole: Vec<u8> = owed.slices().iter().flat_map(|one| one.to_vec()).collect();
            match joined {
                Some(batch) => {
                    prop_assert!(batch.bytes().starts_with(&whole));
                    let count = takes.min(batch.bytes().len());
                    wire.extend_from_slice(&batch.bytes()[..count]);
                    cursor.took(batch, count, &stream, now);
                }
                None => {
                    let count = takes.min(whole.len());
                    wire.extend_from_slice(&whole[..count]);
                    cursor.wrote(count, &stream, now);
                }
            }
            pace::check(&mut cursor, &stream, now);
        }
        drain(&mut cursor, &stream, &[4_096], ms(at.into()), &mut wire);
        let got = messages(&wire);
        prop_assert!(got.iter().all(|one| one.stream_id == stream_id));
        let rising = got.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp);
        prop_assert!(rising, "{:?}", times(&got));
        let first = got.iter().find(|one| one.kind == MessageKind::Video && one.payload[1] == 1);
        if let Some(first) = first {
            prop_assert_eq!(first.payload[0], 0x17);
        }
    }
}
