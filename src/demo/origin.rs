//! The demo's origin: an RTMP server with one stream of its own, and an HTTP server with files.
//!
//! It stands for the application that is not Weir's: it lets everyone in, and only edges are to reach it.
//! `live/clip` is always on; whatever else is published to it can be played from it.

mod files;
mod session;
mod studio;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::clip::Clip;
use studio::Studio;

/// Connections that each of the two servers holds at once. Chosen, because two edges and a few curious
/// players need a dozen.
const CONNECTIONS: usize = 128;

/// A running origin; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Where RTMP is spoken.
    pub(crate) rtmp: SocketAddr,
    /// Where HTTP is spoken.
    pub(crate) http: SocketAddr,
    /// Aborts what it holds when it is dropped.
    _tasks: JoinSet<()>,
}

impl Origin {
    /// Serves on two listeners.
    pub(crate) fn start(rtmp: TcpListener, http: TcpListener) -> io::Result<Self> {
        let addresses = (rtmp.local_addr()?, http.local_addr()?);
        let clip = Arc::new(Clip::open());
        let studio = Studio::default();
        let mut tasks = JoinSet::new();
        let publisher = studio
            .publish("live/clip")
            .expect("an empty studio has room");
        tasks.spawn(studio::repeat(publisher, clip.clone()));
        tasks.spawn(accept_rtmp(rtmp, studio));
        tasks.spawn(accept_http(http, clip));
        Ok(Self {
            rtmp: addresses.0,
            http: addresses.1,
            _tasks: tasks,
        })
    }
}

async fn accept_rtmp(listener: TcpListener, studio: Studio) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut sessions = JoinSet::new();
    loop {
        while sessions.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let Some(socket) = accepted(&listener).await else {
            continue;
        };
        let studio = studio.clone();
        sessions.spawn(async move {
            if let Err(error) = session::serve(socket, &studio).await {
                tracing::debug!(%error, "a session with the demo's origin ended");
            }
            drop(permit);
        });
    }
}

async fn accept_http(listener: TcpListener, clip: Arc<Clip>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let files = Arc::new(files::Files::new(&clip));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let Some(socket) = accepted(&listener).await else {
            continue;
        };
        let files = files.clone();
        connections.spawn(async move {
            files::serve(socket, files).await;
            drop(permit);
        });
    }
}

/// The next connection; `None` when this one failed, after a moment if it may fail again at once.
async fn accepted(listener: &TcpListener) -> Option<tokio::net::TcpStream> {
    match listener.accept().await {
        Ok((socket, _)) => {
            // Only costs 44 ms at `connect` if it cannot be had.
            let _ = socket.set_nodelay(true);
            Some(socket)
        }
        Err(error) => {
            tracing::warn!(%error, "the demo's origin could not take a connection");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            None
        }
    }
}
