//! Routes: what a request matches, and where it goes from there.

use serde::{Deserialize, Serialize};

use crate::fault::FieldFault;
use crate::id::{OriginId, RouteId, WebhookId};
use crate::limit::Limits;
use crate::name::{AppName, Name};
use crate::pattern::Pattern;
use crate::protocol::Plane;
use crate::query::QueryRule;
use crate::rule::Effect;

/// One route of a cluster. Routes are tried by `order`, then by id; the first that matches is
/// taken, and if none does the request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// What people call it.
    pub name: Name,
    /// A route that is not enabled matches nothing.
    pub enabled: bool,
    /// Lower is tried first.
    pub order: i64,
    /// RTMP or HTTP.
    pub plane: Plane,
    /// Whether the client names the origin itself.
    pub kind: RouteKind,
    /// Which host name the client used.
    pub host: Pattern,
    /// Which port the client used; `None` means any.
    pub port: Option<u16>,
    /// For RTMP the application (`live`, `live/*`); for HTTP the path without its first slash.
    pub app: Pattern,
    /// What becomes of requests that match.
    pub action: RouteAction,
    /// The origins, in the order in which they are tried. An explicit route reaches only these.
    pub upstreams: Vec<OriginId>,
    /// The application (or path) to ask the origin for; `*` stands for what the pattern's only `*`
    /// matched. `None` passes it on as it came.
    pub rewrite: Option<String>,
    /// How a client must prove who it is. Empty means that it need not: clients that nothing
    /// identifies go on to the rules as unknown.
    pub identity: Vec<IdentityKind>,
    /// What holds when no rule decides.
    pub default_effect: Effect,
    /// The application that is asked whom rules let in; `None` asks nobody.
    #[serde(default)]
    pub webhook: Option<WebhookId>,
    /// What its RTMP streams are.
    #[serde(default)]
    pub mode: StreamMode,
    /// How live streams wait, linger, change publishers and are written.
    pub live: LiveSettings,
    /// What is cached, for HTTP.
    pub cache: CacheSettings,
    /// What of the query tells one stored answer from another, for HTTP.
    #[serde(default)]
    pub query: QueryRule,
    /// What it may have at once, over the whole cluster.
    #[serde(default)]
    pub limits: Limits,
}

/// Whether the client names the origin itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// The client's URL names an origin: `rtmp://edge/?rtmp://origin/app/stream`.
    Explicit,
    /// The client knows only the edge's name.
    Implicit,
}

/// What becomes of a request that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteAction {
    /// Go on to identity, rules and assignment.
    Serve,
    /// Refuse.
    Reject,
}

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// The address lies in a network of a registered client.
    Network,
    /// `authmod=adobe` for RTMP, Basic for HTTP.
    StreamPassword,
    /// A signed token in the query.
    PlayToken,
}

impl IdentityKind {
    /// Every variant, for forms.
    pub const ALL: [Self; 3] = [Self::Network, Self::StreamPassword, Self::PlayToken];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::StreamPassword => "stream_password",
            Self::PlayToken => "play_token",
        }
    }

    /// How people say it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Network => "by network",
            Self::StreamPassword => "by stream password",
            Self::PlayToken => "by play token",
        }
    }
}

/// What the streams of an RTMP route are (laws.md, 3.6 and 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// Streams somebody publishes: one relay for all viewers.
    #[default]
    Live,
    /// Streams that have an end and can be sought: stored on the edge part by part.
    Recorded,
    /// Live first; recorded when nobody publishes after the wait.
    Ask,
    /// One upstream session per client, everything carried both ways. Who may connect is decided at
    /// `connect`: a rule that asks for the stream or the action does not hold there, and is read when
    /// a stream is asked for.
    Tunnel,
}

impl StreamMode {
    /// Every variant, for forms.
    pub const ALL: [Self; 4] = [Self::Live, Self::Recorded, Self::Ask, Self::Tunnel];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Recorded => "recorded",
            Self::Ask => "ask",
            Self::Tunnel => "tunnel",
        }
    }

    /// How people say it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Live => "Live: one relay for all viewers",
            Self::Recorded => "Recorded: stored here, with seeking",
            Self::Ask => "Ask: live first, recorded when nobody publishes",
            Self::Tunnel => "Tunnel: one session upstream for each client",
        }
    }
}

/// What becomes of a client that wants to publish what another client of the edge publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondPublisher {
    /// It is refused as long as the first one is connected.
    Refuse,
    /// It takes over if the first one does not answer a ping within 2 s.
    #[default]
    Ping,
    /// It takes over at once.
    TakeOver,
}

impl SecondPublisher {
    /// Every variant, for forms.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Ping, Self::TakeOver];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Ping => "ping",
            Self::TakeOver => "take_over",
        }
    }

    /// How people say it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Refuse => "It is refused",
            Self::Ping => "It takes over if the first does not answer a ping",
            Self::TakeOver => "It takes over at once",
        }
    }
}

