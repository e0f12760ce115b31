//! One stream and viewers of every kind under a seeded clock: those who read at once, those who are
//! slow, those who stall and come back, those who never read. What each gets must be whole
//! messages in order, and nobody is hurt by another.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge_core::live::{Bounds, Cursor, Entry, Form, Pace, Ring, Scratch, pace};
use rtmp::chunk::Reader;
use rtmp::{Limits, Message, MessageKind};

/// A small generator: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// How a viewer reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    Prompt,
    Slow { bytes_per_step: usize },
    Stalls { from_ms: u64, until_ms: u64 },
    Never,
}

struct Viewer {
    habit: Habit,
    cursor: Cursor,
    wire: BytesMut,
    ended: Option<Pace>,
}

const STEP_MS: u64 = 10;
const FRAME_MS: u64 = 30;
const GROUP: u64 = 60;

fn video(at_ms: u64, frame: u64, size: usize) -> Entry {
    let first = if frame.is_multiple_of(GROUP) {
        0x17
    } else {
        0x27
    };
    let mut payload = vec![first, 1, 0, 0, 0];
    payload.extend_from_slice(&frame.to_be_bytes());
    payload.resize(size, 7);
    let at = u32::try_from(at_ms).unwrap();
    let message = Message::new(MessageKind::Video, at, 1, payload);
    Entry::new(&message, Duration::from_millis(at_ms))
}

fn header() -> Entry {
    let message = Message::new(MessageKind::Video, 0, 1, vec![0x17, 0, 0, 0, 0, 1]);
    Entry::new(&message, Duration::ZERO)
}

fn give(viewer: &mut Viewer, ring: &Ring, now_ms: u64) {
    let now = Duration::from_millis(now_ms);
    let mut takes = match viewer.habit {
        Habit::Prompt => usize::MAX,
        Habit::Slow { bytes_per_step } => bytes_per_step,
        Habit::Stalls { from_ms, until_ms } if (from_ms..until_ms).contains(&now_ms) => 0,
        Habit::Stalls { .. } => usize::MAX,
        Habit::Never => 0,
    };
    loop {
        viewer.cursor.settle(ring, now);
        let mut scratch = Scratch::default();
        let owed = viewer.cursor.owed(ring, &mut scratch);
        let count = owed.bytes().min(takes);
        if count == 0 {
            break;
        }
        let mut left = count;
        for slice in owed.slices() {
            let part = left.min(slice.len());
            viewer.wire.extend_from_slice(&slice[..part]);
            left -= part;
        }
        viewer.cursor.wrote(count, ring, now);
        takes -= count;
    }
    if pace::check(&mut viewer.cursor, ring, now) == Pace::TooSlow {
        viewer.ended = Some(Pace::TooSlow);
    }
}

/// The frames that a viewer got, in order, with whether each was a keyframe; checks that messages
/// are whole and that pictures go on from a keyframe after a gap.
fn frames(viewer: &Viewer) -> Vec<u64> {
    let mut reader = Reader::new(Limits::default());
    reader.set_admitted(true);
    let mut announced = BytesMut::new();
    let size = rtmp::control::set_chunk_size(rtmp::chunk::CHUNK_SIZE);
    rtmp::chunk::encode(&mut announced, &size, 128);
    while reader.read(&mut &announced.split()[..]).unwrap().is_some() {}
    let mut input: &[u8] = &viewer.wire;
    let mut frames: Vec<u64> = Vec::new();
    while let Some(message) = reader.read(&mut input).unwrap() {
        if message.payload[1] == 0 {
            continue;
        }
        let frame = u64::from_be_bytes(message.payload[5..13].try_into().unwrap());
        let follows = frames.last().is_none_or(|last| frame == last + 1);
        assert!(
            follows || frame.is_multiple_of(GROUP),
            "{:?} goes on at frame {frame} after {:?}",
            viewer.habit,
            frames.last()
        );
        assert!(frames.last().is_none_or(|last| frame > *last));
        frames.push(frame);
    }
    frames
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let bounds = Bounds {
        bytes: 4 << 20,
        ..Bounds::default()
    };
    let mut ring = Ring::new(bounds);
    ring.append(Arc::new(header()));
    let mut viewers: Vec<Viewer> = Vec::new();
    let mut frame = 0;
    let length_ms = 50_000;
    for now_ms in (0..length_ms).step_by(STEP_MS as usize) {
        let now = Duration::from_millis(now_ms);
        if now_ms % FRAME_MS == 0 {
            let size = 200 + random.next(8_000) as usize;
            ring.append(Arc::new(video(now_ms, frame, size)));
            frame += 1;
        }
        if viewers.len() < 24 && random.next(40) == 0 {
            let habit = match random.next(4) {
                0 => Habit::Prompt,
                1 => Habit::Slow {
                    bytes_per_step: 100 + random.next(1_500) as usize,
                },
                2 => {
                    let from_ms = now_ms + random.next(5_000);
                    Habit::Stalls {
                        from_ms,
                        until_ms: from_ms + random.next(15_000),
                    }
                }
                _ => Habit::Never,
            };
            let form = Form::viewer(1 + random.next(2) as u32);
            viewers.push(Viewer {
                habit,
                cursor: Cursor::join(&ring, form, now),
                wire: BytesMut::new(),
                ended: None,
            });
        }
        for viewer in viewers.iter_mut().filter(|one| one.ended.is_none()) {
            give(viewer, &ring, now_ms);
        }
        assert!(ring.size() <= bounds.bytes, "memory at {now_ms} ms");
    }
    for viewer in &mut viewers {
        let whole = viewer.ended.is_none();
        if whole && viewer.habit != Habit::Never {
            viewer.habit = Habit::Prompt;
            give(viewer, &ring, length_ms);
        }
        if viewer.habit == Habit::Never {
            assert!(viewer.wire.is_empty());
            continue;
        }
        let seen = frames(viewer);
        if whole && viewer.cursor.shed() == 0 {
            assert_eq!(seen.len() as u64, frame - seen[0], "nothing was lost");
        }
        if whole {
            assert_eq!(seen.last(), Some(&(frame - 1)), "it is up to date");
        }
    }
    let never = viewers.iter().filter(|one| one.habit == Habit::Never);
    assert!(never.clone().count() == 0 || never.clone().any(|one| one.ended.is_some()));
}

#[test]
fn every_viewer_gets_whole_pictures_in_order_whatever_the_others_do() {
    for seed in 1..=4 {
        run(seed * 0x9e37_79b9);
    }
}

#[test]
fn sharing_costs_no_copy_of_the_media() {
    let mut ring = Ring::default();
    ring.append(Arc::new(video(0, 0, 5_000)));
    let cursors: Vec<Cursor> = (0..100)
        .map(|_| Cursor::join(&ring, Form::viewer(1), Duration::ZERO))
        .collect();
    let bytes: &Bytes = &ring.get(0).unwrap().bytes;
    for cursor in &cursors {
        let mut scratch = Scratch::default();
        let owed = cursor.owed(&ring, &mut scratch);
        assert_eq!(owed.slices()[0].as_ptr(), bytes.as_ptr());
    }
}
