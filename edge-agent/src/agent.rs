//! The agent: starts everything an edge does, holds it, and stops it.
//!
//! Settings from disk are in force before the first listener opens, so that an edge that starts
//! while the server is away serves at once and with the same decisions.

mod purges;
mod watched;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract::address::HostPort;
use contract::id::EdgeId;
use contract::name::Name;
use contract::reason::Reason;
use contract::report::Listeners;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::context::Context;
use crate::control::{self, Control, ControlError, Credential, JoinError, Parts};
use crate::dial::Dialer;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::listen::RtmpDoor;
use crate::recorded::Recordings;
use crate::sessions::Sessions;
use crate::status;
use crate::stop::Stop;
use crate::store::{Size, Store, StoreConfig};
use crate::streams::Streams;
use crate::tls::Certificates;
use crate::web::Web;
use crate::webhook::Webhooks;
use purges::Purges;
use watched::EdgeWatched;

/// The folder of recorded streams, below the data directory.
const STORE: &str = "store";
/// The folder of the session log, below the data directory.
const JOURNAL: &str = "session-log";
/// The folder of HTTP answers.
const WEB_STORE: &str = "store-http";
/// How long tasks may take to end after they were cut off.
const CUT: Duration = Duration::from_secs(5);

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The link cannot be opened.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// An address cannot be listened on.
    #[error("cannot listen on `{0}`")]
    Listen(SocketAddr, #[source] io::Error),
    /// The session log's writer cannot be started.
    #[error("the writer of the session log cannot be started")]
    SessionLog(#[source] io::Error),
}

/// Where an edge listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// RTMP.
    pub rtmp: Option<SocketAddr>,
    /// RTMP inside TLS.
    pub rtmps: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// Health and metrics.
    pub status: Option<SocketAddr>,
}

/// A running edge.
#[derive(Debug)]
pub struct Agent {
    credential: Credential,
    addresses: Addresses,
    sessions: Sessions,
    certificates: Certificates,
    recordings: Recordings,
    web: Web,
    stop: Stop,
    /// What serves clients.
    serving: JoinSet<()>,
    /// What speaks with the server and of this edge's health; it ends after the sessions, to
    /// report how they ended.
    link: JoinSet<()>,
    link_done: CancellationToken,
}

/// Joins the fleet with a token from the console; what it learns is kept in `data_dir`.
///
/// # Errors
/// Any of [`JoinError`].
pub async fn join(
    data_dir: &Path,
    token: &str,
    name: Option<Name>,
) -> Result<Credential, JoinError> {
    control::join(data_dir, token, name, Listeners::default()).await
}

