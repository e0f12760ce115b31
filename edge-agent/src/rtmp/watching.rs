//! A client that watches a recorded stream: what is stored is looked up, compared or fetched, then
//! the client takes a seat at it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contract::counts::Outcome;
use contract::reason::Reason;
use contract::route::{CacheSettings, StreamMode};
use edge_core::live::Wants;
use edge_core::recorded::{Place, Player};
use edge_core::session::{Output, Part, PlayerWish, Wanted};
use rtmp::server::PlayFrom;
use tokio::time::timeout;

use super::Plane;
use super::driver::{Driver, joined};
use super::relay::Fetcher;
use super::roles::Role;
use super::way::{Way, target};
use crate::clock::now_ms;
use crate::recorded::{
    Fetch, Found, Over, Recording, RecordingKey, Recordings, Seat, SeatHandle, Standing, Step,
    Told, Watch,
};

/// How long all may take that comes before a player is told that it begins (laws.md, 5.3).
const PATIENCE: Duration = Duration::from_secs(9);

/// What a player may ask for before it is told that it begins; chosen, because players say what
/// they buffer and no more.
const MAX_WISHES: usize = 16;

/// A recording that is being opened for a client.
pub(super) struct Opening {
    wishes: Vec<PlayerWish>,
    work: Pin<Box<dyn Future<Output = Result<Opened, Reason>> + Send>>,
}

/// A recording that was opened.
pub(super) struct Opened {
    recording: Arc<Recording>,
    watch: Watch,
    player: Player,
    fetch: Arc<dyn Fetch>,
    way: Way,
    bypass: bool,
}

/// A client that watches a recording.
pub(super) struct Watching {
    pub(super) seat: SeatHandle,
    recording: Arc<Recording>,
}

impl Opening {
    pub(super) async fn next(&mut self) -> Result<Opened, Reason> {
        (&mut self.work).await
    }
}

/// What a player that waited for a live stream asked for, as it asks it of a recorded one.
fn wishes(wants: &Wants) -> Vec<PlayerWish> {
    let paused = wants.paused.then_some(PlayerWish::Pause {
        paused: true,
        position_ms: 0,
    });
    let audio = (!wants.audio).then_some(PlayerWish::Audio(false));
    let video = (!wants.video).then_some(PlayerWish::Video(false));
    paused.into_iter().chain(audio).chain(video).collect()
}

/// Whether what a player asks for is a recorded stream from the start.
pub(super) fn is_recorded(mode: StreamMode, from: PlayFrom) -> bool {
    match (mode, from) {
        (StreamMode::Recorded, _) | (StreamMode::Ask, PlayFrom::At { .. }) => true,
        (StreamMode::Ask, PlayFrom::Live | PlayFrom::LiveOrRecorded)
        | (StreamMode::Live | StreamMode::Tunnel, _) => false,
    }
}

/// Whether a player that finds no live stream is given a recorded one.
pub(super) fn falls_back(mode: StreamMode, from: PlayFrom) -> bool {
    mode == StreamMode::Ask && from == PlayFrom::LiveOrRecorded
}

/// What a route lets be stored of one recording; nothing where it stores none.
fn most(cache: &CacheSettings) -> Option<u64> {
    match cache.max_object_bytes {
        _ if !cache.enabled => None,
        0 => None,
        most => Some(u64::try_from(most).unwrap_or(u64::MAX)),
    }
}

impl Driver {
    /// Begins to open a recording for a client, which asked for this meanwhile.
    pub(super) fn open_recorded(&mut self, stream_id: u32, way: Way, part: Part, wants: &Wants) {
        let Some(key) = way.recording_key() else {
            self.session.play_failed(stream_id, Reason::Destination);
            return;
        };
        self.record
            .update(|record| record.next_hop = Some(target(key.next)));
        let work = open(self.plane.clone(), key, way, part);
        let work = async move {
            let opened = timeout(PATIENCE, work).await;
            opened.unwrap_or(Err(Reason::OriginUnreachable))
        };
        let work = Box::pin(work);
        let opening = Opening {
            wishes: wishes(wants),
            work,
        };
        self.roles.put(stream_id, Role::Opening(opening));
    }

    /// A recording was opened, or cannot be had.
    pub(super) async fn opened(&mut self, stream_id: u32, opened: Result<Opened, Reason>) {
        let wishes = match self.roles.take(stream_id) {
            Some(Role::Opening(opening)) => opening.wishes,
            Some(
                Role::Waiting(_)
                | Role::Playing(_)
                | Role::Watching(_)
                | Role::Claiming(_)
                | Role::Publishing(_),
            )
            | None => Vec::new(),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(reason) => return self.session.play_failed(stream_id, reason),
        };
        // The socket is for one worker alone.
        if self.roles.playing().is_some() || self.roles.watching().is_some() {
            return self.session.play_failed(stream_id, Reason::LimitReached);
        }
        self.session.play_started(stream_id, true);
        self.gather();
        let seat = Seat {
            socket: Arc::clone(&self.socket),
            record: self.record.clone(),
            counts: self.plane.context.totals.route(opened.way.route()),
            bypass: opened.bypass,
            clock: self.plane.context.clock,
            stream_id,
            recording: Arc::clone(&opened.recording),
            watch: opened.watch,
            player: opened.player,
            fetch: opened.fetch,
        };
        let watching = Watching {
            seat: seat.take(joined(std::mem::take(&mut self.out))),
            recording: opened.recording,
        };
        self.roles
            .put(stream_id, Role::Watching(Box::new(watching)));
        for wish in wishes {
            self.recorded_wish(stream_id, wish).await;
        }
    }

