//! One stream made of what several servers bring, one after another.
//!
//! Messages of the server that is taken go in; what goes on to the viewers comes out, its timestamps
//! rising by the steps they were sent with. Where the next server brings the very same frames they
//! are found by their content, and the stream goes on after the last one that went out: nothing is
//! lost and nothing shown twice. Where it does not, the stream goes on at that server's newest
//! keyframe, and pictures wait for one where there is none (laws.md, 3.7).
//!
//! It does not know servers: it is told when another one is taken.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use rtmp::Message;

use super::kept::{Kept, is_media};
use crate::media::{self, Slot, Track};

/// Frames that went out and are remembered: chosen, because two servers that get the same stream are
/// rarely further apart than the 3 s that these last.
const REMEMBERED: usize = 256;
/// Bytes at a frame's begin and end by which it is known again; with its length they tell apart any
/// two frames of a stream.
const MARK: usize = 128;
/// Frames that must be found again before two servers are taken to bring the same stream.
const ENOUGH: usize = 3;
/// A server that is further behind than this is not waited for: its frames are shown again instead.
/// Chosen, because viewers are promised a gap of less than 500 ms.
const BEHIND: u32 = 300;
/// How much further than the time that has passed another server's timestamps may be for the stream
/// to be the same one.
const AHEAD: u32 = 2_000;
/// Headers that are known: as many as a ring keeps.
const MAX_HEADERS: usize = 16;

/// Where a stream stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Splice {
    /// Added to the timestamps of the server that is taken.
    offset: u32,
    /// The newest frame's time in the stream, and when it came.
    newest: Option<(u32, Duration)>,
    /// The newest time of pictures and of sound.
    tracks: [Option<u32>; 2],
    /// The last step from one picture to the next, or from one sound to the next.
    step: u32,
    remembers: bool,
    sent: VecDeque<(u64, u32)>,
    headers: Vec<(Slot, Bytes)>,
    turn: Turn,
}

/// What is still to be done since another server was taken.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Its first frame tells where its time stands.
    places: bool,
    /// What it says before its first frame, and was said before, is not repeated.
    headers: bool,
    /// Pictures are of no use before its next keyframe.
    keyframe: bool,
    /// What went out already, of pictures and of sound, is passed over.
    catches_up: [bool; 2],
}

impl Splice {
    /// Whether frames are to be known again: there is another server that could bring them.
    pub(super) fn remember(&mut self, remembers: bool) {
        self.remembers = remembers;
        if !remembers {
            self.sent.clear();
        }
    }

    /// Another server is taken: what goes out at once of what was kept of it.
    pub(super) fn turn(&mut self, kept: &Kept, now: Duration) -> Vec<Message> {
        let mut out = Vec::new();
        let begins = self.newest.is_none();
        let matched = self.matching(kept);
        self.turn = Turn {
            places: !begins && matched.is_none(),
            headers: !begins,
            keyframe: !begins && matched.is_none() && self.tracks[0].is_some(),
            catches_up: [matched.is_some(); 2],
        };
        for header in kept.headers() {
            out.extend(self.pass(header.clone(), now));
        }
        if let Some(offset) = matched {
            self.offset = offset;
            for frame in kept.frames() {
                out.extend(self.pass(frame.message.clone(), now));
            }
            return out;
        }
        if !begins {
            self.place(kept, now);
        }
        for frame in kept.newest() {
            out.extend(self.pass(frame.message.clone(), now));
        }
        out
    }

    /// Where the time of a server stands whose frames are those that went out, by what most of them
    /// say.
    fn matching(&self, kept: &Kept) -> Option<u32> {
        let (newest, _) = self.newest?;
        let mut sent: HashMap<u64, Option<u32>> = HashMap::with_capacity(self.sent.len());
        for (mark, at) in &self.sent {
            // What went out twice, such as silence, tells nothing.
            sent.entry(*mark)
                .and_modify(|known| *known = None)
                .or_insert(Some(*at));
        }
        let mut votes: HashMap<u32, usize> = HashMap::new();
        let mut last = None;
        for frame in kept.frames().filter(|frame| is_media(&frame.look)) {
            let timestamp = frame.message.timestamp;
            last = Some(timestamp);
            if let Some(Some(at)) = sent.get(&mark(&frame.message)) {
                *votes.entry(at.wrapping_sub(timestamp)).or_default() += 1;
            }
        }
        let all: usize = votes.values().sum();
        let (offset, found) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        let behind = newest.wrapping_sub(last?.wrapping_add(offset));
        let near = behind <= BEHIND || behind > u32::MAX / 2;
        (found >= ENOUGH && found * 2 > all && near).then_some(offset)
    }

