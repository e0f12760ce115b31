//! The RTMP plane: sessions driven on sockets, and relays to the servers behind.
//!
//! A socket comes in from `listen`; `edge-core`'s session decides, [`crate::live`] moves the media,
//! relays pull and push. The invariants: nothing is dialed before a client is admitted; a server's
//! address or words never reach a client.

mod driver;
mod mixing;
mod publishing;
mod reading;
mod relay;
mod roles;
mod tunnel;
mod viewing;
mod watching;
mod way;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::protocol::Ingress;
use edge_core::admission::Door;
use edge_core::session::Peer;
use edge_core::upstream::{Absent, Upstreams};
use tokio_util::task::TaskTracker;

use crate::clock::now_ms;
use crate::context::Context;
use crate::control::Settings;
use crate::limits::Limits;
use crate::live::{HubKey, Live};
use crate::socket::Socket;

/// What is held for a connection until its client is admitted.
pub trait Gate: Send + Sync {}

/// The RTMP plane; clones are the same.
#[derive(Clone)]
pub struct Plane {
    context: Context,
    live: Live,
    upstreams: Arc<Mutex<Upstreams>>,
    absent: Arc<Mutex<Absent<HubKey>>>,
    /// What is published through this edge: an orderly stop lets it come to its end.
    pushes: TaskTracker,
}

impl Plane {
    /// A plane without sessions.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            live: Live::new(context.clock, context.streams.clone(), workers),
            context,
            upstreams: Arc::default(),
            absent: Arc::default(),
            pushes: TaskTracker::new(),
        }
    }

    /// The future that serves one connection until it ends, to be spawned as it is; `None` where there
    /// are too many sessions. The gate opens when the client is admitted.
    pub fn serve(
        &self,
        socket: Socket,
        (ingress, port): (Ingress, u16),
        addr: IpAddr,
        gate: Box<dyn Gate>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let peer = Peer {
            addr: addr.to_canonical(),
            ingress,
            port,
        };
        let Some(record) = self.context.sessions.begin(addr, ingress) else {
            tracing::debug!(client.addr = %addr, "connection closed: too many sessions");
            return None;
        };
        Some(driver::drive(self.clone(), socket, peer, record, gate))
    }

    /// Waits until all that was published has gone on to the servers behind; nothing more may come.
    pub async fn settled(&self) {
        self.pushes.close();
        self.pushes.wait().await;
    }

    fn settings(&self) -> Arc<Settings> {
        self.context.settings.borrow().clone()
    }

    fn upstreams(&self) -> MutexGuard<'_, Upstreams> {
        self.upstreams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn absent(&self) -> MutexGuard<'_, Absent<HubKey>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The settings to judge by, now.
fn door<'a>(settings: &'a Settings, limits: &'a Limits) -> Door<'a> {
    Door {
        snapshot: settings.snapshot.as_deref(),
        directory: &settings.directory,
        at_ms: now_ms(),
        limits: Some(limits.gate()),
    }
}
