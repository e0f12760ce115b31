//! What a connection carried: its messages with their times, and the comparison of one such tape with another.
//! Tapes come from files, from our own origin and from viewers. What is a frame and what a header is read here
//! from the specification, apart from the edge's own reading, so that a mistake there is not made here too.

use std::path::Path;

use bytes::Bytes;
use rtmp::{Message, MessageKind};

use super::attack::{kind, tags};

/// Messages of audio, video and data, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape(pub(crate) Vec<Message>);

/// Whether a message is a coded frame: no header, no metadata, no end of a sequence.
pub(crate) fn is_frame(message: &Message) -> bool {
    let byte = |at: usize| message.payload.get(at).copied().unwrap_or(0);
    let (first, second) = (byte(0), byte(1));
    match (message.kind, first) {
        (MessageKind::Video, 0x80..) => match first & 0x0f {
            // Many tracks: what they are follows.
            6 => matches!(second & 0x0f, 1 | 3),
            packet => matches!(packet, 1 | 3),
        },
        (MessageKind::Video, _) => second == 1,
        (MessageKind::Audio, 0x90..0xa0) => match first & 0x0f {
            5 => second & 0x0f == 1,
            packet => packet == 1 && !is_empty(message),
        },
        (MessageKind::Audio, _) => second == 1,
        _ => false,
    }
}

/// Whether a message is a frame without content: ffmpeg writes one of FLAC, in files at the end and on the wire at
/// the beginning.
fn is_empty(message: &Message) -> bool {
    message.kind == MessageKind::Audio
        && message.payload.len() == 5
        && message.payload.first() == Some(&0x91)
}

/// Whether a message is a picture that needs no other.
pub(crate) fn is_keyframe(message: &Message) -> bool {
    message.kind == MessageKind::Video
        && is_frame(message)
        && message
            .payload
            .first()
            .is_some_and(|first| (first >> 4) & 0b111 == 1)
}

impl Tape {
    /// An FLV file's messages, as a publisher of it sends them.
    pub(crate) fn of_file(file: &Path) -> Self {
        let bytes = std::fs::read(file).expect("the file can be read");
        let message = |tag: super::attack::Packet| {
            Message::new(
                MessageKind::from_code(tag.kind),
                tag.timestamp,
                1,
                tag.payload,
            )
        };
        let media = |tag: &super::attack::Packet| tag.kind != kind::DATA;
        Tape(
            tags(&bytes)
                .into_iter()
                .filter(media)
                .map(message)
                .collect(),
        )
    }

    /// How many frames of a kind there are.
    pub(crate) fn frames_of(&self, kind: MessageKind) -> usize {
        self.frames().filter(|frame| frame.kind == kind).count()
    }

    fn frames(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(|message| is_frame(message))
    }

    /// Asserts that what this viewer got is a part of the whole without a gap: every payload of audio and of
    /// video in order and the same, all of them later by one and the same time.
    ///
    /// # Panics
    /// When it is not, or when there are fewer than `least` frames of video, saying which message differs.
    #[track_caller]
    pub(crate) fn assert_part_of(&self, whole: &Tape, what: &str, least: usize) {
        let pictures = self.frames_of(MessageKind::Video);
        assert!(pictures >= least, "{what}: {pictures} of {least} pictures");
        let mut shift = None;
        for kind in [MessageKind::Video, MessageKind::Audio] {
            let of_kind = |tape: &Tape| -> Vec<(u32, Bytes)> {
                let frames = tape.frames().filter(|frame| frame.kind == kind);
                frames
                    .map(|frame| (frame.timestamp, frame.payload.clone()))
                    .collect()
            };
            let (part, all) = (of_kind(self), of_kind(whole));
            let Some((_, first)) = part.first() else {
                assert!(all.is_empty(), "{what}: no {kind:?}");
                continue;
            };
            let starts = (0..all.len()).filter(|at| all[*at].1 == *first);
            let same = |at: usize| {
                part.iter()
                    .zip(&all[at..])
                    .take_while(|(a, b)| a.1 == b.1)
                    .count()
            };
            let (at, run) = starts
                .map(|at| (at, same(at)))
                .max_by_key(|(_, run)| *run)
                .unwrap_or_else(|| panic!("{what}: the first {kind:?} is not the publisher's"));
            assert_eq!(
                run,
                part.len(),
                "{what}: {kind:?} differs after {run} frames"
            );
            for ((got, _), (sent, _)) in part.iter().zip(&all[at..]) {
                let by = got.wrapping_sub(*sent);
                assert_eq!(
                    *shift.get_or_insert(by),
                    by,
                    "{what}: {kind:?} sent at {sent} ms is at {got} ms"
                );
            }
        }
    }

    /// Asserts that decoders can begin with it: the headers with which `whole` begins come before the first frame
    /// of their kind, and the first picture is a keyframe.
    #[track_caller]
    pub(crate) fn assert_begins_well(&self, whole: &Tape, what: &str) {
        for kind in [MessageKind::Video, MessageKind::Audio] {
            let own = self.headers(kind);
            for header in whole.headers(kind) {
                let start = header.slice(..header.len().min(16));
                assert!(
                    own.contains(&header),
                    "{what}: {kind:?} begins without the header {start:?}"
                );
            }
        }
        let picture = self.frames().find(|frame| frame.kind == MessageKind::Video);
        assert!(
            picture.is_none_or(is_keyframe),
            "{what}: begins with {picture:?}"
        );
    }

    /// What comes of a kind before its first frame.
    fn headers(&self, kind: MessageKind) -> Vec<&Bytes> {
        let of_kind = self.0.iter().filter(|message| message.kind == kind);
        of_kind
            .take_while(|message| !is_frame(message))
            .filter(|message| !is_empty(message))
            .map(|message| &message.payload)
            .collect()
    }
}
