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

use super::kept::{Headers, Kept, is_media};
use crate::live::AHEAD;
use crate::media::{Lead, Look, Slot, Track};

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
/// Data messages that went out and are remembered. Chosen, because only those beside the newest frame
/// are asked for.
const SAID: usize = 64;

/// One of a stream's tracks: pictures or sound, and its number.
type TrackId = (Track, u8);

/// Where a stream stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Splice {
    /// Added to the timestamps of the server that is taken.
    offset: u32,
    /// The newest frame's time in the stream, and when it came.
    newest: Option<(u32, Duration)>,
    /// The newest time of each track: no more than there are numbers for.
    tracks: HashMap<TrackId, u32>,
    lead: Lead,
    /// The last step from one picture to the next, or from one sound to the next.
    step: u32,
    remembers: bool,
    sent: VecDeque<(u64, u32)>,
    said: VecDeque<(u64, u32)>,
    headers: Headers<Bytes>,
    turn: Turn,
}

/// What is still to be done since another server was taken.
#[derive(Debug, Clone, Default)]
struct Turn {
    /// Its first frame tells where its time stands.
    places: bool,
    /// What it says before its first frame, and was said before, is not repeated.
    headers: bool,
    /// Pictures are of no use before its next keyframe.
    keyframe: bool,
    /// The tracks of which it brings again what went out already, which is passed over.
    catches_up: Vec<TrackId>,
    /// As long as none of its frames went out: data before this time went out already.
    data_after: Option<u32>,
}

impl Splice {
    /// Whether frames are to be known again: there is another server that could bring them.
    pub(super) fn remember(&mut self, remembers: bool) {
        self.remembers = remembers;
        if !remembers {
            self.sent.clear();
            self.said.clear();
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
            keyframe: !begins && matched.is_none() && self.has_pictures(),
            catches_up: matched
                .map(|_| self.tracks.keys().copied().collect())
                .unwrap_or_default(),
            data_after: matched.and(self.newest).map(|(newest, _)| newest),
        };
        self.lead = kept.lead().clone();
        for (header, look) in kept.headers() {
            out.extend(self.go_on(header.clone(), *look, now));
        }
        if let Some(offset) = matched {
            self.offset = offset;
            for frame in kept.frames() {
                out.extend(self.go_on(frame.message.clone(), frame.look, now));
            }
            return out;
        }
        if !begins {
            self.place(kept, now);
        }
        for frame in kept.newest() {
            out.extend(self.go_on(frame.message.clone(), frame.look, now));
        }
        out
    }