impl Agent {
    /// Starts an edge that has joined.
    ///
    /// # Errors
    /// [`AgentError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, AgentError> {
        let control = Control::open(&config.data_dir)?;
        let credential = control.credential().clone();
        let rtmp = listen(config.rtmp).await?;
        let rtmps = listen(config.rtmps).await?;
        let http = listen(config.http).await?;
        let status = listen(config.status).await?;
        let addresses = Addresses {
            rtmp: address(rtmp.as_ref()),
            rtmps: address(rtmps.as_ref()),
            http: address(http.as_ref()),
            status: address(status.as_ref()),
        };
        let stop = Stop::new();
        let clock = Clock::new();
        let limits = Limits::new(clock);
        let journal = Journal::open(config.data_dir.join(JOURNAL), &config.session_log)
            .map_err(AgentError::SessionLog)?;
        let sessions = Sessions::new(control.totals(), journal);
        let dialer = Dialer::new();
        let store = open_store(&config, STORE, config.store_memory).await;
        let web_disk = open_store(&config, WEB_STORE, Size::Off).await;
        let context = Context {
            recordings: Recordings::new(store),
            settings: control.settings(),
            sessions: sessions.clone(),
            totals: sessions.totals().clone(),
            streams: Streams::default(),
            webhooks: Webhooks::new(dialer.clone()),
            dialer,
            limits: limits.clone(),
            clock,
            stop: stop.clone(),
        };
        let certificates = Certificates::open(config.certificates.clone());
        let mut serving = JoinSet::new();
        if !config.certificates.is_empty() {
            serving.spawn(certificates.clone().keep_fresh(stop.clone()));
        }
        let door = RtmpDoor::new(context.clone());
        if let Some(listener) = rtmp {
            serving.spawn(door.clone().serve(listener, None));
        }
        if let Some(listener) = rtmps {
            // RTMP has no name for ALPN.
            let tls = certificates.server_config(&[]);
            serving.spawn(door.serve(listener, Some(tls)));
        }
        let web = Web::new(context.clone(), web_disk);
        if let Some(listener) = http {
            serving.spawn(web.clone().serve(listener));
        }
        let link_done = CancellationToken::new();
        let state = control.state();
        let parts = Parts {
            sessions: sessions.clone(),
            streams: context.streams.clone(),
            dialer: context.dialer.clone(),
            purger: Arc::new(Purges {
                web: web.clone(),
                recordings: context.recordings.clone(),
            }),
            faults: certificates.faults(),
            listeners: listeners(&config, addresses, &credential.server),
            grace: config.grace,
            limits,
        };
        let recordings = context.recordings.clone();
        let mut link = control.spawn(parts, &link_done);
        if let Some(every) = config.session_log.checkpoint {
            let (told, done) = (sessions.clone(), link_done.clone());
            link.spawn(async move {
                done.run_until_cancelled(told.checkpoints(every)).await;
            });
        }
        if let Some(listener) = status {
            let watched = EdgeWatched {
                context,
                link: state,
                web: web.clone(),
            };
            link.spawn(status::serve(listener, Arc::new(watched), stop.clone()));
        }
        tracing::info!(edge.id = %credential.edge, "edge started");
        Ok(Self {
            credential,
            addresses,
            sessions,
            certificates,
            recordings,
            web,
            stop,
            serving,
            link,
            link_done,
        })
    }

    /// Who this edge is.
    #[must_use]
    pub fn id(&self) -> EdgeId {
        self.credential.edge
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Reads its certificates again, soon.
    pub fn reload(&self) {
        self.certificates.reload();
    }

    /// Stops: takes nothing new, gives what is under way `grace` to end, then ends it, reports a
    /// last time and keeps the totals.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.begin();
        self.sessions.kick_all(Reason::EdgeStopping);
        let ended = async { while self.serving.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            tracing::warn!(
                sessions = self.sessions.count(),
                "the grace is over: sessions are cut off"
            );
        }
        self.stop.cut();
        drain(&mut self.serving).await;
        let settled = async { tokio::join!(self.recordings.settle(), self.web.settle()) };
        if timeout(CUT, settled).await.is_err() {
            tracing::warn!("not everything that was stored reached the disk");
        }
        self.link_done.cancel();
        drain(&mut self.link).await;
        if let Some(journal) = self.sessions.journal()
            && timeout(CUT, journal.finish()).await.is_err()
        {
            tracing::warn!("not all of the session log reached the disk");
        }
        tracing::info!(edge.id = %self.credential.edge, "edge stopped");
    }
}

/// Opens a store, which reads what is on its disk. Without one the edge serves all the same.
async fn open_store(config: &Config, folder: &str, memory: Size) -> Store {
    let config = StoreConfig {
        memory,
        disk: config.store_disk,
        folder: config.data_dir.join(folder),
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(&config)).await;
    opened.unwrap_or_else(|_| Store::nothing())
}

async fn drain(tasks: &mut JoinSet<()>) {
    let ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(CUT, ended).await.is_err() {
        tasks.abort_all();
    }
}

async fn listen(at: Option<SocketAddr>) -> Result<Option<TcpListener>, AgentError> {
    let Some(at) = at else { return Ok(None) };
    match TcpListener::bind(at).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(AgentError::Listen(at, error)),
    }
}

fn address(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}

fn listeners(config: &Config, addresses: Addresses, server: &str) -> Listeners {
    let reached = |advertised: &Option<HostPort>, bound: Option<SocketAddr>| {
        advertised.clone().or_else(|| {
            let bound = bound?;
            let ip = if bound.ip().is_unspecified() {
                outward(server).unwrap_or(bound.ip())
            } else {
                bound.ip()
            };
            Some(HostPort {
                host: ip.to_string(),
                port: bound.port(),
            })
        })
    };
    Listeners {
        rtmp: reached(&config.advertise_rtmp, addresses.rtmp),
        rtmps: reached(&config.advertise_rtmps, addresses.rtmps),
        http: reached(&config.advertise_http, addresses.http),
    }
}

/// The address of this machine on its way to the server: a connected UDP socket has chosen one,
/// and sends nothing.
fn outward(server: &str) -> Option<IpAddr> {
    let url: url::Url = server.parse().ok()?;
    let at = (url.host_str()?, url.port_or_known_default()?);
    let server = at.to_socket_addrs().ok()?.next()?;
    let unspecified: SocketAddr = if server.is_ipv6() {
        ([0_u16; 8], 0).into()
    } else {
        ([0, 0, 0, 0], 0).into()
    };
    let socket = UdpSocket::bind(unspecified).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