/// How live streams of a route wait, linger, change publishers and are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// How long a viewer waits for a publisher before `NetStream.Play.StreamNotFound`.
    pub wait_ms: u32,
    /// How long a relay stays after its last viewer has gone.
    pub linger_ms: u32,
    /// How long viewers stay when their publisher is gone, for it to come back.
    pub hold_ms: u32,
    /// What becomes of a second publisher.
    pub second_publisher: SecondPublisher,
    /// The latency budget of writing: media is gathered for so long. 0 writes on each video frame,
    /// with audio riding along.
    pub gather_ms: u32,
}

impl LiveSettings {
    /// The longest wait: all tries stay under the 10 s that curl is patient (clients.md).
    pub const MAX_WAIT_MS: u32 = 9_000;
    /// The longest lingering; chosen, because a relay nobody watches costs the origin its bytes.
    pub const MAX_LINGER_MS: u32 = 600_000;
    /// The longest holding; chosen, because nobody watches a picture that stands for longer.
    pub const MAX_HOLD_MS: u32 = 120_000;
    /// The longest gathering; chosen, because a ring holds a few seconds only.
    pub const MAX_GATHER_MS: u32 = 1_000;
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            wait_ms: 3_000,
            linger_ms: 5_000,
            hold_ms: 5_000,
            second_publisher: SecondPublisher::Ping,
            gather_ms: 0,
        }
    }
}

/// What an HTTP route stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Whether anything is stored; every answer is a `Bypass` otherwise.
    pub enabled: bool,
    /// Freshness for answers that may be stored and say nothing of it; 0 guesses a tenth of the
    /// time since they were modified (RFC 9111, section 4.2.2), and confirms what does not say when.
    pub default_ttl_ms: u32,
    /// Freshness for answers that there is nothing (404, 405, 410, 414, 501) that say nothing of it;
    /// 0 treats them by RFC 9111 alone.
    pub negative_ttl_ms: u32,
    /// Largest stored object in bytes; 0 is off, -1 is unlimited.
    pub max_object_bytes: i64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            default_ttl_ms: 0,
            negative_ttl_ms: 0,
            max_object_bytes: 64 << 20,
        }
    }
}

impl Route {
    /// Whether a plain request for this host, port and application (or path) matches.
    #[must_use]
    pub fn matches(&self, plane: Plane, host: &str, port: u16, app: &str) -> bool {
        self.enabled
            && self.plane == plane
            && self.host.matches_host(host)
            && self.port.is_none_or(|wanted| wanted == port)
            && self.app.matches(app)
    }

    /// The application (or path) to ask the origin for.
    #[must_use]
    pub fn rewritten(&self, app: &str) -> String {
        let Some(rewrite) = &self.rewrite else {
            return app.to_owned();
        };
        if !rewrite.contains('*') {
            return rewrite.clone();
        }
        rewrite.replacen('*', self.app.only_star(app).unwrap_or_default(), 1)
    }

    /// What is wrong with the route by itself, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut wrong = |field: &str, message: &str| faults.push(FieldFault::new(field, message));
        if self.action == RouteAction::Serve && self.upstreams.is_empty() {
            wrong("upstreams", "a route that serves needs at least one origin");
        }
        if self.kind == RouteKind::Explicit && self.plane == Plane::Http {
            wrong("kind", "explicit routes are for RTMP");
        }
        if self.kind == RouteKind::Explicit && self.rewrite.is_some() {
            wrong(
                "rewrite",
                "an explicit route passes the application on as the client names it",
            );
        }
        if let Some(rewrite) = &self.rewrite {
            let stars = |text: &str| text.matches('*').count();
            if stars(rewrite) > 1 || (stars(rewrite) == 1 && stars(self.app.as_str()) != 1) {
                wrong(
                    "rewrite",
                    "`*` may stand once, and only if the application pattern has exactly one",
                );
            }
            if let Err(error) = AppName::parse(&rewrite.replace('*', "x")) {
                wrong("rewrite", &error.to_string());
            }
        }
        if self.port == Some(0) {
            wrong(
                "port",
                "a port is a number from 1 to 65535, or empty for any",
            );
        }
        if self.live.wait_ms > LiveSettings::MAX_WAIT_MS {
            wrong("live.wait_ms", "a viewer waits at most 9000 ms");
        }
        if self.live.linger_ms > LiveSettings::MAX_LINGER_MS {
            wrong("live.linger_ms", "a relay lingers at most 600000 ms");
        }
        if self.live.hold_ms > LiveSettings::MAX_HOLD_MS {
            wrong("live.hold_ms", "viewers are held at most 120000 ms");
        }
        if self.live.gather_ms > LiveSettings::MAX_GATHER_MS {
            wrong("live.gather_ms", "media is gathered for at most 1000 ms");
        }
        if self.cache.max_object_bytes < -1 {
            wrong(
                "cache.max_object_bytes",
                "a number of bytes, 0 for off or -1 for unlimited",
            );
        }
        faults.extend(self.query.faults());
        faults.extend(self.limits.faults());
        faults
    }
}
