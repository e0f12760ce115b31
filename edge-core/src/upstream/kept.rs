//! What is kept of a server that brings a stream beside the one it is taken from: enough to go on
//! with it at once.
//!
//! Messages with the time go in; headers and frames come out. The invariant: the newest keyframe
//! and the one before it are held while they fit, and bytes and number are bounded whatever a server
//! sends; headers have the ring's own bounds beside those of the frames. It does not know which server
//! it is.

use std::collections::VecDeque;
use std::time::Duration;

use rtmp::Message;

use crate::live::{MAX_KEPT, MAX_KEPT_BYTES, MAX_KEPT_IN_ALL};
use crate::media::{Lead, Look, Slot, Track, Tracks};

/// The most bytes. Chosen, because two seconds at 30 Mbit/s fit; one that does not fit is found at
/// its next keyframe.
const MAX_BYTES: usize = 8 << 20;
/// The most messages: chosen, because 10 s of pictures and sound are some 700.
const MAX_FRAMES: usize = 2_048;
/// What a message costs beside its payload.
const OVERHEAD: usize = 96;
/// How much of a stream without pictures is kept.
const SOUND: Duration = Duration::from_secs(3);
/// One message that is neither header nor forgotten.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) message: Message,
    pub(super) look: Look,
    arrived: Duration,
}

/// The newest header of each kind and track, with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Headers<T>(Vec<(Slot, Tracks, T)>);

impl<T> Default for Headers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Headers<T> {
    /// Puts a header in the place of those that it makes void, if there is room.
    pub(super) fn put(
        &mut self,
        slot: Slot,
        tracks: Tracks,
        header: T,
        size: impl Fn(&T) -> usize,
    ) {
        self.0
            .retain(|(known, older, _)| *known != slot || !tracks.covers(older));
        let bytes = size(&header);
        let held: usize = self.0.iter().map(|(.., one)| size(one)).sum();
        let room = self.0.len() < MAX_KEPT && held + bytes <= MAX_KEPT_IN_ALL;
        if room && bytes <= MAX_KEPT_BYTES {
            self.0.push((slot, tracks, header));
            // Stable: one for many tracks stays before a newer one for some of them.
            self.0.sort_by_key(|(slot, ..)| *slot);
        }
    }

    /// The newest one for exactly these tracks.
    pub(super) fn get(&self, slot: Slot, tracks: &Tracks) -> Option<&T> {
        let mut all = self.0.iter();
        all.find_map(|(known, of, header)| (*known == slot && of == tracks).then_some(header))
    }
}

/// The newest of one server's messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    headers: Headers<(Message, Look)>,
    lead: Lead,
    frames: VecDeque<Frame>,
    /// The number of the first frame that is held.
    first: u64,
    /// The numbers of the newest keyframe and of the one before it.
    keyframes: [Option<u64>; 2],
    bytes: usize,
}

impl Kept {
    /// Takes a message.
    pub(super) fn push(&mut self, message: Message, now: Duration) {
        let look = self.lead.look(&message);
        if let Some(slot) = look.slot {
            let size = |(message, _): &(Message, Look)| cost(message);
            self.headers.put(slot, look.tracks, (message, look), size);
            return;
        }
        let number = self.first + self.frames.len() as u64;
        if look.keyframe {
            self.keyframes = [Some(number), self.keyframes[0]];
        }
        self.bytes += cost(&message);
        self.frames.push_back(Frame {
            message,
            look,
            arrived: now,
        });
        self.trim(now);
    }

    fn trim(&mut self, now: Duration) {
        let [newest, before] = self.keyframes;
        while let Some(front) = self.frames.front() {
            let over = self.bytes > MAX_BYTES || self.frames.len() > MAX_FRAMES;
            let past = match before.or(newest) {
                Some(key) => self.first < key,
                None => now.saturating_sub(front.arrived) > SOUND,
            };
            if !(over || past) {
                break;
            }
            self.bytes -= cost(&front.message);
            self.frames.pop_front();
            self.first += 1;
        }
        let held = |key: &u64| *key >= self.first;
        self.keyframes = [newest.filter(held), before.filter(held)];
    }

    /// Whether a picture is held with which a viewer can begin.
    pub(super) fn has_keyframe(&self) -> bool {
        self.keyframes[0].is_some()
    }

    /// The newest header of each kind and track, in the order in which they are needed.
    pub(super) fn headers(&self) -> impl Iterator<Item = &(Message, Look)> {
        self.headers.0.iter().map(|(.., header)| header)
    }

    /// Which tracks lead after all that was kept.
    pub(super) fn lead(&self) -> &Lead {
        &self.lead
    }

    /// All frames that are held.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The frames from the newest keyframe on; without one, the newest frame alone.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Frame> {
        let from = match self.keyframes[0] {
            Some(key) => usize::try_from(key - self.first).expect("what is kept fits in memory"),
            None => self.frames.len().saturating_sub(1),
        };
        self.frames.range(from..)
    }
}

fn cost(message: &Message) -> usize {
    OVERHEAD + message.payload.len()
}

/// Whether a message belongs to the pictures or the sound, rather than to the data beside them.
pub(super) fn is_media(look: &Look) -> bool {
    matches!(look.track, Track::Video | Track::Audio)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{audio, inter, key, video_header};
    use super::*;
    use rtmp::MessageKind;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn two_groups_of_pictures_are_kept() {
        let mut kept = Kept::default();
        kept.push(video_header(1), ms(0));
        for at in 0..100_u32 {
            let message = if at % 10 == 0 {
                key(at * 40)
            } else {
                inter(at * 40)
            };
            kept.push(message, ms(u64::from(at) * 40));
        }
        assert_eq!(kept.headers().count(), 1);
        assert_eq!(kept.frames().count(), 20);
        assert_eq!(
            kept.newest().next().map(|one| one.message.timestamp),
            Some(3_600)
        );
    }

    #[test]
    fn headers_are_kept_by_track_and_within_the_bounds_of_a_ring() {
        let header = |track: u8, size: usize| {
            let mut payload = [b"\x96\x00hvc1", &[track][..]].concat();
            payload.resize(size, 7);
            Message::new(MessageKind::Video, 0, 1, payload)
        };
        let mut kept = Kept::default();
        for track in [0, 1, 1, 0] {
            kept.push(header(track, 50), ms(0));
        }
        assert_eq!(kept.headers().count(), 2);
        kept.push(header(2, MAX_KEPT_BYTES + 1), ms(0));
        assert_eq!(kept.headers().count(), 2);
        for track in 0..=255 {
            kept.push(header(track, 60), ms(0));
        }
        assert_eq!(kept.headers().count(), MAX_KEPT);
        for track in 0..=255 {
            kept.push(header(track, MAX_KEPT_BYTES / 2), ms(0));
        }
        let bytes: usize = kept.headers().map(|(one, _)| cost(one)).sum();
        assert!(bytes <= MAX_KEPT_IN_ALL, "{bytes}");
    }

    #[test]
    fn sound_alone_is_kept_for_some_seconds_and_nothing_grows_beyond_its_bound() {
        let mut kept = Kept::default();
        for at in 0..1_000_u32 {
            kept.push(audio(at * 20), ms(u64::from(at) * 20));
        }
        assert_eq!(kept.frames().count(), 151);
        assert_eq!(kept.newest().count(), 1);
        let mut kept = Kept::default();
        for at in 0..10_000_u32 {
            kept.push(inter(at), ms(0));
        }
        assert_eq!(kept.frames().count(), MAX_FRAMES);
        assert_eq!(kept.keyframes, [None; 2]);
    }
}
