//! An HTTP origin that answers as a test says, and counts what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use contract::id::OriginId;
use contract::origin::{Origin as Record, Reach};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Answer = dyn Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync;

/// An origin; it goes away when it is dropped.
pub(crate) struct Origin {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<Parts>>>,
    running: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start(
        answer: impl Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut running = JoinSet::new();
        running.spawn(serve(listener, Arc::new(answer), Arc::clone(&asked)));
        Self { at, asked, running }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Parts> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn record(&self) -> Record {
        record(self.at)
    }

    pub(crate) async fn stop(mut self) {
        self.running.shutdown().await;
    }
}

/// A record of an origin at this address of the own machine.
pub(crate) fn record(at: SocketAddr) -> Record {
    Record {
        id: OriginId::from_bits(1),
        name: "files".parse().unwrap(),
        address: format!("http://{at}").parse().unwrap(),
        reach: Reach {
            private: false,
            loopback: true,
        },
    }
}

async fn serve(listener: TcpListener, answer: Arc<Answer>, asked: Arc<Mutex<Vec<Parts>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        let service = service_fn(move |request: Request<Incoming>| {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            async move {
                let (parts, body) = request.into_parts();
                let _ = body.collect().await;
                let response = answer(&parts);
                asked.lock().unwrap().push(parts);
                Ok::<_, Infallible>(response)
            }
        });
        connections.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// 200 with these fields and this body.
pub(crate) fn ok(fields: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::builder();
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).unwrap()
}
