//! The way to upstreams: one pool of connections for each listed record as it stands, dialed by
//! the agent's dialer, tried in the order of what is known of their health.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use contract::origin::Origin;
use contract::protocol::Plane;
use contract::routing::NextHop;
use contract::snapshot::{Neighbor, Snapshot};
use edge_core::upstream::Upstreams;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;
use tower::Service;

use super::body::AnyBody;
use super::pace::Pace;
use crate::clock::Clock;
use crate::dial::{Conn, Dialer, ONE_TRY};

/// How long a connection that is not used is kept; shorter than what servers keep (nginx: 75 s).
const IDLE: Duration = Duration::from_secs(30);
/// The most such connections for each upstream.
const MAX_IDLE: usize = 32;
/// The most records that are remembered for dialing; settings change, old ones are forgotten.
const MAX_TARGETS: usize = 4_096;

/// Whom to ask: a listed origin or a neighbor, as the settings of the request say.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Origin(Origin),
    Edge(Neighbor),
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was sent: another upstream may be asked.
    NotReached,
    /// It was reached, and gave no answer that can be read.
    NoAnswer,
    /// It gave no answer in time.
    TimedOut,
}

#[derive(Debug, Clone)]
pub(super) struct Reach {
    client: Client<Connector, AnyBody>,
    targets: Targets,
    upstreams: Arc<Mutex<Upstreams>>,
    pace: Arc<Pace>,
    clock: Clock,
}

type Targets = Arc<Mutex<HashMap<String, Target>>>;

impl Target {
    pub(super) fn of(hop: NextHop, snapshot: &Snapshot) -> Option<Self> {
        match hop {
            NextHop::Origin(id) => snapshot.origin(id).cloned().map(Self::Origin),
            NextHop::Edge(id) => snapshot.neighbor(id).cloned().map(Self::Edge),
        }
    }

    fn hop(&self) -> NextHop {
        match self {
            Self::Origin(origin) => NextHop::Origin(origin.id),
            Self::Edge(edge) => NextHop::Edge(edge.id),
        }
    }

    /// A name for its pool: its id, and what its address is, so that a changed address is a new
    /// pool.
    fn pool(&self) -> String {
        let mut hash = DefaultHasher::new();
        let id = match self {
            Self::Origin(origin) => {
                origin.address.hash(&mut hash);
                (origin.reach.private, origin.reach.loopback).hash(&mut hash);
                origin.id.to_string()
            }
            Self::Edge(edge) => {
                edge.http.hash(&mut hash);
                edge.id.to_string()
            }
        };
        format!("{id}-{:x}", hash.finish())
    }
}

impl Reach {
    pub(super) fn new(dialer: Dialer, clock: Clock) -> Self {
        let targets = Targets::default();
        let connector = Connector {
            dialer,
            targets: Arc::clone(&targets),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_headers(200)
            .build(connector);
        Self {
            client,
            targets,
            upstreams: Arc::default(),
            pace: Arc::default(),
            clock,
        }
    }

    /// The order in which to ask.
    pub(super) fn order(&self, next: &[NextHop]) -> Vec<NextHop> {
        let upstreams = self.upstreams.lock();
        let upstreams = upstreams.unwrap_or_else(PoisonError::into_inner);
        upstreams.order(next, self.clock.now())
    }

    /// Sends a request, whose URI is a path and query, and returns the answer when its head came.
    pub(super) async fn ask(
        &self,
        target: &Target,
        mut request: Request<AnyBody>,
        deadline: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let pool = target.pool();
        self.remember(&pool, target);
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder().scheme("http").authority(pool.as_str());
        let Ok(uri) = uri
            .path_and_query(path.map_or("/".to_owned(), |path| path.to_string()))
            .build()
        else {
            return Err(Failure::NotReached);
        };
        *request.uri_mut() = uri;
        let begun = self.clock.now();
        let answer = match timeout(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(Failure::NotReached),
            Ok(Err(error)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "an upstream gave no answer"
                );
                Err(Failure::NoAnswer)
            }
            Err(_) => Err(Failure::TimedOut),
        };
        let upstreams = self.upstreams.lock();
        let mut upstreams = upstreams.unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(_) => {
                upstreams.succeeded(target.hop());
                let took = self.clock.now().saturating_sub(begun);
                self.pace.told(target.hop(), took);
            }
            Err(_) => upstreams.failed(target.hop(), self.clock.now()),
        }
        answer
    }

    /// How fast upstreams usually answer.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    fn remember(&self, pool: &str, target: &Target) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if !targets.contains_key(pool) {
            if targets.len() >= MAX_TARGETS {
                targets.clear();
            }
            targets.insert(pool.to_owned(), target.clone());
        }
    }
}

/// Dials what a pool's name stands for.
#[derive(Debug, Clone)]
struct Connector {
    dialer: Dialer,
    targets: Targets,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Conn>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Conn>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let target = {
            let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            uri.authority()
                .and_then(|pool| targets.get(pool.as_str()))
                .cloned()
        };
        let dialer = self.dialer.clone();
        Box::pin(async move {
            let dialed = match target {
                Some(Target::Origin(origin)) => dialer.dial(&origin, ONE_TRY).await,
                Some(Target::Edge(edge)) => dialer.dial_edge(&edge, Plane::Http, ONE_TRY).await,
                None => return Err(io::Error::from(io::ErrorKind::NotFound)),
            };
            match dialed {
                Ok(dialed) => Ok(TokioIo::new(dialed.conn)),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