    /// Takes what is to be said now; what else came with the same bytes is done afterwards.
    pub(super) fn gather(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => self.out.push(bytes),
                later @ (Output::Changed
                | Output::Subscribe(..)
                | Output::Refused(_)
                | Output::Unsubscribe { .. }
                | Output::Player { .. }
                | Output::Length { .. }
                | Output::Ask(_)
                | Output::Publish(..)
                | Output::Media(_)
                | Output::Unpublish { .. }
                | Output::Tunnel(_)
                | Output::Forward(_)
                | Output::Alive
                | Output::Close(_)) => self.later.push_back(later),
            }
        }
    }

    /// Something that the viewer of a recording asks for. True where the client is one.
    pub(super) async fn recorded_wish(&mut self, stream_id: u32, wish: PlayerWish) -> bool {
        if let Some(Role::Opening(opening)) = self.roles.get_mut(stream_id) {
            if opening.wishes.len() < MAX_WISHES {
                opening.wishes.push(wish);
            }
            return true;
        }
        let Some(Role::Watching(watching)) = self.roles.get(stream_id) else {
            return false;
        };
        if let PlayerWish::Seek { position_ms } = wish {
            let length = watching.recording.length_ms();
            if length.is_some_and(|length| position_ms > length) {
                self.session.seek_failed(stream_id);
                return true;
            }
            // What it is told goes before what it is sent from there.
            self.session.sought(stream_id);
            self.gather();
        }
        let out = std::mem::take(&mut self.out);
        if let Some(Role::Watching(watching)) = self.roles.get(stream_id) {
            if !out.is_empty() {
                watching.seat.command(joined(out)).await;
            }
            watching.seat.wish(wish).await;
        }
        true
    }

    /// A seat has something to tell its client.
    pub(super) async fn recorded_told(&mut self, stream_id: u32, told: Told) {
        match told {
            Told::Complete => self.session.play_complete(stream_id),
            Told::Failed(reason) => {
                self.leave(stream_id, None).await;
                self.session.stream_ended(stream_id, reason);
            }
            Told::Over => {
                if let Some(Role::Watching(mut watching)) = self.roles.take(stream_id) {
                    let over = watching.seat.over().await;
                    self.ended_by_worker(stream_id, over.reason, over.sent);
                }
            }
        }
    }

    /// The viewer of a recording leaves it.
    pub(super) async fn leave_recording(&mut self, mut watching: Box<Watching>) {
        let Over { rest, sent, .. } = watching.seat.leave().await;
        self.session.sent_past(sent);
        self.out.splice(0..0, rest);
    }

    /// Says how long a stream is, if it is a recorded one that is known.
    pub(super) async fn length(&mut self, transaction: f64, wanted: Wanted) {
        let settings = self.plane.settings();
        let snapshot = settings.snapshot.as_deref();
        let way =
            snapshot.and_then(|snapshot| Way::new(wanted, &self.session, &self.record, snapshot));
        let Some(way) =
            way.filter(|way| matches!(way.mode, StreamMode::Recorded | StreamMode::Ask))
        else {
            return;
        };
        let Some(key) = way.recording_key() else {
            return;
        };
        let length = self.plane.context.recordings.length_ms(&key).await;
        if let Some(length_ms) = length {
            let seconds = f64::from(length_ms) / 1_000.0;
            self.session.length_known(transaction, seconds);
        }
    }
}

/// Looks up, compares or fetches until the first picture is at hand.
async fn open(plane: Plane, key: RecordingKey, way: Way, part: Part) -> Result<Opened, Reason> {
    let recordings = plane.context.recordings.clone();
    let counts = plane.context.totals.route(way.route());
    let ttl_ms = u64::from(way.cache.default_ttl_ms);
    let most = most(&way.cache);
    let fetch: Arc<dyn Fetch> = Arc::new(Fetcher {
        plane,
        way: way.clone(),
    });
    let (recording, compared) = match most {
        None => (recordings.private(&key), Outcome::Bypass),
        Some(most) => fresh(&recordings, &key, most, ttl_ms, &*fetch).await?,
    };
    let start = match part.from {
        PlayFrom::At { position_ms } => position_ms as u32,
        PlayFrom::Live | PlayFrom::LiveOrRecorded => 0,
    };
    let watch = recording.watch(start);
    let mut player = Player::new(start, part.duration_ms);
    if let Some(length_ms) = part.buffer_ms {
        player.buffers(length_ms);
    }
    let settled = settle(&recording, start, &*fetch).await;
    let outcome = match (compared, &settled) {
        (Outcome::Bypass, _) => Outcome::Bypass,
        (compared, Ok(Outcome::Hit)) => compared,
        (_, Ok(other)) => *other,
        (_, Err(_)) => Outcome::Miss,
    };
    counts.count(outcome);
    settled?;
    Ok(Opened {
        recording,
        watch,
        player,
        fetch,
        way,
        bypass: most.is_none(),
    })
}

