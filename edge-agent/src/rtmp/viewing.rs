//! A client that plays: it waits for the stream, takes a seat with a worker, gives it up.

use std::time::Duration;

use contract::reason::Reason;
use edge_core::live::{Cursor, Form, Wants};
use edge_core::session::{Part, PlayerWish, Wanted};
use tokio::sync::watch;

use super::driver::{Driver, joined};
use super::mixing::Own;
use super::relay;
use super::roles::Role;
use super::watching;
use super::way::{Way, target};
use crate::control::Settings;
use crate::live::{Head, HubState, Seat, SeatHandle, Subscription};

/// How long a viewer may take to read what is left of a stream that ended.
const LAST_MEDIA: Duration = Duration::from_secs(5);

/// A viewer's hold on its stream.
pub(super) struct Stream {
    subscription: Subscription,
    state: watch::Receiver<HubState>,
}

impl Stream {
    /// Where its media are.
    pub(super) fn head(&self) -> &Head {
        self.subscription.hub().head()
    }

    /// How the stream stands, after it changed.
    pub(super) async fn changed(&mut self) -> HubState {
        // The hub, and so the sender, is held by the subscription.
        let _ = self.state.changed().await;
        *self.state.borrow_and_update()
    }
}

/// A client that waits for a stream.
pub(super) struct Waiting {
    pub(super) stream: Stream,
    /// When it is told that there is none.
    pub(super) until: Duration,
    /// What it is given then, where a recorded stream is meant too.
    otherwise: Option<Box<(Way, Part)>>,
    /// What it asked for meanwhile.
    wants: Wants,
    /// How long it wants to play.
    length: Option<Duration>,
}

impl Waiting {
    fn wish(&mut self, wish: PlayerWish) {
        match wish {
            PlayerWish::Pause { paused, .. } => self.wants.paused = paused,
            PlayerWish::Audio(wanted) => self.wants.audio = wanted,
            PlayerWish::Video(wanted) => self.wants.video = wanted,
            // A live stream is sent as it comes; a recorded one, if that is what it gets, as it asks.
            PlayerWish::Buffer { length_ms } => {
                if let Some(otherwise) = &mut self.otherwise {
                    otherwise.1.buffer_ms = Some(length_ms);
                }
            }
            // Of a live stream there is only now.
            PlayerWish::Seek { .. } => {}
        }
    }

    fn join(&self, stream_id: u32) -> Cursor {
        let mut cursor = self.stream.head().join(Form::viewer(stream_id));
        cursor.begin_with(self.wants);
        cursor
    }
}

/// A client that plays.
pub(super) struct Playing {
    pub(super) stream: Stream,
    pub(super) place: Place,
    /// When it has played for as long as it wanted to.
    pub(super) until: Option<Duration>,
}

/// Who writes to a player.
pub(super) enum Place {
    /// A worker of the stream, which has the socket for itself.
    Seat(SeatHandle),
    /// The session, for it plays several streams.
    Own(Box<Own>),
}

/// How long a player wants to play, where it says so. 0 would be one picture alone; players that
/// say it of a live stream mean all of it.
fn length(part: Part) -> Option<Duration> {
    let length_ms = part.duration_ms.filter(|length_ms| *length_ms > 0)?;
    Some(Duration::from_millis(length_ms.into()))
}

impl Driver {
    pub(super) async fn subscribe(&mut self, wanted: Box<Wanted>, part: Part) {
        let stream_id = wanted.stream_id;
        if let Some(now_is) = self.join(*wanted, part) {
            self.stream_is(stream_id, now_is).await;
        }
    }

    /// Joins the stream and says how it stands; `None` where there is no way to it, or where it is
    /// recorded.
    fn join(&mut self, wanted: Wanted, part: Part) -> Option<HubState> {
        let stream_id = wanted.stream_id;
        let settings = self.plane.settings();
        let snapshot = settings.snapshot.as_deref();
        let way =
            snapshot.and_then(|snapshot| Way::new(wanted, &self.session, &self.record, snapshot));
        let Some((way, key)) = way.and_then(|way| Some((way.clone(), way.key()?))) else {
            self.session.play_failed(stream_id, Reason::Destination);
            return None;
        };
        if watching::is_recorded(way.mode, part.from) {
            self.open_recorded(stream_id, way, part, &Wants::default());
            return None;
        }
        let otherwise = watching::falls_back(way.mode, part.from);
        let otherwise = otherwise.then(|| Box::new((way.clone(), part)));
        self.record
            .update(|record| record.next_hop = Some(target(key.next)));
        let (subscription, starts) = self.plane.live.subscribe(key);
        subscription.hub().head().set_gather_ms(way.live.gather_ms);
        let wait = Duration::from_millis(way.live.wait_ms.into());
        if let Some(pulling) = starts {
            relay::pull(&self.plane, pulling, way);
        }
        let mut state = subscription.hub().watch();
        let now_is = *state.borrow_and_update();
        let waiting = Waiting {
            stream: Stream {
                subscription,
                state,
            },
            until: self.plane.context.clock.now() + wait,
            otherwise,
            wants: Wants::default(),
            length: length(part),
        };
        self.roles.put(stream_id, Role::Waiting(waiting));
        Some(now_is)
    }