    /// Places what is kept of a server behind what went out.
    fn place(&mut self, kept: &Kept, now: Duration) {
        let times = kept
            .newest()
            .filter(|frame| is_media(&frame.look))
            .map(|frame| frame.message.timestamp);
        let lowest = times.reduce(|low, next| if rises(low, next) { low } else { next });
        if let Some(lowest) = lowest {
            self.place_at(lowest, now);
        }
    }

    fn place_at(&mut self, lowest: u32, now: Duration) {
        let Some((newest, at)) = self.newest else {
            return;
        };
        self.turn.places = false;
        let passed = u32::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u32::MAX);
        let ahead = lowest.wrapping_add(self.offset).wrapping_sub(newest);
        if ahead == 0 || ahead > passed.saturating_add(AHEAD) {
            let next = newest.wrapping_add(passed.max(self.step).max(1));
            self.offset = next.wrapping_sub(lowest);
        }
    }

    /// A message of the server that is taken: what of it goes on.
    pub(super) fn pass(&mut self, mut message: Message, now: Duration) -> Option<Message> {
        let look = media::look(&message);
        if let Some(slot) = look.slot {
            return self.pass_header(slot, message);
        }
        let track = match look.track {
            Track::Video => 0,
            Track::Audio => 1,
            Track::Data => {
                message.timestamp = match self.newest {
                    Some((newest, _)) if self.turn.places => newest,
                    Some(_) | None => message.timestamp.wrapping_add(self.offset),
                };
                return Some(message);
            }
        };
        if self.turn.keyframe && track == 0 {
            if !look.keyframe {
                return None;
            }
            self.turn.keyframe = false;
        }
        if self.turn.places {
            self.place_at(message.timestamp, now);
        }
        let placed = message.timestamp.wrapping_add(self.offset);
        let known = self.tracks[track];
        if self.turn.catches_up[track] {
            if known.is_some_and(|known| !rises(known, placed)) {
                return None;
            }
            self.turn.catches_up[track] = false;
        }
        self.turn.headers = false;
        if let Some(known) = known.filter(|known| rises(*known, placed)) {
            // Pictures set the pace where there are any.
            if track == 0 || self.tracks[0].is_none() {
                self.step = placed.wrapping_sub(known);
            }
        }
        self.tracks[track] = Some(placed);
        if self.newest.is_none_or(|(newest, _)| rises(newest, placed)) {
            self.newest = Some((placed, now));
        }
        if self.remembers {
            if self.sent.len() >= REMEMBERED {
                self.sent.pop_front();
            }
            self.sent.push_back((mark(&message), placed));
        }
        message.timestamp = placed;
        Some(message)
    }

    fn pass_header(&mut self, slot: Slot, mut message: Message) -> Option<Message> {
        let room = self.headers.len() < MAX_HEADERS;
        match self.headers.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) if self.turn.headers && *known == message.payload => return None,
            Some((_, known)) => known.clone_from(&message.payload),
            None if room => self.headers.push((slot, message.payload.clone())),
            None => {}
        }
        message.timestamp = match self.newest {
            Some((newest, _)) if self.turn.headers => newest,
            Some(_) | None => message.timestamp.wrapping_add(self.offset),
        };
        Some(message)
    }
}

/// Whether a time lies behind another one, or is at most half of all times back.
fn rises(from: u32, to: u32) -> bool {
    let step = to.wrapping_sub(from);
    step != 0 && step < u32::MAX / 2
}

