//! The newest messages of a stream, with what late joiners need.
//!
//! Entries go in at the head, and fall out behind by [`Bounds`]. The invariant: numbers are given
//! in order and never again; memory stays within the bounds; the newest header of each kind, and
//! the one that the newest keyframe needs, are kept whatever falls out. It does not know its readers: they hold numbers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Entry;
use crate::media::{Slot, Track};

/// How much of a stream is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Never more bytes than this.
    pub bytes: usize,
    /// Nothing older than this, keyframe or not.
    pub age: Duration,
    /// What is older than this goes as soon as a newer keyframe is there.
    pub past: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // Chosen, because 5 s at 40 Mbit/s still fit.
            bytes: 32 << 20,
            // Chosen, because encoders put a keyframe at least each 10 s; twice that is kept.
            age: Duration::from_secs(20),
            // A viewer is given up at 5 s behind (laws.md, 3.4); it must not be lapped before.
            past: Duration::from_secs(6),
        }
    }
}

/// How often the count of bytes is checked where debug assertions are on.
const CHECKED_EACH: u64 = 64;
/// Headers that are kept at most. Chosen, because a track has two kinds and a stream sixteen
/// tracks of each sort; all of them fit into a quarter of a megabyte.
pub(crate) const MAX_KEPT: usize = 64;
pub(crate) const MAX_KEPT_IN_ALL: usize = 256 << 10;
/// A larger header is passed on, but not kept for late joiners.
pub(crate) const MAX_KEPT_BYTES: usize = 64 << 10;

/// The newest messages of one stream.
#[derive(Debug, Clone)]
pub struct Ring {
    bounds: Bounds,
    entries: VecDeque<Arc<Entry>>,
    /// The number of the first entry that is held.
    first: u64,
    bytes: usize,
    keyframe: Option<u64>,
    has_video: bool,
    has_picture: bool,
    /// Whether the stream's first picture was a keyframe and no other has come since: all of it
    /// can be shown.
    opening: bool,
    /// The newest headers.
    kept: Vec<Header>,
    /// Those that were the newest when the newest keyframe came: pictures from there on need them,
    /// whatever came since.
    at_keyframe: Vec<Header>,
}

/// A header with its number: sorted, they stand in the order in which a joiner needs them.
type Header = (Slot, u64, Arc<Entry>);