    /// The stream's state changed, or is looked at for the first time.
    pub(super) async fn stream_is(&mut self, stream_id: u32, state: HubState) {
        match (self.roles.get(stream_id), state) {
            (Some(Role::Waiting(_)), HubState::Live) => self.take_seat(stream_id).await,
            (Some(Role::Waiting(_)), HubState::Ended(reason)) => {
                self.waited_enough(stream_id, reason);
            }
            (Some(Role::Playing(_)), HubState::Ended(reason)) => {
                self.leave(stream_id, Some(LAST_MEDIA)).await;
                self.session.stream_ended(stream_id, reason);
            }
            (Some(Role::Waiting(_) | Role::Playing(_)), HubState::Waiting(_) | HubState::Live)
            | (
                Some(
                    Role::Opening(_) | Role::Watching(_) | Role::Claiming(_) | Role::Publishing(_),
                )
                | None,
                _,
            ) => {}
        }
    }

    /// The settings changed: the latency budget of its streams may be another.
    pub(super) fn gather_anew(&self, settings: &Settings) {
        for stream in self.roles.streams() {
            let hub = stream.subscription.hub();
            let mut routes = settings.snapshot.iter().flat_map(|one| &one.routes);
            if let Some(route) = routes.find(|route| route.id == hub.key().route) {
                hub.head().set_gather_ms(route.live.gather_ms);
            }
        }
    }

    /// It waited for as long as it may, or played for as long as it wanted to.
    pub(super) async fn time_is_up(&mut self, stream_id: u32) {
        if let Some(Role::Playing(_)) = self.roles.get(stream_id) {
            // Few players want that: what it takes stands in no other's future.
            Box::pin(self.leave(stream_id, Some(LAST_MEDIA))).await;
            self.session.stream_ended(stream_id, Reason::StreamEnded);
        } else {
            self.waited_enough(stream_id, Reason::StreamNotFound);
        }
    }

    /// Nobody published the stream in time, or it ended before it was there.
    pub(super) fn waited_enough(&mut self, stream_id: u32, why: Reason) {
        let Some(Role::Waiting(waiting)) = self.roles.take(stream_id) else {
            return;
        };
        if let Some(otherwise) = waiting.otherwise {
            let (way, part) = *otherwise;
            self.open_recorded(stream_id, way, part, &waiting.wants);
            return;
        }
        let reason = match waiting.stream.subscription.hub().state() {
            HubState::Waiting(Some(trouble)) => trouble,
            HubState::Waiting(None) | HubState::Live => why,
            HubState::Ended(reason) => reason,
        };
        self.session.play_failed(stream_id, reason);
    }

    /// Something that a player asks for.
    pub(super) async fn wish(&mut self, stream_id: u32, wish: PlayerWish) {
        if self.recorded_wish(stream_id, wish).await {
            return;
        }
        if let PlayerWish::Seek { .. } = wish {
            self.session.seek_failed(stream_id);
            return;
        }
        match self.roles.get_mut(stream_id) {
            Some(Role::Waiting(waiting)) => waiting.wish(wish),
            Some(Role::Playing(Playing { place, .. })) => match place {
                Place::Seat(seat) => seat.wish(wish).await,
                Place::Own(_) => self.mixed_wish(stream_id, wish),
            },
            Some(
                Role::Opening(_) | Role::Watching(_) | Role::Claiming(_) | Role::Publishing(_),
            )
            | None => {}
        }
    }

    /// The player is told that it begins, and a worker writes to it from now on: what it is told
    /// goes out in one write with the headers and the first media.
    async fn take_seat(&mut self, stream_id: u32) {
        let Some(Role::Waiting(waiting)) = self.roles.take(stream_id) else {
            return;
        };
        if self.roles.watching().is_some() {
            self.session.play_failed(stream_id, Reason::LimitReached);
            return;
        }
        self.session.play_started(stream_id, false);
        self.gather();
        let mut cursor = waiting.join(stream_id);
        let until = waiting
            .length
            .map(|length| self.plane.context.clock.now() + length);
        let stream = waiting.stream;
        let hub = stream.subscription.hub();
        if let Some(hop) = hub.next_hop() {
            self.record.update(|record| record.next_hop = Some(hop));
        }
        if self.roles.playing().is_some() {
            // Few clients do that: what it takes stands in no other's future.
            Box::pin(self.mix(stream_id, stream, (cursor, until))).await;
            return;
        }
        if cursor
            .command(joined(std::mem::take(&mut self.out)))
            .is_err()
        {
            self.session.play_failed(stream_id, Reason::TooSlow);
            return;
        }
        let mut seat = stream.subscription.seat(Seat {
            socket: self.socket.clone(),
            cursor,
            record: self.record.clone(),
        });
        seat.take().await;
        let place = Place::Seat(seat);
        self.roles.put(
            stream_id,
            Role::Playing(Playing {
                stream,
                place,
                until,
            }),
        );
    }

    /// A player leaves its stream. The socket is this session's own again, after what its worker had
    /// begun to write.
    pub(super) async fn leave(&mut self, stream_id: u32, patience: Option<Duration>) {
        let (stream, place) = match self.roles.take(stream_id) {
            Some(Role::Playing(Playing { stream, place, .. })) => (stream, place),
            Some(Role::Watching(watching)) => return self.leave_recording(watching).await,
            Some(Role::Waiting(_) | Role::Opening(_) | Role::Claiming(_) | Role::Publishing(_))
            | None => return,
        };
        match place {
            Place::Seat(mut seat) => {
                seat.leave(patience).await;
                let over = seat.over().await;
                self.session.sent_past(over.sent);
                self.out.splice(0..0, over.rest);
            }
            Place::Own(own) => Box::pin(self.unmix(&stream, *own, patience)).await,
        }
    }
}
