//! A route into its form and back.
//!
//! Invariant: a route that goes into the form and is sent unchanged comes out the same.

use contract::id::OriginId;
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::query::{QueryParts, QueryRule};
use contract::rule::Effect;

use crate::app::Error;
use crate::app::routes::{
    CacheSettings, IdentityKind, LiveSettings, Route, RouteAction, RouteKind, Scoped,
    SecondPublisher, StreamMode,
};
use crate::console::form::Form;
use crate::console::limits;

/// The form of this route.
pub(super) fn filled(Scoped { cluster, it }: &Scoped<Route>) -> Form {
    let mut form = Form::default()
        .with("name", &it.name)
        .with(
            "cluster",
            cluster.map_or_else(String::new, |id| id.to_string()),
        )
        .with("order", it.order)
        .with("plane", it.plane.as_str())
        .with(
            "kind",
            match it.kind {
                RouteKind::Explicit => "explicit",
                RouteKind::Implicit => "implicit",
            },
        )
        .with("host", &it.host)
        .with(
            "port",
            it.port.map_or_else(String::new, |port| port.to_string()),
        )
        .with("app", &it.app)
        .with(
            "action",
            match it.action {
                RouteAction::Serve => "serve",
                RouteAction::Reject => "reject",
            },
        )
        .with_all("upstreams", &it.upstreams)
        .with("rewrite", it.rewrite.as_deref().unwrap_or_default())
        .with_all("identity", it.identity.iter().map(|kind| kind.as_str()))
        .with("default_effect", it.default_effect.as_str())
        .with(
            "webhook",
            it.webhook.map_or_else(String::new, |id| id.to_string()),
        )
        .with("mode", it.mode.as_str())
        .with("wait_ms", it.live.wait_ms)
        .with("linger_ms", it.live.linger_ms)
        .with("hold_ms", it.live.hold_ms)
        .with("second_publisher", it.live.second_publisher.as_str())
        .with("gather_ms", it.live.gather_ms)
        .with("default_ttl_ms", it.cache.default_ttl_ms)
        .with("negative_ttl_ms", it.cache.negative_ttl_ms)
        .with("max_object_bytes", it.cache.max_object_bytes)
        .with("query_parts", it.query.parts.as_str())
        .with("query_names", it.query.names.join("\n"));
    form = limits::filled(form, &it.limits);
    for (name, given) in [
        ("enabled", it.enabled),
        ("cache_enabled", it.cache.enabled),
        ("query_sorted", it.query.sorted),
    ] {
        if given {
            form = form.with(name, "on");
        }
    }
    form
}

const COUNT: &str = "a whole number of 0 or more";

/// The route that stands in a form; what is wrong is marked at its field.
pub(super) fn read(form: &mut Form, present: &Scoped<Route>) -> Option<Scoped<Route>> {
    let name = form.take("name");
    let cluster = form.take_optional("cluster");
    let order = form.take_number("order", "a whole number");
    let port = (!form.value("port").trim().is_empty())
        .then(|| form.take_number("port", "a number from 1 to 65535, or empty for any"));
    let host = form.take::<Pattern>("host");
    let app = form.take::<Pattern>("app");
    let webhook = form.take_optional("webhook");
    let upstreams: Vec<OriginId> = form.take_list("upstreams");
    let rewrite = form.value("rewrite").trim().to_owned();
    let live = LiveSettings {
        wait_ms: form.take_number("wait_ms", COUNT).unwrap_or_default(),
        linger_ms: form.take_number("linger_ms", COUNT).unwrap_or_default(),
        hold_ms: form.take_number("hold_ms", COUNT).unwrap_or_default(),
        second_publisher: SecondPublisher::ALL
            .into_iter()
            .find(|one| form.has("second_publisher", one.as_str()))
            .unwrap_or_default(),
        gather_ms: form.take_number("gather_ms", COUNT).unwrap_or_default(),
    };
    let cache = CacheSettings {
        enabled: form.has("cache_enabled", "on"),
        default_ttl_ms: form
            .take_number("default_ttl_ms", COUNT)
            .unwrap_or_default(),
        negative_ttl_ms: form
            .take_number("negative_ttl_ms", COUNT)
            .unwrap_or_default(),
        max_object_bytes: form
            .take_number(
                "max_object_bytes",
                "a number of bytes, 0 for off or -1 for unlimited",
            )
            .unwrap_or_default(),
    };
    let query = QueryRule {
        parts: QueryParts::ALL
            .into_iter()
            .find(|parts| form.has("query_parts", parts.as_str()))
            .unwrap_or_default(),
        names: form.take_list("query_names"),
        sorted: form.has("query_sorted", "on"),
    };
    let limits = limits::read(form);
    if !form.is_sound() {
        return None;
    }
    let it = Route {
        id: present.it.id,
        name: name?,
        enabled: form.has("enabled", "on"),
        order: order?,
        plane: if form.has("plane", "http") {
            Plane::Http
        } else {
            Plane::Rtmp
        },
        kind: if form.has("kind", "explicit") {
            RouteKind::Explicit
        } else {
            RouteKind::Implicit
        },
        host: host?,
        port: port.flatten(),
        app: app?,
        action: if form.has("action", "reject") {
            RouteAction::Reject
        } else {
            RouteAction::Serve
        },
        upstreams,
        rewrite: (!rewrite.is_empty()).then_some(rewrite),
        identity: IdentityKind::ALL
            .into_iter()
            .filter(|kind| form.has("identity", kind.as_str()))
            .collect(),
        default_effect: if form.has("default_effect", "allow") {
            Effect::Allow
        } else {
            Effect::Deny
        },
        webhook,
        mode: StreamMode::ALL
            .into_iter()
            .find(|one| form.has("mode", one.as_str()))
            .unwrap_or_default(),
        live,
        cache,
        query,
        limits,
    };
    Some(Scoped { cluster, it })
}

/// A fault as the contract names its field, at the field of the form.
pub(super) fn at_its_field(error: Error) -> Error {
    match error {
        Error::Invalid(mut faults) => {
            for fault in &mut faults {
                if fault.field.starts_with("limits.") {
                    continue;
                }
                if let Some(part) = fault.field.strip_prefix("query.") {
                    fault.field = format!("query_{part}");
                } else if let Some((_, last)) = fault.field.rsplit_once('.') {
                    fault.field = last.to_owned();
                }
            }
            Error::Invalid(faults)
        }
        other @ (Error::NotFound { .. }
        | Error::Unknown
        | Error::Denied { .. }
        | Error::Conflict { .. }
        | Error::Busy { .. }
        | Error::Internal(_)) => other,
    }
}