    fn has_pictures(&self) -> bool {
        self.tracks.keys().any(|(track, _)| *track == Track::Video)
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
    pub(super) fn pass(&mut self, message: Message, now: Duration) -> Option<Message> {
        let look = self.lead.look(&message);
        self.go_on(message, look, now)
    }

    fn go_on(&mut self, message: Message, look: Look, now: Duration) -> Option<Message> {
        match (look.slot, look.track) {
            (Some(slot), _) => self.pass_header(slot, &look, message),
            (None, Track::Data) => self.pass_data(message),
            (None, Track::Video) if self.turn.keyframe && !look.keyframe => None,
            (None, Track::Video | Track::Audio) => self.pass_frame(message, &look, now),
        }
    }

    fn pass_frame(&mut self, mut message: Message, look: &Look, now: Duration) -> Option<Message> {
        let track = (look.track, look.tracks.lowest().unwrap_or_default());
        if look.track == Track::Video {
            self.turn.keyframe = false;
        }
        if self.turn.places {
            self.place_at(message.timestamp, now);
        }
        let placed = message.timestamp.wrapping_add(self.offset);
        let known = self.tracks.get(&track).copied();
        if self.turn.catches_up.contains(&track) {
            if known.is_some_and(|known| !rises(known, placed)) {
                return None;
            }
            self.turn.catches_up.retain(|one| *one != track);
        }
        self.turn.headers = false;
        self.turn.data_after = None;
        if let Some(known) = known.filter(|known| rises(*known, placed)) {
            // Pictures set the pace where there are any.
            if look.track == Track::Video || !self.has_pictures() {
                self.step = placed.wrapping_sub(known);
            }
        }
        self.tracks.insert(track, placed);
        if self.newest.is_none_or(|(newest, _)| rises(newest, placed)) {
            self.newest = Some((placed, now));
        }
        if self.remembers {
            remember(&mut self.sent, REMEMBERED, (mark(&message), placed));
        }
        message.timestamp = placed;
        Some(message)
    }

    /// Data goes by its place: what stands before the first frame that goes out went out already.
    fn pass_data(&mut self, mut message: Message) -> Option<Message> {
        let placed = match self.newest {
            Some((newest, _)) if self.turn.places => newest,
            Some(_) | None => message.timestamp.wrapping_add(self.offset),
        };
        if self.remembers {
            let known = (mark(&message), placed);
            if let Some(after) = self.turn.data_after {
                let before = placed != after && !rises(after, placed);
                if before || self.said.contains(&known) {
                    return None;
                }
            }
            remember(&mut self.said, SAID, known);
        }
        message.timestamp = placed;
        Some(message)
    }

    fn pass_header(&mut self, slot: Slot, look: &Look, mut message: Message) -> Option<Message> {
        let known = self.headers.get(slot, &look.tracks);
        if self.turn.headers && known.is_some_and(|known| *known == message.payload) {
            return None;
        }
        self.headers
            .put(slot, look.tracks, message.payload.clone(), Bytes::len);
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

/// Remembers one more, so many at most.
fn remember(all: &mut VecDeque<(u64, u32)>, most: usize, one: (u64, u32)) {
    if all.len() >= most {
        all.pop_front();
    }
    all.push_back(one);
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
    use rtmp::{MessageKind, data};

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

    /// A cue point a second, and two at the cut.
    fn with_cues(messages: impl Iterator<Item = Message>) -> impl Iterator<Item = Message> {
        messages.flat_map(|message| {
            let at = message.timestamp;
            let cue = (at % 1_000 == 20 || at == 3_180) && message.kind == MessageKind::Audio;
            let values = ["onCuePoint".into(), f64::from(at).into()];
            [message]
                .into_iter()
                .chain(cue.then(|| data::message(1, at, &values)))
        })
    }

    #[test]
    fn data_go_on_by_their_place_and_come_once() {
        for until in [3_100, 3_200, 3_500] {
            let mut splice = Splice::default();
            splice.remember(true);
            let mut out: Vec<Message> = with_cues(content(0, 3_200))
                .filter_map(|message| {
                    let at = message.timestamp;
                    splice.pass(message, ms(at))
                })
                .collect();
            out.extend(splice.turn(&kept(with_cues(content(1_000, until))), ms(3_201)));
            for message in with_cues(content(until, 5_000)) {
                let at = message.timestamp;
                out.extend(splice.pass(message, ms(at.max(3_202))));
            }
            let expected: Vec<Message> = with_cues(content(0, 5_000)).collect();
            assert!(out == expected, "{until}: {} messages", out.len());
        }
    }

    /// A picture of one of two tracks.
    fn of_track(track: u8, key: bool, at: u32) -> Message {
        let first = if key { 0x96 } else { 0xa6 };
        let codec: &[u8] = if track == 0 { b"av01" } else { b"hvc1" };
        let mut payload = [&[first, 1], codec, &[track][..], &at.to_be_bytes()].concat();
        payload.resize(200, track);
        Message::new(MessageKind::Video, at, 1, payload)
    }

    fn settings_of_track(track: u8, settings: u8) -> Message {
        let codec: &[u8] = if track == 0 { b"av01" } else { b"hvc1" };
        let payload = [&[0x96, 0], codec, &[track, settings][..]].concat();
        Message::new(MessageKind::Video, 0, 1, payload)
    }

    fn two_tracks(from: u32, to: u32) -> impl Iterator<Item = Message> {
        let both = |at: u32| [0, 1].map(|track| of_track(track, at.is_multiple_of(1_000), at));
        (from / 40..to / 40).flat_map(move |at| both(at * 40))
    }

    #[test]
    fn tracks_go_on_each_for_itself() {
        let mut splice = Splice::default();
        splice.remember(true);
        let headers = |settings| [0, 1].map(|track| settings_of_track(track, settings));
        let mut begin: Vec<Message> = headers(1).into_iter().chain(two_tracks(0, 3_200)).collect();
        // The last picture of the second track did not come.
        begin.pop();
        for message in begin {
            let at = message.timestamp;
            assert!(splice.pass(message, ms(at)).is_some());
        }
        // The same stream: the missing one goes out first.
        let mut same = splice.clone();
        let other = headers(1).into_iter().chain(two_tracks(1_000, 3_400));
        let out = same.turn(&kept(other), ms(3_201));
        let expected: Vec<Message> = two_tracks(3_160, 3_400).skip(1).collect();
        assert_eq!(out, expected);
        // Another stream: both headers, then both tracks from a keyframe of the first one.
        let other = headers(2)
            .into_iter()
            .chain(two_tracks(90_000, 91_500).map(|one| moved(one, 500_000)));
        let out = splice.turn(&kept(other), ms(3_700));
        let payloads: Vec<Bytes> = out.iter().map(|one| one.payload.clone()).collect();
        let expected = headers(2).into_iter().chain(two_tracks(91_000, 91_500));
        let expected: Vec<Bytes> = expected.map(|one| one.payload).collect();
        assert_eq!(payloads, expected);
    }

    #[test]
    fn pictures_wait_for_a_keyframe_of_the_track_that_leads() {
        let mut splice = Splice::default();
        splice.remember(true);
        for message in two_tracks(0, 3_200) {
            splice.pass(message, ms(3_200));
        }
        let mut out = splice.turn(&kept(two_tracks(90_960, 91_000)), ms(3_300));
        out.extend(splice.pass(of_track(1, true, 90_980), ms(3_300)));
        out.extend(splice.pass(of_track(0, false, 90_990), ms(3_300)));
        assert!(out.is_empty(), "{out:?}");
        assert!(splice.pass(of_track(0, true, 91_000), ms(3_300)).is_some());
        assert!(splice.pass(of_track(1, true, 91_000), ms(3_300)).is_some());
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
            .filter(|one| one.kind == MessageKind::Video)
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
