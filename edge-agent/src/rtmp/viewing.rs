//! A client that plays: it waits for the stream, takes a seat with a worker, gives it up.

use std::time::Duration;

use contract::reason::Reason;
use edge_core::live::Form;
use edge_core::session::{Output, Wanted};
use tokio::sync::watch;

use super::driver::{Driver, Role, joined};
use super::relay;
use super::way::{Way, target};
use crate::live::{HubState, Seat, SeatHandle, Subscription};

/// How long a viewer may take to read what is left of a stream that ended.
const LAST_MEDIA: Duration = Duration::from_secs(5);

/// A viewer's hold on its stream.
pub(super) struct Stream {
    subscription: Subscription,
    state: watch::Receiver<HubState>,
    stream_id: u32,
}

impl Stream {
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
}

/// A client that plays.
pub(super) struct Playing {
    pub(super) stream: Stream,
    pub(super) seat: SeatHandle,
}

impl Driver {
    pub(super) async fn subscribe(&mut self, wanted: Wanted) {
        let stream_id = wanted.stream_id;
        let settings = self.plane.settings();
        let snapshot = settings.snapshot.as_deref();
        let way =
            snapshot.and_then(|snapshot| Way::new(wanted, &self.session, &self.record, snapshot));
        let Some((way, key)) = way.and_then(|way| Some((way.clone(), way.key()?))) else {
            self.session.play_failed(Reason::Destination);
            return;
        };
        self.record
            .update(|record| record.next_hop = Some(target(key.next)));
        let (subscription, starts) = self.plane.live.subscribe(key);
        let wait = Duration::from_millis(way.live.wait_ms.into());
        if let Some(gives_way) = starts {
            relay::pull(&self.plane, subscription.hub(), way, gives_way);
        }
        let mut state = subscription.hub().watch();
        let now_is = *state.borrow_and_update();
        self.role = Role::Waiting(Waiting {
            stream: Stream {
                subscription,
                state,
                stream_id,
            },
            until: self.plane.context.clock.now() + wait,
        });
        self.stream_is(now_is).await;
    }

    /// The stream's state changed, or is looked at for the first time.
    pub(super) async fn stream_is(&mut self, state: HubState) {
        match (&self.role, state) {
            (Role::Waiting(_), HubState::Live) => self.take_seat().await,
            (Role::Waiting(_), HubState::Ended(reason)) => {
                self.role = Role::Idle;
                self.session.play_failed(reason);
            }
            (Role::Playing(_), HubState::Ended(reason)) => {
                self.give_up_seat(Some(LAST_MEDIA)).await;
                self.session.end(reason);
            }
            (Role::Waiting(_) | Role::Playing(_), HubState::Waiting(_) | HubState::Live)
            | (Role::Idle | Role::Claiming(_) | Role::Publishing(_), _) => {}
        }
    }

    /// Nobody published the stream in time.
    pub(super) fn waited_enough(&mut self) {
        let Role::Waiting(waiting) = &self.role else {
            return;
        };
        let reason = match waiting.stream.subscription.hub().state() {
            HubState::Waiting(Some(trouble)) => trouble,
            HubState::Waiting(None) | HubState::Live => Reason::StreamNotFound,
            HubState::Ended(reason) => reason,
        };
        self.role = Role::Idle;
        self.session.play_failed(reason);
    }

    /// The player is told that it begins, and a worker writes to it from now on: what it is told
    /// goes out in one write with the headers and the first media.
    async fn take_seat(&mut self) {
        let Role::Waiting(waiting) = std::mem::replace(&mut self.role, Role::Idle) else {
            return;
        };
        let stream = waiting.stream;
        self.session.play_started();
        // What else came with the same bytes as `play` (its end, a fault) is done afterwards.
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => self.out.push(bytes),
                later @ (Output::Changed
                | Output::Subscribe(_)
                | Output::Unsubscribe
                | Output::Player(_)
                | Output::Publish(..)
                | Output::Media(_)
                | Output::Unpublish
                | Output::Alive
                | Output::Close(_)) => self.later.push_back(later),
            }
        }
        let hub = stream.subscription.hub();
        if let Some(hop) = hub.next_hop() {
            self.record.update(|record| record.next_hop = Some(hop));
        }
        let mut cursor = hub.head().join(Form::viewer(stream.stream_id));
        if cursor
            .command(joined(std::mem::take(&mut self.out)))
            .is_err()
        {
            self.session.play_failed(Reason::TooSlow);
            return;
        }
        let mut seat = stream.subscription.seat(Seat {
            socket: self.socket.clone(),
            cursor,
            record: self.record.clone(),
        });
        seat.take().await;
        self.role = Role::Playing(Playing { stream, seat });
    }

    /// The socket is this session's own again, after what its worker had begun to write.
    pub(super) async fn give_up_seat(&mut self, patience: Option<Duration>) {
        match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Playing(mut playing) => {
                playing.seat.leave(patience).await;
                let over = playing.seat.over().await;
                self.session.sent_past(over.sent);
                self.out.splice(0..0, over.rest);
            }
            Role::Waiting(_) => {}
            other @ (Role::Idle | Role::Claiming(_) | Role::Publishing(_)) => self.role = other,
        }
    }
}