impl Default for Ring {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Ring {
    /// An empty ring.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            keyframe: None,
            has_video: false,
            has_picture: false,
            opening: true,
            kept: Vec::new(),
            at_keyframe: Vec::new(),
        }
    }

    /// Puts an entry at the head.
    pub fn append(&mut self, entry: Arc<Entry>) {
        let number = self.head();
        if entry.look.track == Track::Video && entry.look.slot.is_none() {
            // The first picture must be a keyframe, and the only one.
            self.opening &= entry.look.keyframe != self.has_picture;
            self.has_picture = true;
        }
        self.has_video |= entry.look.track == Track::Video;
        if entry.look.keyframe {
            self.keyframe = Some(number);
            self.at_keyframe.clone_from(&self.kept);
        }
        if let Some(slot) = entry.look.slot {
            self.keep(slot, number, &entry);
        }
        let now = entry.arrived;
        self.bytes += entry.size();
        self.entries.push_back(entry);
        self.evict(now);
        // Summing all at each message would cost more than all else that tests do.
        debug_assert!(!number.is_multiple_of(CHECKED_EACH) || self.is_whole());
    }

    /// Whether the count of bytes is that of the entries.
    fn is_whole(&self) -> bool {
        self.bytes == self.entries.iter().map(|one| one.size()).sum::<usize>()
    }

    fn keep(&mut self, slot: Slot, number: u64, entry: &Arc<Entry>) {
        if entry.size() > MAX_KEPT_BYTES {
            return;
        }
        let tracks = &entry.look.tracks;
        self.kept
            .retain(|(known, _, older)| *known != slot || !tracks.covers(&older.look.tracks));
        let size: usize = self.kept.iter().map(|(.., one)| one.size()).sum();
        if self.kept.len() < MAX_KEPT && size + entry.size() <= MAX_KEPT_IN_ALL {
            self.kept.push((slot, number, Arc::clone(entry)));
            // One for many tracks goes before a newer one for some of them.
            self.kept.sort_by_key(|(slot, number, _)| (*slot, *number));
        }
    }

    fn evict(&mut self, now: Duration) {
        while let Some(front) = self.entries.front() {
            let age = now.saturating_sub(front.arrived);
            let past = age > self.bounds.past && self.keyframe.is_none_or(|key| self.first < key);
            let alone = self.entries.len() == 1;
            if alone || !(past || age > self.bounds.age || self.bytes > self.bounds.bytes) {
                return;
            }
            self.bytes -= front.size();
            self.entries.pop_front();
            self.first += 1;
            if self.keyframe.is_some_and(|key| key < self.first) {
                self.keyframe = None;
                self.at_keyframe.clear();
            }
        }
    }

    /// Takes over what another ring got since: each worker follows the stream's own in this way.
    pub fn follow(&mut self, other: &Self) {
        let next = self.head();
        if next == other.head() {
            return;
        }
        // One that was asleep for too long begins anew; its viewers see that they were lapped.
        if next < other.first || self.entries.is_empty() {
            *self = other.clone();
            return;
        }
        let skip = usize::try_from(next - other.first).expect("a ring fits in memory");
        for entry in other.entries.range(skip..) {
            self.append(Arc::clone(entry));
        }
    }

    /// The number that the next entry will get.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The number of the first entry that is held.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The entry with a number, while it is held.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Arc<Entry>> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place)
    }

    /// The entries from a number on.
    pub fn range(&self, from: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(skip.min(self.entries.len())..)
    }

    /// The newest entry.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Entry>> {
        self.entries.back()
    }

    /// The number of the newest keyframe, while it is held.
    #[must_use]
    pub fn keyframe(&self) -> Option<u64> {
        self.keyframe
    }

    /// Whether it holds a stream from its very beginning, and all of it can be shown.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.opening && self.first == 0
    }

    /// Whether there were pictures.
    #[must_use]
    pub fn has_video(&self) -> bool {
        self.has_video
    }

    /// The headers that a joiner needs at the newest keyframe, or at the head where there is none,
    /// in their order.
    pub fn prelude(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let headers = match self.keyframe {
            Some(_) => &self.at_keyframe,
            None => &self.kept,
        };
        headers.iter().map(|(.., entry)| entry)
    }

    /// The newest headers, as far as they came before a number.
    pub fn kept_before(&self, number: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let before = move |(_, at, _): &&Header| *at < number;
        self.kept.iter().filter(before).map(|(.., entry)| entry)
    }

    /// Bytes of memory that the entries take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::cursor::tests::{audio, inter, key, metadata, video_header};
    use proptest::prelude::*;
    use rtmp::{Message, MessageKind};

    fn ring(messages: impl IntoIterator<Item = Entry>) -> Ring {
        let mut ring = Ring::default();
        for entry in messages {
            ring.append(Arc::new(entry));
        }
        ring
    }

    #[test]
    fn keeps_the_newest_group_of_pictures_and_drops_the_past() {
        let mut all = vec![metadata(0), video_header(0)];
        // A keyframe each 4 s, a picture each second, for 20 s.
        all.extend((0..20).map(|second| {
            let at = second * 1_000;
            if second % 4 == 0 { key(at) } else { inter(at) }
        }));
        let ring = ring(all);
        assert_eq!(ring.keyframe(), Some(2 + 16));
        assert_eq!(ring.head(), 22);
        assert_eq!(
            ring.get(ring.first()).map(|one| one.timestamp),
            Some(13_000)
        );
        let kept: Vec<u32> = ring.prelude().map(|one| one.timestamp).collect();
        assert_eq!(kept, [0, 0]);
        assert_eq!(ring.kept_before(1).count(), 1);
    }

    #[test]
    fn a_header_that_came_after_the_keyframe_does_not_replace_the_one_that_it_needs() {
        let times = |ring: &Ring| -> Vec<u32> { ring.prelude().map(|one| one.timestamp).collect() };
        let mut ring = ring([video_header(1), key(2), inter(3), video_header(4)]);
        assert_eq!(times(&ring), [1]);
        ring.append(Arc::new(key(5)));
        assert_eq!(times(&ring), [4]);
    }

    #[test]
    fn headers_are_kept_for_each_track() {
        let video = |at, body: &[u8]| {
            let message = Message::new(MessageKind::Video, at, 1, body.to_vec());
            Entry::new(&message, Duration::from_millis(at.into()))
        };
        let both = b"\x96\x10hvc1\x00\0\0\x01a\x01\0\0\x01b";
        let ring = ring([
            video(1, b"\x90hvc1a"),
            video(2, b"\x96\x00av01\x01b"),
            // For both: neither of the former is needed any more.
            video(3, both),
            video(4, b"\xd4hvc1color"),
            // For one of them: the one for both still is.
            video(5, b"\x96\x00hvc1\x00c"),
            video(6, b"\x96\x00zzz9\x02d"),
        ]);
        let kept: Vec<u32> = ring.kept_before(9).map(|one| one.timestamp).collect();
        assert_eq!(kept, [3, 5, 6, 4]);
    }

    #[test]
    fn headers_without_end_are_not_kept() {
        let ring = ring((0..=255).map(|track| {
            let body = [b"\x96\x00hvc1", &[track][..], &[0; 8_000]].concat();
            let message = Message::new(MessageKind::Video, 0, 1, body);
            Entry::new(&message, Duration::ZERO)
        }));
        let size: usize = ring.kept_before(256).map(|one| one.size()).sum();
        assert!((1..=MAX_KEPT_IN_ALL).contains(&size), "{size}");
    }

    #[test]
    fn a_keyframe_too_long_ago_falls_out() {
        let ring = ring((0..40).map(|second| {
            let at = second * 1_000;
            if second == 0 { key(at) } else { inter(at) }
        }));
        assert_eq!(ring.keyframe(), None);
        assert!(ring.has_video());
        assert_eq!(
            ring.get(ring.first()).map(|one| one.timestamp),
            Some(33_000)
        );
    }

    proptest! {
        #[test]
        fn memory_and_followers_stay_in_bounds(
            steps in prop::collection::vec((0u8..4, 0u32..3_000, any::<bool>()), 1..200)
        ) {
            let bounds = Bounds { bytes: 4_000, ..Bounds::default() };
            let (mut ring, mut follower) = (Ring::new(bounds), Ring::new(bounds));
            let mut at = 0;
            for (kind, step, follows) in steps {
                at += step;
                let entry = match kind {
                    0 => key(at),
                    1 => inter(at),
                    2 => audio(at),
                    _ => video_header(at),
                };
                ring.append(Arc::new(entry));
                prop_assert!(ring.is_whole());
                prop_assert!(ring.size() <= 4_000 || ring.entries.len() == 1);
                if follows {
                    follower.follow(&ring);
                    prop_assert_eq!(follower.head(), ring.head());
                    prop_assert_eq!(follower.first(), ring.first());
                    prop_assert_eq!(follower.keyframe(), ring.keyframe());
                    prop_assert_eq!(follower.kept_before(u64::MAX).count(), ring.kept_before(u64::MAX).count());
                }
            }
        }
    }
}
