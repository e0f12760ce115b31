//! The live streams of this edge: one [`Hub`] a stream, found by where it comes from.
//!
//! A hub is made by its first viewer or its publisher and goes when neither is left. Its source
//! (a relay or a publisher) appends to its ring; its viewers are divided into shards, one a worker
//! thread, each walking its own cursors and writing. Shards meet only at the ring's head.
//!
//! It does not know RTMP sessions or relays: they come to it.

mod head;
mod hub;
mod shard;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::id::RouteId;
use contract::name::{AppName, StreamName};
use contract::reason::Reason;
use contract::routing::NextHop;
use tokio_util::sync::CancellationToken;

pub use head::Head;
pub use hub::{Hub, HubState, Publication, Publisher, Subscription};
pub use shard::{Over, Seat, SeatHandle};

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

    /// Joins a stream. With a token when it has no source yet: the caller is to start its relay,
    /// which gives way when the token is cancelled.
    #[must_use]
    pub fn subscribe(&self, key: HubKey) -> (Subscription, Option<CancellationToken>) {
        let mut hubs = self.hubs();
        let hub = self.enter(&mut hubs, key);
        let starts = hub.claim_relay();
        (Subscription::new(hub), starts)
    }

    /// Takes a stream for a publisher. A relay that pulls it gives way. Its viewers are held for so
    /// long after it has gone.
    ///
    /// # Errors
    /// [`Busy`] if another client publishes it.
    pub fn publish(
        &self,
        key: HubKey,
        publisher: Publisher,
        hold: Duration,
    ) -> Result<Publication, Busy> {
        let mut hubs = self.hubs();
        let hub = self.enter(&mut hubs, key);
        match hub.claim_publisher(publisher) {
            Ok(()) => Ok(Publication::new(hub, self.clone(), hold)),
            Err(other) => Err(Busy::Publisher(other)),
        }
    }

    /// Takes a hub out if nobody watches and nobody publishes it; a relay asks this when it wants
    /// to end. False when somebody came meanwhile.
    #[must_use]
    pub fn close_if_idle(&self, hub: &Arc<Hub>) -> bool {
        let mut hubs = self.hubs();
        let idle = hub.viewers() == 0 && !hub.has_publisher();
        if idle {
            Self::take_out(&mut hubs, hub);
        }
        idle
    }

    /// Ends a stream that the last of so many publishers left, if no other source has taken it since.
    fn end_if_abandoned(&self, hub: &Arc<Hub>, publishers: u64) {
        let mut hubs = self.hubs();
        if hub.is_abandoned(publishers) {
            Self::take_out(&mut hubs, hub);
            hub.set_state(HubState::Ended(Reason::StreamEnded));
        }
    }

    /// Ends a stream for all its viewers, for this reason.
    pub fn end(&self, hub: &Arc<Hub>, reason: Reason) {
        Self::take_out(&mut self.hubs(), hub);
        hub.set_state(HubState::Ended(reason));
    }

    fn take_out(hubs: &mut HashMap<HubKey, Entry>, hub: &Arc<Hub>) {
        let same = |entry: &Entry| Arc::ptr_eq(&entry.hub, hub);
        if hubs.get(hub.key()).is_some_and(same) {
            hubs.remove(hub.key());
        }
    }
}
