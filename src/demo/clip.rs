//! The demo's clip: an FLV file inside the program, read into the messages that it is made of.
//!
//! Bytes of a file go in, headers and timed frames come out. It knows one file only, so a fault in it is
//! ours; a test reads it whole. How it was made stands in `make-clip.sh`.

use std::time::Duration;

use bytes::{Buf, Bytes};
use rtmp::{Message, MessageKind};

/// The file as it is.
pub(crate) const FILE: &[u8] = include_bytes!("clip.flv");
/// After so long the clip begins again without a seam; `make-clip.sh` says why.
pub(crate) const LENGTH_MS: u32 = 12_000;
/// So long a keyframe is the first picture.
pub(crate) const PART_MS: u32 = 1_000;

/// The FLV signature, version, flags and header length, with the zero that stands for no tag before.
const FILE_HEADER: [u8; 13] = *b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// What the clip is made of.
#[derive(Debug)]
pub(crate) struct Clip {
    /// What a viewer needs before any frame: metadata and the codecs' settings.
    pub(crate) headers: Vec<Message>,
    /// Sound and pictures, by rising timestamp.
    pub(crate) frames: Vec<Message>,
}

impl Clip {
    /// Reads the file.
    pub(crate) fn open() -> Self {
        let mut rest = Bytes::from_static(FILE);
        rest.advance(FILE_HEADER.len());
        let mut clip = Self {
            headers: Vec::new(),
            frames: Vec::new(),
        };
        while let Some(message) = next_tag(&mut rest) {
            if is_header(&message) {
                clip.headers.push(message);
            } else if !is_end(&message) && message.timestamp < LENGTH_MS {
                clip.frames.push(message);
            }
        }
        clip.frames.sort_by_key(|frame| frame.timestamp);
        clip
    }

    /// When the frame of this number is due, the clip being repeated without end.
    pub(crate) fn time_of(&self, number: u64) -> Duration {
        let (round, frame) = self.place_of(number);
        let at_ms = round * u64::from(LENGTH_MS) + u64::from(frame.timestamp);
        Duration::from_millis(at_ms)
    }

    /// The frame of this number, at its time.
    pub(crate) fn frame(&self, number: u64) -> Message {
        let at_ms = self.time_of(number).as_millis();
        Message {
            // RTMP's time wraps after 49 days.
            timestamp: (at_ms & u128::from(u32::MAX)) as u32,
            ..self.place_of(number).1.clone()
        }
    }

    fn place_of(&self, number: u64) -> (u64, &Message) {
        let count = self.frames.len() as u64;
        let within = usize::try_from(number % count).expect("fewer frames than memory has bytes");
        (number / count, &self.frames[within])
    }

    /// One second of the clip as a file of its own; `None` beyond the last.
    pub(crate) fn part(&self, number: u32) -> Option<Bytes> {
        let from = number.checked_mul(PART_MS).filter(|at| *at < LENGTH_MS)?;
        let within = |frame: &&Message| (from..from + PART_MS).contains(&frame.timestamp);
        let mut file = FILE_HEADER.to_vec();
        for header in &self.headers {
            put_tag(&mut file, header, header_time(header, from));
        }
        for frame in self.frames.iter().filter(within) {
            put_tag(&mut file, frame, frame.timestamp);
        }
        Some(file.into())
    }
}

/// The next tag as a message; `None` at the end.
fn next_tag(rest: &mut Bytes) -> Option<Message> {
    const HEADER: usize = 11;
    const PREVIOUS_SIZE: usize = 4;
    if rest.len() < HEADER {
        return None;
    }
    let head = rest.split_to(HEADER);
    let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    // The high byte of the timestamp stands last.
    let timestamp = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
    if rest.len() < size + PREVIOUS_SIZE {
        return None;
    }
    let payload = rest.split_to(size);
    rest.advance(PREVIOUS_SIZE);
    let kind = MessageKind::from_code(head[0]);
    Some(Message::new(kind, timestamp, 0, payload))
}

fn put_tag(file: &mut Vec<u8>, message: &Message, timestamp: u32) {
    let size = u32::try_from(message.payload.len()).expect("the clip's frames are small");
    let [high, time @ ..] = timestamp.to_be_bytes();
    file.push(message.kind.code());
    file.extend_from_slice(&size.to_be_bytes()[1..]);
    file.extend_from_slice(&time);
    file.extend_from_slice(&[high, 0, 0, 0]);
    file.extend_from_slice(&message.payload);
    file.extend_from_slice(&(size + 11).to_be_bytes());
}

/// Metadata, or the settings of AVC or AAC: their second byte is 0.
pub(crate) fn is_header(message: &Message) -> bool {
    let is_settings = matches!(message.kind, MessageKind::Video | MessageKind::Audio)
        && message.payload.get(1) == Some(&0);
    is_settings || message.kind == MessageKind::DataAmf0
}

/// The time that a header gets where frames begin at `begins`: players take metadata at any other time than
/// 0 for subtitles.
pub(crate) fn header_time(header: &Message, begins: u32) -> u32 {
    if header.kind == MessageKind::DataAmf0 {
        0
    } else {
        begins
    }
}

/// AVC's end of sequence: in a stream that goes on it must not stand.
fn is_end(message: &Message) -> bool {
    message.kind == MessageKind::Video && message.payload.get(1) == Some(&2)
}

/// Whether a viewer can begin with this picture: the high four bits of its first byte are 1. Enhanced
/// RTMP sets the highest bit and keeps the frame's type in the three below it.
pub(crate) fn is_keyframe(message: &Message) -> bool {
    message.kind == MessageKind::Video
        && message
            .payload
            .first()
            .is_some_and(|first| (first >> 4) & 0b111 == 1)
        && !is_header(message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_twelve_seconds_of_sound_and_pictures_with_a_keyframe_each_second() {
        let clip = Clip::open();
        let kinds: Vec<MessageKind> = clip.headers.iter().map(|header| header.kind).collect();
        assert_eq!(
            kinds,
            [
                MessageKind::DataAmf0,
                MessageKind::Video,
                MessageKind::Audio
            ]
        );
        let of = |kind| clip.frames.iter().filter(move |frame| frame.kind == kind);
        assert_eq!(of(MessageKind::Video).count(), 360);
        assert!(of(MessageKind::Audio).count() > 500);
        let keyframes: Vec<u32> = clip
            .frames
            .iter()
            .filter(|frame| is_keyframe(frame))
            .map(|frame| frame.timestamp)
            .collect();
        // The encoder's sound begins a packet before the pictures do.
        let seconds: Vec<u32> = (0..12).map(|second| second * PART_MS + 23).collect();
        assert_eq!(keyframes, seconds);
        assert!(clip.frames.is_sorted_by_key(|frame| frame.timestamp));
    }

    #[test]
    fn a_part_is_a_file_of_its_own_that_begins_with_a_keyframe() {
        let clip = Clip::open();
        let mut part = clip.part(3).unwrap();
        assert_eq!(part.split_to(13)[..], FILE_HEADER);
        let tags: Vec<Message> = std::iter::from_fn(|| next_tag(&mut part)).collect();
        assert!(part.is_empty());
        assert!(tags[..3].iter().all(is_header));
        let first_picture = tags[3..]
            .iter()
            .find(|tag| tag.kind == MessageKind::Video)
            .unwrap();
        assert!(is_keyframe(first_picture));
        assert_eq!(clip.part(12), None);
        assert_eq!(clip.part(u32::MAX), None);
    }
}
