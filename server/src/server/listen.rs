//! Accepting connections and serving requests on them, within bounds: of connections, of the size
//! of a request's head, and of the time it may take to come.
//!
//! Takes a bound listener and the whole service; ends when it is told to stop and every connection
//! has finished its request, or at once when it is dropped. Plain HTTP/1.1; what is in a request is
//! not its business.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// Connections at once; chosen: a thousand edges hold two each, and people a few.
const CONNECTIONS: usize = 10_000;
/// A request's head must have come within this time (laws.md, section 6); also how long an idle
/// connection is kept.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request (laws.md, section 6).
const HEAD_BYTES: usize = 32 * 1024;
/// The most fields of a request's head (laws.md, section 6).
const HEAD_FIELDS: usize = 100;
/// How long to wait when no connection can be accepted, because of too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled and the requests then running are answered. A request's head
/// must have come within `head_time`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    head_time: Duration,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => {
                permit.expect("the semaphore is never closed")
            }
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone(), head_time, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                refused(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
        // Those that have ended are let go as new ones come, so that the set stays bounded too.
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn refused(error: &io::Error) {
    // A client that was gone before it was accepted is no fault of anyone.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "could not accept a connection");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_time: Duration,
    stop: CancellationToken,
) {
    // Without it an answer of two writes waits for an acknowledgement. Where it cannot be set the
    // connection is gone already, and serving it says so.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut router = router.clone();
        async move {
            Ok::<_, Infallible>(
                router
                    .call(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client.addr = %peer.ip(), %error, "a connection ended early");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server that says which port its client has, its address, and what stops it.
    async fn start(
        head_time: Duration,
    ) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.port().to_string();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(port));
        let serving = tokio::spawn(serve(listener, router, head_time, stop.clone()));
        (address, stop, serving)
    }

    async fn answer(stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = vec![0; 16 * 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test]
    async fn serves_many_requests_on_a_connection_and_knows_the_client() {
        let (address, _stop, _serving) = start(HEAD_TIME).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let port = stream.local_addr().unwrap().port().to_string();
        for _ in 0..3 {
            let said = answer(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert!(
                said.starts_with("HTTP/1.1 200") && said.ends_with(&port),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (address, _stop, _serving) = start(HEAD_TIME).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let fields = "a: b\r\n".repeat(HEAD_FIELDS + 1);
        let said = answer(&mut stream, &format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let (address, _stop, _serving) = start(Duration::from_millis(50)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HT").await.unwrap();
        let mut rest = Vec::new();
        let patience = Duration::from_secs(5);
        let ended = tokio::time::timeout(patience, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open");
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections() {
        let (address, stop, serving) = start(HEAD_TIME).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        answer(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), serving)
            .await
            .unwrap()
            .unwrap();
        TcpStream::connect(address).await.unwrap_err();
    }
}
