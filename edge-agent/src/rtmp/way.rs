//! The way to a stream: what the servers behind are asked, and as whom.

use std::time::Duration;

use contract::address::HostPort;
use contract::admit::Passage;
use contract::facts::Facts;
use contract::hop::{HOP_LIFETIME_MS, HOP_PROPERTY, Hop};
use contract::id::{EdgeId, RouteId};
use contract::name::StreamName;
use contract::report::HopTarget;
use contract::route::{CacheSettings, LiveSettings, RouteAction, StreamMode};
use contract::routing::{self, NextHop, Routed, Routing};
use contract::snapshot::Snapshot;
use edge_core::session::{Session, Wanted};
use rtmp::amf::Properties;
use rtmp::client::ConnectOptions;

use crate::clock::now_ms;
use crate::live::HubKey;
use crate::recorded::RecordingKey;
use crate::sessions;

/// The way to a stream.
#[derive(Debug, Clone)]
pub(super) struct Way {
    passage: Passage,
    /// The host and port that the client used, where the next edge routes by them.
    host: Option<(String, u16)>,
    stream: StreamName,
    query: Option<String>,
    /// What the client can do beyond the old format.
    offers: Properties,
    hop: Hop,
    /// By what its route is found again; `None` for a client that is carried to where it belongs, which
    /// counts when it comes next.
    asked: Option<Facts>,
    /// How the stream's route waits and lingers.
    pub(super) live: LiveSettings,
    /// What its route's streams are.
    pub(super) mode: StreamMode,
    /// What its route stores of recorded streams.
    pub(super) cache: CacheSettings,
}

impl Way {
    /// The way of a client that was just admitted.
    pub(super) fn new(
        wanted: Wanted,
        session: &Session,
        record: &sessions::Session,
        snapshot: &Snapshot,
    ) -> Option<Self> {
        let facts = session.facts()?;
        let route = snapshot.routes.iter();
        let (live, mode, cache) = route
            .clone()
            .find(|route| route.id == wanted.passage.route)
            .map(|route| (route.live, route.mode, route.cache))
            .unwrap_or_default();
        let is_its_own = facts.requested.stream.as_ref() == Some(&wanted.stream);
        Some(Self {
            asked: (!wanted.relayed && is_its_own).then(|| facts.clone()),
            host: wanted.relayed.then(|| (facts.host.clone(), facts.port)),
            stream: wanted.stream,
            query: wanted.query,
            offers: wanted.offers,
            hop: hop_of(session, record, snapshot)?,
            passage: wanted.passage,
            live,
            mode,
            cache,
        })
    }

    /// The same way as the settings say it now; `None` where they lead nowhere, which is for its clients to
    /// hear.
    pub(super) fn renewed(&self, snapshot: Option<&Snapshot>) -> Option<Self> {
        let snapshot = snapshot?;
        let Some(asked) = &self.asked else {
            let route = snapshot.routes.iter();
            let live = route
                .clone()
                .find(|route| route.id == self.passage.route)?
                .live;
            return Some(Self {
                live,
                ..self.clone()
            });
        };
        let Routing::Routed(Routed { route, next, app }) = routing::route(snapshot, asked) else {
            return None;
        };
        let serves = route.action == RouteAction::Serve && !next.is_empty();
        serves.then(|| Self {
            passage: Passage {
                route: route.id,
                next,
                app,
            },
            live: route.live,
            mode: route.mode,
            cache: route.cache,
            ..self.clone()
        })
    }

    /// Whether servers are asked for the same stream in the same words.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        self.passage.app == other.passage.app && self.host == other.host
    }

    /// Whom to ask, as the route says.
    pub(super) fn next(&self) -> &[NextHop] {
        &self.passage.next
    }

    /// How long viewers stay when their publisher is gone.
    pub(super) fn hold(&self) -> Duration {
        Duration::from_millis(self.live.hold_ms.into())
    }

    /// What tells this stream from others; `None` where the route names nobody.
    pub(super) fn key(&self) -> Option<HubKey> {
        Some(HubKey {
            route: self.passage.route,
            next: *self.passage.next.first()?,
            host: self.host.clone(),
            app: self.passage.app.clone(),
            stream: self.stream.clone(),
        })
    }

    /// The route by which it goes.
    pub(super) fn route(&self) -> RouteId {
        self.passage.route
    }

    /// What tells this stream from others where it is a recorded one.
    pub(super) fn recording_key(&self) -> Option<RecordingKey> {
        Some(RecordingKey {
            next: *self.passage.next.first()?,
            host: self.host.clone(),
            app: self.passage.app.clone(),
            stream: self.stream.clone(),
        })
    }

    /// The stream to play. All viewers share one relay, so none of their queries goes with it.
    pub(super) fn play_name(&self) -> &str {
        self.stream.as_str()
    }

    /// The stream to publish, with the publisher's query.
    pub(super) fn publish_name(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.stream),
            None => self.stream.to_string(),
        }
    }

    /// How to connect to an origin at this address.
    pub(super) fn to_origin(&self, address: &impl std::fmt::Display) -> ConnectOptions {
        let app = self.passage.app.as_str();
        let mut options = ConnectOptions::new(app, &format!("{address}/{app}"));
        options.extra.clone_from(&self.offers);
        options
    }

    /// How to connect to another edge of ours, which hears who the client is.
    pub(super) fn to_edge(&self, at: &HostPort, snapshot: &Snapshot) -> Option<ConnectOptions> {
        let app = self.passage.app.as_str();
        let at = match &self.host {
            Some((host, port)) => HostPort {
                host: host.clone(),
                port: *port,
            },
            None => at.clone(),
        };
        let hop = Hop {
            until_ms: now_ms() + HOP_LIFETIME_MS,
            ..self.hop.clone()
        };
        let signed = hop.sign(snapshot.keys.first()?);
        let mut options = ConnectOptions::new(app, &format!("rtmp://{at}/{app}"));
        options.extra.clone_from(&self.offers);
        options.extra.push((HOP_PROPERTY.to_owned(), signed.into()));
        Some(options)
    }
}

/// What another edge of ours is told of an admitted client; until when it holds is said with it.
pub(super) fn hop_of(
    session: &Session,
    record: &sessions::Session,
    snapshot: &Snapshot,
) -> Option<Hop> {
    let facts = session.facts()?;
    let mut edges: Vec<EdgeId> = Vec::new();
    if let Some(hop) = &facts.hop {
        edges.clone_from(&hop.edges);
    }
    edges.push(snapshot.edge);
    Some(Hop {
        edges,
        addr: facts.addr,
        client: record.record().client,
        session: Some(record.id()),
        until_ms: 0,
    })
}

/// A next hop as records name it.
pub(super) fn target(next: NextHop) -> HopTarget {
    match next {
        NextHop::Origin(origin) => HopTarget::Origin { origin },
        NextHop::Edge(edge) => HopTarget::Edge { edge },
    }
}
