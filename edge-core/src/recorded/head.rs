//! What a viewer must have before any piece, and what tells one recording from another.
//!
//! Messages of a fetch go in. The invariants: headers stand in the order of time, and are bounded;
//! two heads are the same only if length, metadata, codec settings and first pictures are.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::Item;
use super::codec::{items, put_items};
use crate::media::{Slot, Track};

/// Headers that are kept of a recording. Chosen, because metadata and codec settings change at
/// most a few times in one; of what changes more often the newest are given up.
const MAX_HEADERS: usize = 256;
/// Media messages that are compared where no keyframe comes before.
const LEAD_MEDIA: usize = 16;
/// The most that is compared and kept; chosen: a keyframe has some 100 KiB.
const LEAD_BYTES: usize = 4 << 20;

/// The head of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The first messages, up to the first keyframe: by them a recording is known again.
    lead: Vec<Item>,
    whole: bool,
    /// Metadata and codec settings, each with the time from which it holds.
    headers: Vec<Item>,
}

impl Head {
    /// Takes the next of the first messages; true when it has seen enough.
    pub fn begin(&mut self, item: &Item) -> bool {
        if self.whole {
            return true;
        }
        self.lead.push(item.clone());
        let media = self.lead.iter().filter(|item| is_media(item)).count();
        let bytes: usize = self.lead.iter().map(|item| item.bytes.len()).sum();
        self.whole = item.look.keyframe || media >= LEAD_MEDIA || bytes >= LEAD_BYTES;
        self.whole
    }

    /// Says that there are no more messages than were seen.
    pub fn end(&mut self) {
        self.whole = true;
    }

    /// Whether it has seen enough to be compared.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether the other is the head of the same recording.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.whole && other.whole && self.lead == other.lead
    }

    /// Keeps a header; false where the same holds already.
    pub fn keep(&mut self, item: &Item) -> bool {
        let Some(slot) = item.look.slot else {
            return false;
        };
        let known = self.newest(slot, item.timestamp);
        if known.is_some_and(|known| known.body() == item.body()) {
            return false;
        }
        if self.headers.len() < MAX_HEADERS {
            let place = self
                .headers
                .partition_point(|known| known.timestamp <= item.timestamp);
            self.headers.insert(place, item.clone());
        }
        true
    }

    fn newest(&self, slot: Slot, at: u32) -> Option<&Item> {
        let mut known = self.headers.iter().rev();
        known.find(|item| item.look.slot == Some(slot) && item.timestamp <= at)
    }

    /// What a viewer needs that begins at this time, as of then.
    #[must_use]
    pub fn headers_at(&self, at: u32) -> Vec<Item> {
        let mut slots: Vec<Slot> = self
            .headers
            .iter()
            .filter_map(|item| item.look.slot)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        let newest = slots.into_iter().filter_map(|slot| self.newest(slot, at));
        newest.map(|item| item.at(at)).collect()
    }

    /// Whether pictures are known to be in it.
    #[must_use]
    pub fn has_video(&self) -> bool {
        let mut seen = self.lead.iter().chain(&self.headers);
        seen.any(|item| item.look.track == Track::Video)
    }

    /// How long the metadata says that it is, in milliseconds.
    #[must_use]
    pub fn length_ms(&self) -> Option<u32> {
        let metadata = self.newest(Slot::Metadata, u32::MAX)?;
        number(metadata.body(), "duration").and_then(milliseconds)
    }

    /// The head as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(u8::from(self.whole));
        put_list(&mut out, &self.lead);
        put_list(&mut out, &self.headers);
        out.freeze()
    }

    /// Reads a head back.
    #[must_use]
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        let whole = rest.try_get_u8().ok()? == 1;
        let mut list = || {
            let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
            if length > rest.len() {
                return None;
            }
            items(&mut rest.split_to(length))
        };
        Some(Self {
            whole,
            lead: list()?,
            headers: list()?,
        })
    }
}

fn put_list(out: &mut BytesMut, list: &[Item]) {
    let mut bytes = BytesMut::new();
    put_items(&mut bytes, list);
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(&bytes);
}

fn is_media(item: &Item) -> bool {
    item.look.slot.is_none() && item.look.track != Track::Data
}

/// The number under a name in metadata. It is looked for, not parsed: an index of keyframes in it
/// may have more values than a reader of AMF should take.
fn number(metadata: &[u8], name: &str) -> Option<f64> {
    let mut wanted = Vec::with_capacity(name.len() + 3);
    wanted.extend_from_slice(&u16::try_from(name.len()).ok()?.to_be_bytes());
    wanted.extend_from_slice(name.as_bytes());
    // The marker of a number (AMF0, section 2.2).
    wanted.push(0);
    let mut windows = metadata.windows(wanted.len() + 8);
    let found = windows.find(|window| window.starts_with(&wanted))?;
    let bytes: [u8; 8] = found[wanted.len()..].try_into().ok()?;
    Some(f64::from_be_bytes(bytes))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn milliseconds(seconds: f64) -> Option<u32> {
    let ms = seconds * 1_000.0;
    (ms > 0.0 && ms <= f64::from(u32::MAX)).then(|| ms.round() as u32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::recorded::fixture::{audio, audio_header, metadata, recording, video_header};
    use rtmp::{Message, MessageKind};

    fn head(messages: &[Message]) -> Head {
        let mut head = Head::default();
        for item in messages.iter().map(Item::new) {
            head.keep(&item);
            if head.begin(&item) {
                break;
            }
        }
        head
    }

    #[test]
    fn a_recording_is_known_again_by_its_begin() {
        let one = head(&recording(60));
        assert!(one.is_whole() && one.is_same(&head(&recording(60))));
        assert!(!one.is_same(&head(&recording(61))), "another length");
        let mut other = recording(60);
        other[3].payload = vec![0x17, 1, 0, 0, 0, 42].into();
        assert!(!one.is_same(&head(&other)), "another picture");
        assert!(!one.is_same(&head(&recording(60)[..3])), "not enough seen");
        assert_eq!(one.length_ms(), Some(60_000));
        assert_eq!(Head::parse(&one.encode()).as_ref(), Some(&one));
        let bytes = one.encode();
        for cut in 0..bytes.len() {
            assert!(Head::parse(&bytes.slice(..cut)).is_none(), "{cut}");
        }
    }

    #[test]
    fn headers_are_those_in_force_at_a_time() {
        let mut head = head(&recording(10));
        let changed = Message::new(MessageKind::Video, 4_000, 1, vec![0x17, 0, 0, 0, 0, 2]);
        assert!(head.keep(&Item::new(&changed)));
        assert!(!head.keep(&Item::new(&audio_header(5_000))), "the same");
        assert!(!head.keep(&Item::new(&audio(1))), "no header");
        let at = |at: u32| -> Vec<Vec<u8>> {
            let headers = head.headers_at(at);
            assert!(headers.iter().all(|item| item.timestamp == at));
            headers.iter().map(|item| item.body().to_vec()).collect()
        };
        let expected = |video: &Message| {
            let all = [metadata(10.0), video.clone(), audio_header(0)];
            all.map(|message| message.payload.to_vec())
        };
        assert_eq!(at(3_999), expected(&video_header(0)));
        assert_eq!(at(4_000), expected(&changed));
        assert!(head.has_video());
    }
}
