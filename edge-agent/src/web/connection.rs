//! Accepting connections and driving them: bounded in number, each with deadlines, each ended when
//! its session is asked to end, when settings no longer allow it, or at the stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use contract::reason::Reason;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::Web;
use super::door::Visit;
use super::guard::{Ambiguity, Guard};
use super::stall::Stalling;
use crate::addresses::Addresses;

/// The most connections at once; chosen, because each costs two descriptors and some buffers.
const MAX_CONNECTIONS: usize = 16_384;
/// How long a head may take to come, and how long a connection may be idle (laws.md, section 6).
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// The largest head (laws.md, section 6).
const MAX_HEAD_BYTES: usize = 32 << 10;
/// The most fields of a head (laws.md, section 6).
const MAX_FIELDS: usize = 100;

/// Accepts until the stop; then waits for the connections that are there.
pub(super) async fn accept(web: Web, listener: TcpListener) {
    let stop = web.shared.context.stop.clone();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let addresses = Addresses::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = next(&listener, &room) => {
                if let Some((stream, permit)) = accepted {
                    connections.spawn(serve(web.clone(), stream, addresses.clone(), permit));
                }
            }
            Some(_) = connections.join_next() => {}
            () = stop.begun() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            // Out of descriptors, usually: others must close first.
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn serve(web: Web, stream: TcpStream, addresses: Addresses, permit: OwnedSemaphorePermit) {
    let Ok(peer) = stream.peer_addr() else {
        return;
    };
    let addr = peer.ip().to_canonical();
    let Some(before_admission) = addresses.enter(addr) else {
        tracing::debug!(client.addr = %addr, "connection closed: too many before admission");
        return;
    };
    // A connection that cannot be set so is a little slower, and no worse.
    let _ = stream.set_nodelay(true);
    let ambiguity = Ambiguity::default();
    let visit = Arc::new(Visit::new(
        web,
        addr,
        before_admission,
        Arc::clone(&ambiguity),
    ));
    let answering = Arc::clone(&visit);
    let service = service_fn(move |request| {
        let visit = Arc::clone(&answering);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS)
        .serve_connection(
            TokioIo::new(Stalling::new(stream, Guard::new(ambiguity))),
            service,
        );
    let mut connection = std::pin::pin!(connection);
    let stop = visit.stop();
    let mut settings = visit.settings();
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => break,
            () = visit.asked_to_end() => break,
            changed = settings.changed() => {
                if changed.is_err() {
                    break;
                }
                if let Some(reason) = visit.no_longer(&settings.borrow_and_update()) {
                    visit.end(reason);
                    break;
                }
            }
            () = stop.begun(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = stop.is_cut() => {
                visit.end(Reason::EdgeStopping);
                break;
            }
        }
    }
    visit.over();
    drop(permit);
}
