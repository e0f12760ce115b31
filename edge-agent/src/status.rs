//! The edge's own address for those who watch it: `/healthz` (the process lives), `/readyz` (send
//! clients here), `/metrics` (Prometheus text). Not for clients: it stands on an address apart.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::stop::Stop;
use crate::telemetry::{self, Figures};

/// The most connections at once; chosen, because only balancers and a collector come here.
const MAX_CONNECTIONS: usize = 64;
/// How long a request may take to come.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long one connection may stay.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(300);

/// Whom the status address asks.
pub trait Watched: Send + Sync + 'static {
    /// Whether clients should be sent here, or why not.
    ///
    /// # Errors
    /// The reason, as a sentence.
    fn ready(&self) -> Result<(), &'static str>;

    /// The figures now.
    fn figures(&self) -> Figures;
}

/// Answers until the hard stop.
pub async fn serve(listener: TcpListener, watched: Arc<dyn Watched>, stop: Stop) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&room)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.is_cut() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, usually: others must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (watched, stop) = (Arc::clone(&watched), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, watched.as_ref());
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_DEADLINE)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = timeout(CONNECTION_DEADLINE, connection) => {}
                () = stop.is_cut() => {}
            }
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, watched: &dyn Watched) -> Response<Full<Bytes>> {
    let known = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        _ if !known => plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered here\n",
        ),
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" => match watched.ready() {
            Ok(()) => plain(StatusCode::OK, "ready\n"),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => {
            let mut response = plain(StatusCode::OK, telemetry::render(&watched.figures()));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                ),
            );
            response
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz and /metrics\n",
        ),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