/// A recording of which what is stored may be served, and how that is known.
async fn fresh(
    recordings: &Recordings,
    key: &RecordingKey,
    most: u64,
    ttl_ms: u64,
    fetch: &dyn Fetch,
) -> Result<(Arc<Recording>, Outcome), Reason> {
    let recording = recordings.open(key, most).await;
    match recording.standing(ttl_ms, now_ms()) {
        Standing::Fresh | Standing::Unknown => return Ok((recording, Outcome::Hit)),
        Standing::Stale(comparison) => fetch.compare(comparison),
        Standing::Compared => {}
    }
    match recording.compared().await {
        Found::Same => Ok((recording, Outcome::Revalidated)),
        Found::Unreachable => Ok((recording, Outcome::Stale)),
        Found::Other => {
            recordings.drop_out(&recording);
            Ok((recordings.open(key, most).await, Outcome::Hit))
        }
        Found::Refused(reason) => {
            recordings.drop_out(&recording);
            Err(reason)
        }
    }
}

/// Waits until there is something to send from a place on, and says how it was come by.
async fn settle(
    recording: &Arc<Recording>,
    start: u32,
    fetch: &dyn Fetch,
) -> Result<Outcome, Reason> {
    let mut changes = recording.changes();
    let mut place = Place::Seek(start);
    let (mut outcome, mut waited) = (Outcome::Hit, None);
    loop {
        changes.mark_unchanged();
        match recording.step(place, waited) {
            Step::Resolved(from) => {
                place = Place::In { from, next: 0 };
                continue;
            }
            Step::Read(note, part) => {
                // What cannot be read any more is a hole at the next step.
                if recording.read(note, part).await.is_none() {
                    continue;
                }
                return Ok(outcome);
            }
            Step::Growing(items) if items.is_empty() => {}
            Step::Growing(_) if outcome == Outcome::Hit => return Ok(Outcome::Joined),
            Step::Piece(_) | Step::Growing(_) | Step::End => return Ok(outcome),
            Step::Wait(fill) => {
                waited = Some(fill);
                if outcome == Outcome::Hit {
                    outcome = Outcome::Joined;
                }
            }
            Step::Start(fill) => {
                (waited, outcome) = (Some(fill.id()), Outcome::Miss);
                fetch.fetch(fill);
            }
            Step::Failed(reason) => return Err(reason),
        }
        // The sender lives as long as the recording.
        let _ = changes.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_and_a_player_say_together_whether_a_recording_is_meant() {
        let at = PlayFrom::At { position_ms: 0.0 };
        for (mode, from, recorded, fallback) in [
            (StreamMode::Live, at, false, false),
            (StreamMode::Recorded, PlayFrom::Live, true, false),
            (StreamMode::Recorded, PlayFrom::LiveOrRecorded, true, false),
            (StreamMode::Ask, at, true, false),
            (StreamMode::Ask, PlayFrom::LiveOrRecorded, false, true),
            (StreamMode::Ask, PlayFrom::Live, false, false),
            (StreamMode::Tunnel, at, false, false),
        ] {
            assert_eq!(is_recorded(mode, from), recorded, "{mode:?} {from:?}");
            assert_eq!(falls_back(mode, from), fallback, "{mode:?} {from:?}");
        }
    }

    #[test]
    fn what_was_asked_of_a_live_stream_is_asked_of_the_recorded_one() {
        let check = |audio, video, paused, expected: &[PlayerWish]| {
            let wants = Wants {
                audio,
                video,
                paused,
            };
            assert_eq!(wishes(&wants), expected);
        };
        let pause = PlayerWish::Pause {
            paused: true,
            position_ms: 0,
        };
        check(true, true, false, &[]);
        check(false, true, true, &[pause, PlayerWish::Audio(false)]);
        check(true, false, false, &[PlayerWish::Video(false)]);
    }

    #[test]
    fn a_route_says_what_may_be_stored() {
        let check = |enabled, max_object_bytes, expected| {
            let cache = CacheSettings {
                enabled,
                max_object_bytes,
                ..CacheSettings::default()
            };
            assert_eq!(most(&cache), expected);
        };
        check(true, 10, Some(10));
        check(true, -1, Some(u64::MAX));
        check(true, 0, None);
        check(false, 10, None);
    }
}
