//! What the publisher puts into its messages, so that a viewer can tell that it got what was sent.
//!
//! A frame begins as real AVC or AAC does, then carries a stamp: its place among all messages, the
//! time at which it was sent on the publisher's clock, its length; it ends with a mark of its
//! place. In goes a [`Stamp`], out comes a payload, and back. A payload that was cut, shifted or
//! mixed with another does not read back. It knows nothing of chunks, sockets and clocks.

use bytes::{BufMut, Bytes, BytesMut};

/// Stands before each stamp.
const MAGIC: u32 = 0x5765_6972;

/// Magic, order, time, length.
const STAMP: usize = 4 + 8 + 8 + 4;

/// The mark at the end.
pub(crate) const TAIL: usize = 4;

/// Frame type and codec, packet type, composition time, length of the NAL unit, its type.
const VIDEO_HEAD: usize = 10;

/// Codec and packet type.
const AUDIO_HEAD: usize = 2;

/// So much of a payload's beginning holds its stamp.
pub(crate) const HEAD: usize = VIDEO_HEAD + STAMP;

/// The least payload that can be stamped.
pub(crate) const LEAST: usize = HEAD + TAIL;

/// An AVC sequence header: baseline, 640 by 360.
pub(crate) const AVC_HEADER: &[u8] = &[
    0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 10, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02,
    0x80, 0xbf, 0xe5, 0xc0, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80,
];

/// An AAC sequence header: low complexity, 44,100 Hz, two channels.
pub(crate) const AAC_HEADER: &[u8] = &[0xaf, 0, 0x12, 0x10];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A video frame that needs no other.
    Keyframe,
    /// Any other video frame.
    Interframe,
    /// An audio frame.
    Audio,
}

/// What stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its place among all frames of the publisher, audio and video together.
    pub(crate) order: u64,
    /// When it was sent, on the publisher's clock.
    pub(crate) sent_ns: u64,
    /// Bytes of the whole payload.
    pub(crate) length: u32,
}

impl Stamp {
    /// The payload that carries this stamp.
    ///
    /// # Panics
    /// When the length is under [`LEAST`].
    pub(crate) fn payload(&self) -> Bytes {
        let length = self.length as usize;
        assert!(length >= LEAST, "a frame has room for its stamp");
        let mut out = BytesMut::with_capacity(length);
        match self.kind {
            Kind::Keyframe | Kind::Interframe => {
                let key = self.kind == Kind::Keyframe;
                out.put_slice(&[if key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
                out.put_u32(self.length - 9);
                out.put_u8(if key { 0x65 } else { 0x41 });
            }
            Kind::Audio => out.put_slice(&[0xaf, 1]),
        }
        out.put_u32(MAGIC);
        out.put_u64(self.order);
        out.put_u64(self.sent_ns);
        out.put_u32(self.length);
        // Filled by the place: a payload put together of two is not mistaken for either.
        out.put_bytes(self.order as u8, length - TAIL - out.len());
        out.put_slice(&mark(self.order));
        out.freeze()
    }

    /// Reads a payload's first [`HEAD`] bytes (or more) and last four. `None` when it bears no
    /// stamp or its end is another frame's.
    pub(crate) fn parse(head: &[u8], tail: [u8; TAIL]) -> Option<Self> {
        let (kind, skip) = match *head {
            [0x17, 1, ..] => (Kind::Keyframe, VIDEO_HEAD),
            [0x27, 1, ..] => (Kind::Interframe, VIDEO_HEAD),
            [0xaf, 1, ..] => (Kind::Audio, AUDIO_HEAD),
            _ => return None,
        };
        let stamp = head.get(skip..skip + STAMP)?;
        if stamp[..4] != MAGIC.to_be_bytes() {
            return None;
        }
        let order = u64::from_be_bytes(stamp[4..12].try_into().ok()?);
        (tail == mark(order)).then_some(Self {
            kind,
            order,
            sent_ns: u64::from_be_bytes(stamp[12..20].try_into().ok()?),
            length: u32::from_be_bytes(stamp[20..].try_into().ok()?),
        })
    }
}

fn mark(order: u64) -> [u8; TAIL] {
    (!(order as u32)).to_be_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tail(payload: &[u8]) -> [u8; TAIL] {
        payload[payload.len() - TAIL..].try_into().unwrap()
    }

    #[test]
    fn a_stamp_reads_back() {
        for (kind, length) in [
            (Kind::Keyframe, 16_000),
            (Kind::Interframe, LEAST as u32),
            (Kind::Audio, 372),
        ] {
            let stamp = Stamp {
                kind,
                order: 0x1_0000_0007,
                sent_ns: 99,
                length,
            };
            let payload = stamp.payload();
            assert_eq!(payload.len(), length as usize);
            assert_eq!(Stamp::parse(&payload[..HEAD], tail(&payload)), Some(stamp));
        }
    }

    #[test]
    fn a_frame_with_another_frames_end_does_not_read() {
        let frame = |order| {
            Stamp {
                kind: Kind::Audio,
                order,
                sent_ns: 0,
                length: 100,
            }
            .payload()
        };
        let (one, other) = (frame(1), frame(2));
        assert_eq!(Stamp::parse(&one, tail(&other)), None);
        assert_eq!(Stamp::parse(&one[1..], tail(&one)), None);
        assert_eq!(Stamp::parse(&one[..20], tail(&one)), None);
        assert_eq!(Stamp::parse(AAC_HEADER, [0; TAIL]), None);
        assert_eq!(Stamp::parse(AVC_HEADER, [0; TAIL]), None);
    }
}
