//! One stream: its head, its state, who publishes it and how many watch.
//!
//! The invariants: one source at a time, a relay or a publisher; the state goes from waiting to
//! live and ends once.

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
    key: HubKey,
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

#[derive(Default)]
struct Source {
    next_hop: Option<HopTarget>,
    publisher: Option<Publisher>,
    /// How many publishers have come: who waits for one to come back sees whether one did.
    publishers: u64,
    /// The relay that pulls; cancelled when a publisher comes.
    relay: Option<CancellationToken>,
}

impl Hub {
    pub(super) fn new(key: HubKey, clock: Clock, workers: usize) -> Self {
        Self {
            key,
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

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is.
    #[must_use]
    pub fn key(&self) -> &HubKey {
        &self.key
    }

    /// Where its source appends.
    #[must_use]
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Appends a message of its source; the first one makes it live.
    pub fn append(&self, message: Message) {
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

    /// Changes how it stands; what is over stays so.
    pub fn set_state(&self, state: HubState) {
        self.state.send_if_modified(|known| {
            let changes = !matches!(known, HubState::Ended(_)) && *known != state;
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

    /// Whether a client publishes it here.
    #[must_use]
    pub fn has_publisher(&self) -> bool {
        self.source().publisher.is_some()
    }

    /// Whether nothing feeds it.
    pub(super) fn is_abandoned(&self, publishers: u64) -> bool {
        let source = self.source();
        source.publisher.is_none() && source.relay.is_none() && source.publishers == publishers
    }

    /// The server that its source goes through now.
    #[must_use]
    pub fn next_hop(&self) -> Option<HopTarget> {
        self.source().next_hop
    }

    /// Notes the server that its source goes through.
    pub fn set_next_hop(&self, hop: HopTarget) {
        self.source().next_hop = Some(hop);
    }

    /// For the one who is to start the relay, because nobody publishes and no relay runs: the token
    /// by which it is told to give way.
    pub(super) fn claim_relay(&self) -> Option<CancellationToken> {
        let mut source = self.source();
        if source.publisher.is_some() || source.relay.is_some() {
            return None;
        }
        let gives_way = CancellationToken::new();
        source.relay = Some(gives_way.clone());
        Some(gives_way)
    }

    pub(super) fn claim_publisher(&self, publisher: Publisher) -> Result<(), Publisher> {
        let mut source = self.source();
        if let Some(other) = &source.publisher {
            return Err(other.clone());
        }
        if let Some(relay) = source.relay.take() {
            relay.cancel();
            self.head.cut();
        }
        source.publisher = Some(publisher);
        source.publishers += 1;
        Ok(())
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
        let source = self.source();
        let publisher: Option<SessionId> = source.publisher.as_ref().map(|one| one.session.id());
        Some(StreamState {
            app: self.key.app.to_string(),
            stream: self.key.stream.to_string(),
            route: self.key.route,
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

/// A publisher's hold on a stream. When it is dropped the stream is given up: it ends if no other
/// source takes it in the time for which its route holds viewers.
pub struct Publication {
    hub: Arc<Hub>,
    live: Live,
    /// How long viewers stay for a publisher to come back.
    hold: Duration,
    /// The number of its first message: what stands before is from another source.
    from: u64,
    over: CancellationToken,
}

impl Publication {
    pub(super) fn new(hub: Arc<Hub>, live: Live, hold: Duration) -> Self {
        Self {
            from: hub.head.next(),
            hub,
            live,
            hold,
            over: CancellationToken::new(),
        }
    }

    /// The number of this publisher's first message.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
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
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.over.cancel();
        let publishers = {
            let mut source = self.hub.source();
            source.publisher = None;
            source.publishers
        };
        self.hub.head.cut();
        // There is no runtime left when the program comes to its end: nobody watches then.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.hub.viewers() > 0 => {
                let (live, hub, hold) = (self.live.clone(), Arc::clone(&self.hub), self.hold);
                runtime.spawn(async move {
                    tokio::time::sleep(hold).await;
                    live.end_if_abandoned(&hub, publishers);
                });
            }
            Ok(_) | Err(_) => self.live.end_if_abandoned(&self.hub, publishers),
        }
    }
}
