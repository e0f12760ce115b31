//! Settings for tests, made in one place.

use contract::client::{Client, StreamPassword};
use contract::directory::{Directory, DirectoryChanges};
use contract::id::{ClientId, ClusterId, EdgeId, KeyId, OriginId, RouteId, RuleId};
use contract::limit::Limits;
use contract::origin::{Origin, Reach};
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::route::{CacheSettings, LiveSettings, Route, RouteAction, RouteKind, StreamMode};
use contract::rule::{Effect, Rule};
use contract::secret::Secret;
use contract::snapshot::{EdgeState, Neighbor, Snapshot};
use contract::token::SigningKey;

use super::Door;
use crate::limit::{Gate, Limiter};

pub(crate) const ENCODER: ClientId = ClientId::from_bits(1);
pub(crate) const ORIGIN: OriginId = OriginId::from_bits(1);
pub(crate) const HERE: EdgeId = EdgeId::from_bits(1);

/// Settings with their directory.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) snapshot: Snapshot,
    pub(crate) directory: Directory,
    pub(crate) limiter: Option<Limiter>,
}

impl Settings {
    pub(crate) fn door(&self) -> Door<'_> {
        Door {
            snapshot: Some(&self.snapshot),
            directory: &self.directory,
            at_ms: 1_000_000,
            limits: self.limiter.as_ref().map(|limiter| Gate {
                limiter,
                now: std::time::Duration::from_secs(1),
            }),
        }
    }
}

pub(crate) fn route(id: u128, kind: RouteKind, app: &str) -> Route {
    Route {
        id: RouteId::from_bits(id),
        name: format!("{kind:?}").parse().expect("a good name"),
        enabled: true,
        order: 0,
        plane: Plane::Rtmp,
        kind,
        host: Pattern::any(),
        port: None,
        app: Pattern::parse(app).expect("a good pattern"),
        action: RouteAction::Serve,
        upstreams: vec![ORIGIN],
        rewrite: None,
        identity: Vec::new(),
        default_effect: Effect::Allow,
        webhook: None,
        mode: StreamMode::default(),
        live: LiveSettings::default(),
        cache: CacheSettings::default(),
        query: contract::query::QueryRule::default(),
        limits: Limits::default(),
    }
}

pub(crate) fn deny(conditions: serde_json::Value) -> Rule {
    Rule {
        id: RuleId::from_bits(1),
        name: "no".parse().expect("a good name"),
        enabled: true,
        order: 0,
        effect: Effect::Deny,
        conditions: serde_json::from_value(conditions).expect("good conditions"),
    }
}

/// One edge, one origin, a plain and an explicit route for all, a client with a stream password.
pub(crate) fn settings() -> Settings {
    let snapshot = Snapshot {
        edge: HERE,
        cluster: ClusterId::from_bits(1),
        edges: vec![Neighbor {
            id: HERE,
            name: "here".parse().expect("a good name"),
            cluster: ClusterId::from_bits(1),
            state: EdgeState::Active,
            rtmp: None,
            rtmps: None,
            http: None,
            limits: Limits::default(),
        }],
        origins: vec![Origin {
            id: ORIGIN,
            name: "studio".parse().expect("a good name"),
            address: "rtmp://origin.example".parse().expect("a good address"),
            reach: Reach::default(),
        }],
        routes: vec![
            route(1, RouteKind::Implicit, "live*"),
            route(2, RouteKind::Explicit, "live*"),
        ],
        rules: Vec::new(),
        key_sets: Vec::new(),
        webhooks: Vec::new(),
        keys: vec![SigningKey {
            id: KeyId::from_bits(1),
            secret: Secret::new("0123456789abcdef0123456789abcdef"),
        }],
    };
    let mut directory = Directory::default();
    let client = Client {
        id: ENCODER,
        name: "encoder".parse().expect("a good name"),
        enabled: true,
        groups: Vec::new(),
        networks: Vec::new(),
        stream_password: Some(StreamPassword::new("encoder", "somesalt12345678", "right")),
        limits: Limits::default(),
    };
    directory
        .apply(DirectoryChanges {
            until: 1,
            whole: true,
            clients: vec![client],
            ..DirectoryChanges::default()
        })
        .expect("a whole directory");
    Settings {
        snapshot,
        directory,
        limiter: None,
    }
}
