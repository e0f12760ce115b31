//! The live streams of this edge: one [`Hub`] a stream, found by where it comes from.
//!
//! A hub is made by its first viewer or its publisher and goes when neither is left. Its source
//! (a [`Pulling`] or a [`Publication`]) appends to its ring; its viewers are divided into shards, one a worker
//! thread, each walking its own cursors and writing. Shards meet only at the ring's head.
//!
//! It does not know RTMP sessions or relays: they come to it.

mod head;
mod hub;
mod shard;
mod source;

use contract::id::RouteId;
use contract::name::{AppName, StreamName};
use contract::reason::Reason;
use contract::routing::NextHop;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use head::Head;
pub use hub::{Hub, HubState, Publication, Publisher, Pulling, Subscription};
pub use shard::{Over, Seat, SeatHandle};
pub use source::PushEnd;

use crate::clock::Clock;
use crate::streams::{StreamEntry, Streams};

/// Where a stream comes from: what tells one stream from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubKey {
    /// The route.
    pub route: RouteId,
    /// Whom to ask first.
    pub next: NextHop,
    /// For streams carried to the edge where their client belongs: the host and port that it used,
    /// because that edge routes by them.
    pub host: Option<(String, u16)>,
    /// The application, as the next hop is asked for it.
    pub app: AppName,
    /// The stream.
    pub stream: StreamName,
}

/// All live streams; clones are the same.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    streams: Streams,
    workers: usize,
    hubs_by_key: Mutex<HashMap<HubKey, Entry>>,
}

struct Entry {
    hub: Arc<Hub>,
    _reported: StreamEntry,
}

/// Why a stream cannot be published.
pub enum Busy {
    /// Another client publishes it: it may be asked whether it is still there.
    Publisher(Publisher),
}

impl Live {
    /// No streams yet. Viewers of each stream are divided among so many workers.
    #[must_use]
    pub fn new(clock: Clock, streams: Streams, workers: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                streams,
                workers: workers.max(1),
                hubs_by_key: Mutex::default(),
            }),
        }
    }

    fn hubs(&self) -> MutexGuard<'_, HashMap<HubKey, Entry>> {
        let hubs = &self.shared.hubs_by_key;
        hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the hub of a stream, or makes it.
    fn enter(&self, hubs: &mut HashMap<HubKey, Entry>, key: HubKey) -> Arc<Hub> {
        let entry = hubs.entry(key).or_insert_with_key(|key| {
            let hub = Arc::new(Hub::new(
                key.clone(),
                self.shared.clock,
                self.shared.workers,
            ));
            Entry {
                _reported: self.shared.streams.enter(hub.clone()),
                hub,
            }
        });
        Arc::clone(&entry.hub)
    }

    /// Joins a stream. Where nothing feeds it yet, the caller is to start its relay.
    #[must_use]
    pub fn subscribe(&self, key: HubKey) -> (Subscription, Option<Pulling>) {
        let mut hubs = self.hubs();
        let hub = self.enter(&mut hubs, key);
        let starts = self.claim_relay(&hub);
        (Subscription::new(hub), starts)
    }

    fn claim_relay(&self, hub: &Arc<Hub>) -> Option<Pulling> {
        let mut claim = hub.source().claim_relay()?;
        if hub.state() == HubState::Live {
            // Viewers are seated at once: they are held, and then told of the end.
            claim.left.get_or_insert(self.shared.clock.now());
        }
        Some(Pulling::new(Arc::clone(hub), self.clone(), claim))
    }

    /// Takes a stream for a publisher. What feeds it goes on until the publication begins.
    ///
    /// # Errors
    /// [`Busy`] if another client publishes it.
    pub fn publish(&self, key: HubKey, publisher: Publisher) -> Result<Publication, Busy> {
        let mut hubs = self.hubs();
        let hub = self.enter(&mut hubs, key);
        let claimed = hub.source().claim_publisher(publisher);
        match claimed {
            Ok(number) => Ok(Publication::new(hub, number)),
            Err(other) => Err(Busy::Publisher(other)),
        }
    }

    /// What becomes of a stream whose publisher is gone, or was refused: where viewers are left and
    /// nothing feeds it the caller is to start its relay; where none are, it is closed.
    #[must_use]
    pub fn resume(&self, hub: &Arc<Hub>) -> Option<Pulling> {
        let mut hubs = self.hubs();
        if hub.is_over() || !hub.source().is_free() {
            return None;
        }
        if hub.viewers() > 0 {
            return self.claim_relay(hub);
        }
        Self::take_out(&mut hubs, hub);
        hub.set_state(HubState::Ended(Reason::StreamEnded));
        None
    }

    /// Ends a relay that nobody needs any more, and the stream with it if no client wants to publish
    /// it. False when a viewer came meanwhile.
    fn leave_if_idle(&self, pulling: &Pulling) -> bool {
        let mut hubs = self.hubs();
        if pulling.hub().viewers() > 0 {
            return false;
        }
        if !self.give_up(pulling) {
            Self::take_out(&mut hubs, pulling.hub());
        }
        true
    }

    /// Ends a stream for all its viewers, unless a publisher has it or is about to: it tells what
    /// becomes of them.
    fn end_pulled(&self, pulling: &Pulling, reason: Reason) {
        let mut hubs = self.hubs();
        if !self.give_up(pulling) {
            Self::take_out(&mut hubs, pulling.hub());
            pulling.hub().set_state(HubState::Ended(reason));
        }
    }

    /// A relay gives its stream up; whether somebody else has it now or is about to. Viewers come only
    /// while `hubs` is locked, so that none counts on a relay that is at its end.
    fn give_up(&self, pulling: &Pulling) -> bool {
        let mut source = pulling.hub().source();
        source.relay_left(pulling.number());
        !source.is_free()
    }

    /// Ends a stream that this client publishes for all its viewers, for this reason.
    pub fn end_published(&self, hub: &Arc<Hub>, number: u64, reason: Reason) {
        let mut hubs = self.hubs();
        let is_there = hub.source().is_publisher(number);
        if is_there {
            Self::take_out(&mut hubs, hub);
            hub.set_state(HubState::Ended(reason));
        }
    }

    /// Lets a stream be found by where it comes from now. Where another one is found there already,
    /// this one goes on for the viewers that it has.
    pub fn rename(&self, hub: &Arc<Hub>, key: Option<HubKey>) {
        let Some(key) = key.filter(|key| *key != *hub.key()) else {
            return;
        };
        let mut hubs = self.hubs();
        if hubs.contains_key(&key) {
            return;
        }
        if let Some(entry) = Self::take_out(&mut hubs, hub) {
            hub.set_key(key.clone());
            hubs.insert(key, entry);
        }
    }

    fn take_out(hubs: &mut HashMap<HubKey, Entry>, hub: &Arc<Hub>) -> Option<Entry> {
        let same = |entry: &Entry| Arc::ptr_eq(&entry.hub, hub);
        let key = hub.key();
        hubs.get(&*key)
            .is_some_and(same)
            .then(|| hubs.remove(&*key))?
    }
}