/// By what a frame is known again.
fn mark(message: &Message) -> u64 {
    let payload = &message.payload;
    let mut hasher = DefaultHasher::new();
    message.kind.hash(&mut hasher);
    payload.len().hash(&mut hasher);
    payload[..payload.len().min(MARK)].hash(&mut hasher);
    payload[payload.len().saturating_sub(MARK)..].hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{audio, inter, key, moved, video_header};
    use super::*;

    fn ms(ms: u32) -> Duration {
        Duration::from_millis(ms.into())
    }

    /// Half a minute of pictures each 40 ms, a keyframe each second, sound each 20 ms.
    fn content(from: u32, to: u32) -> impl Iterator<Item = Message> {
        (from / 20..to / 20).flat_map(|at| {
            let at = at * 20;
            let picture = match at {
                _ if at % 1_000 == 0 => Some(key(at)),
                _ if at % 40 == 0 => Some(inter(at)),
                _ => None,
            };
            picture.into_iter().chain([audio(at)])
        })
    }

    fn begun(until: u32) -> Splice {
        let mut splice = Splice::default();
        splice.remember(true);
        splice.pass(video_header(1), ms(0));
        for message in content(0, until) {
            let at = message.timestamp;
            assert_eq!(splice.pass(message.clone(), ms(at)), Some(message));
        }
        splice
    }

    fn kept(messages: impl Iterator<Item = Message>) -> Kept {
        let mut kept = Kept::default();
        for message in messages {
            kept.push(message, ms(0));
        }
        kept
    }

    /// Times of pictures and of sound, each of which must rise.
    fn times(messages: &[Message]) -> Vec<u32> {
        messages.iter().map(|one| one.timestamp).collect()
    }

    #[test]
    fn the_same_frames_from_another_server_go_on_after_the_last_one() {
        for (shift, until) in [
            (0, 3_500),
            (70_000, 3_500),
            (0, 3_100),
            (u32::MAX - 900, 3_500),
        ] {
            let mut splice = begun(3_200);
            let other = [video_header(1)]
                .into_iter()
                .chain(content(1_000, until).map(|one| moved(one, shift)));
            let mut out = splice.turn(&kept(other), ms(3_201));
            for message in content(until, 4_000) {
                out.extend(splice.pass(moved(message, shift), ms(3_600)));
            }
            let expected: Vec<Message> = content(3_200, 4_000).collect();
            assert_eq!(out, expected, "{shift} {until}");
        }
    }

    #[test]
    fn another_stream_goes_on_at_its_newest_keyframe_with_headers_that_changed() {
        let mut splice = begun(3_200);
        let other = [video_header(2)]
            .into_iter()
            .chain(content(90_000, 91_500).map(|one| moved(one, 500_000)));
        let out = splice.turn(&kept(other), ms(3_700));
        assert_eq!(out[0].payload, video_header(2).payload);
        assert_eq!(out[1].payload, key(91_000).payload);
        assert_eq!(out.len(), 1 + content(91_000, 91_500).count());
        // The newest was at 3180, half a second before.
        assert_eq!(times(&out)[..4], [3_180, 3_700, 3_700, 3_720]);
        assert!(times(&out).is_sorted());
    }

    #[test]
    fn pictures_wait_for_a_keyframe_and_sound_goes_on() {
        let mut splice = begun(3_200);
        let first = kept([moved(audio(500), 9_000_000)].into_iter());
        let mut out = splice.turn(&first, ms(3_210));
        for message in content(520, 1_200) {
            out.extend(splice.pass(moved(message, 9_000_000), ms(3_300)));
        }
        let pictures: Vec<Bytes> = out
            .iter()
            .filter(|one| media::look(one).track == Track::Video)
            .map(|one| one.payload.clone())
            .collect();
        assert_eq!(pictures[0], key(1_000).payload);
        assert_eq!(out.len() - pictures.len(), (1_200 - 500) / 20);
        assert!(times(&out).is_sorted());
        // One step after the last picture.
        assert_eq!(out[0].timestamp, 3_220);
    }

    #[test]
    fn headers_that_did_not_change_are_not_said_again_and_the_first_frame_tells_the_time() {
        let mut splice = begun(3_200);
        let mut out = splice.turn(&kept([video_header(1)].into_iter()), ms(3_300));
        assert!(out.is_empty());
        // The same stream after a short outage: its time goes on as it was sent.
        out.extend(splice.pass(key(4_000), ms(4_010)));
        out.extend(splice.pass(video_header(1), ms(4_010)));
        assert_eq!(times(&out), [4_000, 0]);
    }

    #[test]
    fn a_server_that_is_far_behind_shows_its_frames_again() {
        let mut splice = begun(3_200);
        let out = splice.turn(&kept(content(1_000, 2_500)), ms(3_201));
        assert_eq!(out[0].payload, key(2_000).payload);
        assert_eq!(out[0].timestamp, 3_220);
        assert!(times(&out).is_sorted());
    }
}
