//! A server that says what a test tells it to, by the agents' API, and remembers what it heard.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use contract::control::{
    JOIN_PATH, JoinAnswer, JoinRequest, JoinToken, REPORT_PATH, SnapshotDocument, UPDATES_PATH,
    Updates,
};
use contract::directory::DirectoryChanges;
use contract::order::Order;
use contract::report::{Report, ReportAnswer};
use contract::secret::Secret;
use contract::snapshot::{Snapshot, content_hash};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{CLUSTER, EDGE};

const SECRET: &str = "joining";
const CREDENTIAL: &str = "Bearer known";

/// A server for one edge; it goes away when it is dropped or stopped.
pub(crate) struct Server {
    at: SocketAddr,
    said: Arc<Said>,
    running: JoinSet<()>,
}

struct Said {
    state: Mutex<State>,
    /// Counts up when there is something new to say.
    news: watch::Sender<u64>,
    heard: watch::Sender<Vec<Report>>,
}

#[derive(Default)]
struct State {
    document: Option<SnapshotDocument>,
    directory: Option<DirectoryChanges>,
    orders: Vec<Order>,
    expelled: bool,
    polls: u64,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_again("127.0.0.1:0".parse().unwrap()).await
    }

    /// A server on an address where one was before.
    pub(crate) async fn start_again(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let said = Arc::new(Said {
            state: Mutex::default(),
            news: watch::Sender::new(0),
            heard: watch::Sender::new(Vec::new()),
        });
        let mut running = JoinSet::new();
        running.spawn(serve(listener, Arc::clone(&said)));
        Self { at, said, running }
    }

    pub(crate) fn token(&self) -> String {
        let token = JoinToken {
            server: format!("http://{}", self.at),
            secret: Secret::new(SECRET),
        };
        token.to_text()
    }

    /// Goes away; returns where it was.
    pub(crate) fn stop(mut self) -> SocketAddr {
        self.running.abort_all();
        self.at
    }

    fn say(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.said.state.lock().unwrap());
        self.said.news.send_modify(|news| *news += 1);
    }

    pub(crate) fn publish(&self, generation: u64, snapshot: &Snapshot) {
        let json = serde_json::to_string(snapshot).unwrap();
        let document = SnapshotDocument {
            generation,
            hash: content_hash(json.as_bytes()),
            snapshot: RawValue::from_string(json).unwrap(),
        };
        self.say(|state| state.document = Some(document));
    }

    pub(crate) fn change(&self, changes: DirectoryChanges) {
        self.say(|state| state.directory = Some(changes));
    }

    pub(crate) fn order(&self, order: Order) {
        self.say(|state| state.orders.push(order));
    }

    /// From now on the edge is not known.
    pub(crate) fn expel(&self) {
        self.say(|state| state.expelled = true);
    }

    pub(crate) fn polls(&self) -> u64 {
        self.said.state.lock().unwrap().polls
    }

    /// The next report that fits, or one that came already.
    pub(crate) async fn report(&self, fits: impl Fn(&Report) -> bool) -> Report {
        let mut heard = self.said.heard.subscribe();
        let found = heard.wait_for(|all| all.iter().any(&fits));
        let all = timeout(Duration::from_secs(10), found)
            .await
            .expect("no such report came")
            .unwrap();
        all.iter()
            .rev()
            .find(|report| fits(report))
            .unwrap()
            .clone()
    }

    /// Every report so far.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.said.heard.borrow().clone()
    }
}

async fn serve(listener: TcpListener, said: Arc<Said>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let said = Arc::clone(&said);
        let service = service_fn(move |request| {
            let said = Arc::clone(&said);
            async move { Ok::<_, Infallible>(answer(request, &said).await) }
        });
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}

async fn answer(request: Request<Incoming>, said: &Said) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path();
    if path == JOIN_PATH {
        let request: JoinRequest = serde_json::from_slice(&body).unwrap();
        assert_eq!(request.secret.expose(), SECRET);
        return json(&JoinAnswer {
            edge: EDGE,
            name: "the edge".parse().unwrap(),
            cluster: CLUSTER,
            credential: Secret::new("known"),
        });
    }
    let known = head
        .headers
        .get("authorization")
        .is_some_and(|value| value == CREDENTIAL);
    if !known || said.state.lock().unwrap().expelled {
        return empty(StatusCode::GONE);
    }
    if path == REPORT_PATH {
        let report: Report = serde_json::from_slice(&body).unwrap();
        let answer = ReportAnswer {
            sequence: report.sequence,
            at_ms: report.at_ms,
            wants_whole: false,
            cluster: Default::default(),
        };
        said.heard.send_modify(|all| all.push(report));
        return json(&answer);
    }
    assert_eq!(path, UPDATES_PATH);
    said.state.lock().unwrap().polls += 1;
    updates(head.uri.query().unwrap(), said).await
}

fn number(query: &str, name: &str) -> u64 {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name);
    found.next().unwrap().1.parse().unwrap()
}

async fn updates(query: &str, said: &Said) -> Response<Full<Bytes>> {
    let mut news = said.news.subscribe();
    let hold = Duration::from_millis(number(query, "hold_ms"));
    let held = async {
        loop {
            news.borrow_and_update();
            if let Some(updates) = fresh(query, &said.state.lock().unwrap()) {
                return updates;
            }
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    timeout(hold, held)
        .await
        .unwrap_or_else(|_| empty(StatusCode::NO_CONTENT))
}

fn fresh(query: &str, state: &State) -> Option<Response<Full<Bytes>>> {
    if state.expelled {
        return Some(empty(StatusCode::GONE));
    }
    let held = number(query, "generation");
    let generation = state.document.as_ref().map_or(0, |found| found.generation);
    let document = state
        .document
        .as_ref()
        .filter(|found| !query.contains(&found.hash));
    let document = document.map(|found| SnapshotDocument {
        generation: found.generation,
        hash: found.hash.clone(),
        snapshot: RawValue::to_owned(&found.snapshot),
    });
    let directory = state
        .directory
        .clone()
        .filter(|changes| changes.until > number(query, "directory"));
    let orders: Vec<Order> = state
        .orders
        .iter()
        .filter(|order| order.number > number(query, "order"))
        .cloned()
        .collect();
    let new = generation > held || document.is_some() || directory.is_some() || !orders.is_empty();
    new.then(|| {
        json(&Updates {
            generation,
            snapshot: document,
            directory,
            orders,
            questions: Vec::new(),
        })
    })
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    Response::new(Full::new(serde_json::to_vec(value).unwrap().into()))
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
