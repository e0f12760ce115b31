//! One stream: its head, its state, who publishes it and how many watch.
//!
//! The invariants: only its source appends, by a [`Pulling`] or a [`Publication`]; the state goes from
//! waiting to live and ends once, and never back.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::id::SessionId;
use contract::reason::Reason;
use contract::report::{HopTarget, StreamState};
use rtmp::Message;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::shard::{self, Shard};
use super::source::{PushEnd, RelayClaim, Source};
use super::{Head, HubKey, Live, SeatHandle};
use crate::clock::{Clock, now_ms};
use crate::live::Seat;
use crate::sessions;
use crate::streams::StreamSource;

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubState {
    /// Nothing has come yet. The reason says what stands in the way, if anything is known.
    Waiting(Option<Reason>),
    /// It is there.
    Live,
    /// It is over.
    Ended(Reason),
}

/// A client that publishes, as others see it.
#[derive(Clone)]
pub struct Publisher {
    /// Its session.
    pub session: sessions::Session,
    /// Asks it whether it is still there: what is sent is answered when it is.
    pub probe: mpsc::Sender<oneshot::Sender<()>>,
}

/// So many viewers of one stream have one worker between them before the next one is brought in.
/// Chosen, because a round of so many takes a millisecond, and waking another thread some dozen
/// microseconds.
const VIEWERS_A_SHARD: usize = 256;

/// One stream.
pub struct Hub {
    key: Mutex<Arc<HubKey>>,
    began_ms: u64,
    clock: Clock,
    head: Arc<Head>,
    state: watch::Sender<HubState>,
    viewers: AtomicUsize,
    /// Wakes the relay when the number of viewers changes.
    viewers_changed: Notify,
    shed: Arc<AtomicU64>,
    source: Mutex<Source>,
    shards: Vec<Mutex<Option<Shard>>>,
}

impl Hub {
    pub(super) fn new(key: HubKey, clock: Clock, workers: usize) -> Self {
        Self {
            key: Mutex::new(Arc::new(key)),
            began_ms: now_ms(),
            clock,
            head: Arc::new(Head::new(clock)),
            state: watch::Sender::new(HubState::Waiting(None)),
            viewers: AtomicUsize::new(0),
            viewers_changed: Notify::new(),
            shed: Arc::default(),
            source: Mutex::default(),
            shards: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is, as its route says now.
    #[must_use]
    pub fn key(&self) -> Arc<HubKey> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&key)
    }

    pub(super) fn set_key(&self, key: HubKey) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// Where its source appends.
    #[must_use]
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Appends a message of its source; the first one makes it live.
    fn append(&self, message: Message) {
        if self.head.append(message) {
            self.state.send_if_modified(|state| match state {
                HubState::Waiting(_) => {
                    *state = HubState::Live;
                    true
                }
                HubState::Live | HubState::Ended(_) => false,
            });
        }
    }

    /// Hears how it stands.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<HubState> {
        self.state.subscribe()
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> HubState {
        *self.state.borrow()
    }

    /// Changes how it stands; what is over stays so, and what was there is not waited for again.
    pub(super) fn set_state(&self, state: HubState) {
        self.state.send_if_modified(|known| {
            let changes = match (*known, state) {
                (HubState::Ended(_), _) | (HubState::Live, HubState::Waiting(_)) => false,
                (HubState::Waiting(_) | HubState::Live, _) => *known != state,
            };
            if changes {
                *known = state;
            }
            changes
        });
    }

    /// How many watch or wait.
    #[must_use]
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Acquire)
    }

    /// Comes when a viewer came or went.
    pub async fn viewers_changed(&self) {
        self.viewers_changed.notified().await;
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state(), HubState::Ended(_))
    }

    /// The server that its source goes through now.
    #[must_use]
    pub fn next_hop(&self) -> Option<HopTarget> {
        self.source().next_hop
    }

    /// A server took the stream of a publisher: from now on it is the source, and no relay is. The
    /// number of its first message; `None` if it left meanwhile.
    #[must_use]
    pub fn publish(&self, number: u64, hop: HopTarget) -> Option<u64> {
        let mut source = self.source();
        source.publish(number).then(|| {
            source.next_hop = Some(hop);
            self.head.cut();
            self.head.next()
        })
    }

    /// The stream's publisher goes through another server now.
    pub fn publishes_through(&self, number: u64, hop: HopTarget) {
        let mut source = self.source();
        if source.is_publisher(number) {
            source.next_hop = Some(hop);
        }
    }

    /// Notes how the newest push ends; how the one before it does, for who must wait for it.
    #[must_use]
    pub fn follow_push(&self, push: PushEnd) -> Option<PushEnd> {
        self.source().follow_push(push)
    }

    /// How the newest push ends.
    #[must_use]
    pub fn push_end(&self) -> Option<PushEnd> {
        self.source().push()
    }

    /// Seats a viewer with the worker that has the fewest, of as many as the stream needs.
    pub(super) fn seat(&self, seat: Seat) -> SeatHandle {
        let needed = self.viewers() / VIEWERS_A_SHARD + 1;
        let mut places: Vec<_> = self
            .shards
            .iter()
            .take(needed)
            .map(|place| place.lock().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let place = places
            .iter_mut()
            .min_by_key(|place| place.as_ref().map_or(0, Shard::viewers))
            .expect("there is a worker");
        let shard = place.get_or_insert_with(|| {
            shard::spawn(Arc::clone(&self.head), self.clock, Arc::clone(&self.shed))
        });
        shard.handle(seat)
    }
}

