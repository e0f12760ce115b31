//! Values for tests, made in one place, so that a new field edits one file.

use crate::address::Requested;
use crate::client::Client;
use crate::facts::{Action, Facts, Proof};
use crate::id::{ClientId, ClusterId, EdgeId, KeyId, OriginId, RouteId, RuleId};
use crate::limit::Limits;
use crate::origin::{Origin, Reach};
use crate::pattern::Pattern;
use crate::protocol::{Ingress, Plane};
use crate::route::{CacheSettings, LiveSettings, Route, RouteAction, RouteKind, StreamMode};
use crate::rule::{Effect, Rule};
use crate::secret::Secret;
use crate::snapshot::{EdgeState, Neighbor, Snapshot};
use crate::token::SigningKey;

pub(crate) const HERE: EdgeId = EdgeId::from_bits(1);
pub(crate) const THERE: EdgeId = EdgeId::from_bits(2);
pub(crate) const CLUSTER: ClusterId = ClusterId::from_bits(1);
pub(crate) const ORIGIN: OriginId = OriginId::from_bits(1);
pub(crate) const IMPLICIT: RouteId = RouteId::from_bits(1);
pub(crate) const EXPLICIT: RouteId = RouteId::from_bits(2);

pub(crate) fn signing_key() -> SigningKey {
    SigningKey {
        id: KeyId::from_bits(1),
        secret: Secret::new("0123456789abcdef0123456789abcdef"),
    }
}

pub(crate) fn play_facts(app: &str, stream: &str) -> Facts {
    Facts {
        at_ms: 1_000,
        addr: std::net::IpAddr::from([192, 0, 2, 1]),
        ingress: Ingress::Rtmp,
        host: "edge.example".to_owned(),
        port: 1935,
        action: Some(Action::Play),
        requested: Requested::parse(app, Some(stream)).expect("a fixture names a good address"),
        page_url: None,
        swf_url: None,
        user_agent: None,
        proof: Proof::None,
        admitted_ms: None,
        hop: None,
        client: None,
        groups: Vec::new(),
    }
}

pub(crate) fn rule() -> Rule {
    Rule {
        id: RuleId::from_bits(1),
        name: "a rule".parse().expect("a fixture's name is good"),
        enabled: true,
        order: 0,
        effect: Effect::Allow,
        conditions: Vec::new(),
    }
}

pub(crate) fn client(id: u128, name: &str) -> Client {
    Client {
        id: ClientId::from_bits(id),
        name: name.parse().expect("a fixture's name is good"),
        enabled: true,
        groups: Vec::new(),
        networks: Vec::new(),
        stream_password: None,
        limits: Limits::default(),
    }
}

pub(crate) fn route(id: RouteId, kind: RouteKind) -> Route {
    Route {
        id,
        name: format!("{kind:?}")
            .parse()
            .expect("a fixture's name is good"),
        enabled: true,
        order: 0,
        plane: Plane::Rtmp,
        kind,
        host: Pattern::any(),
        port: None,
        app: Pattern::parse("live*").expect("a fixture's pattern is good"),
        action: RouteAction::Serve,
        upstreams: vec![ORIGIN],
        rewrite: None,
        identity: Vec::new(),
        default_effect: Effect::Deny,
        webhook: None,
        mode: StreamMode::default(),
        live: LiveSettings::default(),
        cache: CacheSettings::default(),
        query: crate::query::QueryRule::default(),
        limits: Limits::default(),
    }
}

fn neighbor(id: EdgeId, name: &str) -> Neighbor {
    Neighbor {
        id,
        name: name.parse().expect("a fixture's name is good"),
        cluster: CLUSTER,
        state: EdgeState::Active,
        rtmp: Some(
            format!("{name}.example:1935")
                .parse()
                .expect("a fixture's address is good"),
        ),
        rtmps: None,
        http: None,
        limits: Limits::default(),
    }
}

/// Two edges, one origin, an implicit and an explicit route for `live*`, one rule that allows all.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        edge: HERE,
        cluster: CLUSTER,
        edges: vec![neighbor(HERE, "here"), neighbor(THERE, "there")],
        origins: vec![Origin {
            id: ORIGIN,
            name: "studio".parse().expect("a fixture's name is good"),
            address: "rtmp://origin.example"
                .parse()
                .expect("a fixture's address is good"),
            reach: Reach::default(),
        }],
        routes: vec![
            route(IMPLICIT, RouteKind::Implicit),
            route(EXPLICIT, RouteKind::Explicit),
        ],
        rules: vec![rule()],
        key_sets: Vec::new(),
        webhooks: Vec::new(),
        keys: vec![signing_key()],
    }
}
