//! A real edge with one HTTP route to one origin, and requests to it.

use std::net::SocketAddr;
use std::time::Duration;

use contract::counts::CacheCounts;
use contract::directory::DirectoryChanges;
use contract::id::{OriginId, RouteId};
use contract::origin::Origin as Record;
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::report::Report;
use contract::route::{CacheSettings, LiveSettings, Route, RouteAction, RouteKind, StreamMode};
use contract::rule::Effect;
use edge_agent::agent::{Agent, join};

use super::server::Server;
use super::{config, exchange, snapshot};

pub(crate) const ROUTE: RouteId = RouteId::from_bits(1);
pub(crate) const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

pub(crate) fn route(effect: Effect) -> Route {
    Route {
        id: ROUTE,
        name: "files".parse().unwrap(),
        enabled: true,
        order: 0,
        plane: Plane::Http,
        kind: RouteKind::Implicit,
        host: Pattern::any(),
        port: None,
        app: Pattern::parse("vod/*").unwrap(),
        action: RouteAction::Serve,
        upstreams: vec![OriginId::from_bits(1)],
        rewrite: None,
        identity: Vec::new(),
        default_effect: effect,
        webhook: None,
        mode: StreamMode::default(),
        live: LiveSettings::default(),
        cache: CacheSettings::default(),
        query: contract::query::QueryRule::default(),
        limits: Default::default(),
    }
}

/// An edge with one route to one origin.
pub(crate) struct Edge {
    pub(crate) server: Server,
    pub(crate) agent: Agent,
    pub(crate) http: SocketAddr,
    pub(crate) dir: tempfile::TempDir,
}

impl Edge {
    pub(crate) async fn start(origin: Record, route: Route) -> Self {
        let server = Server::start().await;
        server.publish(1, &snapshot(vec![origin], vec![route]));
        let dir = tempfile::tempdir().unwrap();
        join(dir.path(), &server.token(), None).await.unwrap();
        let agent = Agent::start(config(dir.path())).await.unwrap();
        server
            .report(|report| report.settings.applied.is_some())
            .await;
        let http = agent.addresses().http.unwrap();
        Self {
            server,
            agent,
            http,
            dir,
        }
    }

    /// Tells the edge of clients and assignments, and waits until it knows them.
    pub(crate) async fn know(&self, changes: DirectoryChanges) {
        let until = changes.until;
        self.server.change(changes);
        self.server.report(|report| report.directory == until).await;
    }

    /// Sends a request with these further lines; returns the head, in lower case, and the body.
    pub(crate) async fn ask(&self, method: &str, path: &str, lines: &str) -> (String, Vec<u8>) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: edge.example\r\nconnection: close\r\n{lines}\r\n"
        );
        let answer = exchange(self.http, request.as_bytes()).await;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("no answer");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head.to_ascii_lowercase(), answer[end + 4..].to_vec())
    }

    /// The route's counts, once they fit.
    pub(crate) async fn counts(&self, fits: impl Fn(&CacheCounts) -> bool) -> CacheCounts {
        let of = |report: &Report| report.totals.cache.get(&ROUTE).copied().unwrap_or_default();
        of(&self.server.report(|report| fits(&of(report))).await)
    }

    pub(crate) async fn stop(self) {
        self.agent.stop(Duration::from_secs(2)).await;
    }
}

#[track_caller]
pub(crate) fn has(head: &str, line: &str) {
    assert!(head.contains(line), "`{line}` is not in\n{head}");
}