impl StreamSource for Hub {
    fn state(&self) -> Option<StreamState> {
        if self.state() != HubState::Live {
            return None;
        }
        let figures = self.head.figures();
        let key = self.key();
        let source = self.source();
        let publisher: Option<SessionId> = source.publisher().map(|one| one.session.id());
        Some(StreamState {
            app: key.app.to_string(),
            stream: key.stream.to_string(),
            route: key.route,
            next_hop: source.next_hop,
            publisher,
            viewers: self.viewers() as u64,
            began_ms: self.began_ms,
            received_bytes: figures.received,
            bits_per_second: figures.bits_per_second,
            video: figures.video.map(|codec| codec.to_string()),
            audio: figures.audio.map(|codec| codec.to_string()),
            shed: self.shed.load(Ordering::Relaxed),
        })
    }
}

/// A viewer's hold on a stream, waiting or playing.
pub struct Subscription {
    hub: Arc<Hub>,
}

impl Subscription {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        hub.viewers.fetch_add(1, Ordering::AcqRel);
        hub.viewers_changed.notify_one();
        Self { hub }
    }

    /// The stream.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Hands a viewer's socket to the worker that will write to it.
    #[must_use]
    pub fn seat(&self, seat: Seat) -> SeatHandle {
        self.hub.seat(seat)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.viewers.fetch_sub(1, Ordering::AcqRel);
        self.hub.viewers_changed.notify_one();
    }
}

/// A relay's hold on a stream: what it brings goes to the viewers until a publisher takes over. When it
/// is dropped another relay may begin.
pub struct Pulling {
    hub: Arc<Hub>,
    live: Live,
    claim: RelayClaim,
}

impl Pulling {
    pub(super) fn new(hub: Arc<Hub>, live: Live, claim: RelayClaim) -> Self {
        Self { hub, live, claim }
    }

    pub(super) fn number(&self) -> u64 {
        self.claim.number
    }

    /// The stream.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Fires when a publisher takes the stream over.
    #[must_use]
    pub fn gives_way(&self) -> CancellationToken {
        self.claim.gives_way.clone()
    }

    /// When the publisher left that the viewers had before, if they had one.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.claim.left
    }

    /// Appends a message, unless a publisher has taken over.
    pub fn append(&self, message: Message) {
        // Held, so that nothing of it comes behind the publisher's first message.
        let source = self.hub.source();
        if source.is_relay(self.number()) {
            self.hub.append(message);
        }
    }

    /// Notes the server that it goes through.
    pub fn goes_through(&self, hop: HopTarget) {
        let mut source = self.hub.source();
        if source.is_relay(self.number()) {
            source.next_hop = Some(hop);
        }
    }

    /// Says why nothing has come yet.
    pub fn waits(&self, reason: Reason) {
        self.hub.set_state(HubState::Waiting(Some(reason)));
    }

    /// Ends the stream for all its viewers, unless a publisher has it or is about to.
    pub fn end(&self, reason: Reason) {
        self.live.end_pulled(self, reason);
    }

    /// Closes the stream if nobody watches; false when somebody came meanwhile.
    #[must_use]
    pub fn leave_if_idle(&self) -> bool {
        self.live.leave_if_idle(self)
    }
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.hub.source().relay_left(self.number());
    }
}

/// A publisher's hold on a stream. It begins when a server behind has taken the stream. When it is
/// dropped the stream is given up.
pub struct Publication {
    hub: Arc<Hub>,
    number: u64,
    over: CancellationToken,
}

impl Publication {
    pub(super) fn new(hub: Arc<Hub>, number: u64) -> Self {
        Self {
            hub,
            number,
            over: CancellationToken::new(),
        }
    }

    /// The number by which the publisher is known to its stream.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Fires when this publisher is done, whatever becomes of the stream.
    #[must_use]
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// The stream.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Appends a message; only after the stream was taken.
    pub fn append(&self, message: Message) {
        self.hub.append(message);
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let now = self.hub.clock.now();
        let mut source = self.hub.source();
        if source.publisher_left(self.number, now) {
            self.hub.head.cut();
        }
        drop(source);
        self.over.cancel();
    }
}
