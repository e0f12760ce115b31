//! The HTTP side: requests of clients are judged one by one, answered from the store, from a fill
//! that all who wait share, or from an origin.
//!
//! One session is one connection: it begins with its first request. A request is rebuilt from its
//! parsed parts before it goes on, and nothing that names an origin comes back. Long answers are
//! judged again when settings change.

mod answer;
mod asked;
mod bodies;
mod body;
mod connection;
mod door;
mod exchange;
mod fetch;
mod fill;
mod flight;
mod forward;
mod guard;
mod job;
mod object;
mod pace;
mod posted;
mod proxy;
mod purge;
mod reach;
mod serve;
mod shelf;
mod slices;
mod source;
mod stall;
mod stand_in;
mod store;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::context::Context;
use crate::store as store_on_disk;
use flight::Flights;
use reach::Reach;
use shelf::Shelf;
use store::Store;

pub use store::Stored;

/// The HTTP side of an edge; clones are the same.
#[derive(Debug, Clone)]
pub struct Web {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    store: Store,
    flights: Flights,
    reach: Reach,
}

impl Web {
    /// The HTTP side with what is in this store, which has no tier in memory: this side has its own.
    #[must_use]
    pub fn new(context: Context, disk: store_on_disk::Store) -> Self {
        let reach = Reach::new(context.dialer.clone(), context.clock);
        Self {
            shared: Arc::new(Shared {
                context,
                store: Store::new(store::MEMORY_BYTES, Shelf::new(disk)),
                flights: Flights::default(),
                reach,
            }),
        }
    }

    /// Serves clients until the stop, and those that are there until they end or are cut off.
    pub async fn serve(self, listener: TcpListener) {
        connection::accept(self, listener).await;
    }

    /// Comes when all that is stored is on the disk, or could not be brought there.
    pub async fn settle(&self) {
        self.shared.store.settle().await;
    }

    /// What the store holds.
    #[must_use]
    pub fn stored(&self) -> Stored {
        self.shared.store.stored()
    }
}
