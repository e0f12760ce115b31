//! Every metric of the agent, declared once: figures go in, Prometheus text comes out. Counters are
//! those of the reports, so that console and metrics never differ.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use contract::counts::{CacheCounts, Totals};
use contract::id::WebhookId;
use contract::limit::LimitKind;
use contract::reason::Reason;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why a connection was closed before it became a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TurnedAway {
    /// Its address has too many that are not admitted yet.
    Address,
    /// The edge has too many sessions.
    Sessions,
    /// The TLS handshake failed, or did not end in its time.
    Tls,
}

impl TurnedAway {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Address, Self::Sessions, Self::Tls];

    /// Its name in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Sessions => "sessions",
            Self::Tls => "tls",
        }
    }
}

/// What the metrics say at a moment.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What was counted since the edge was first started.
    pub totals: Totals,
    /// Sessions now.
    pub sessions: usize,
    /// Sessions that were let in and are over since the agent was started, by why.
    pub ended: Vec<(Reason, u64)>,
    /// Connections that were closed before they became sessions since then, by why.
    pub turned_away: Vec<(TurnedAway, u64)>,
    /// Records of ended sessions that no report took.
    pub forgotten: u64,
    /// Entries of the session log that could not be written.
    pub unlogged: u64,
    /// Sessions that a limit refused since this run began, by whose and which.
    pub limits: BTreeMap<(&'static str, LimitKind), u64>,
    /// Live streams now.
    pub streams: usize,
    /// Their viewers.
    pub viewers: u64,
    /// Tunnels now.
    pub tunnels: usize,
    /// Objects in the store.
    pub objects: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Recorded streams of which something is stored.
    pub recordings: u64,
    /// Their bytes, in memory and on disk.
    pub recording_bytes: u64,
    /// Stored parts that could not be written or read back since the start.
    pub store_faults: u64,
    /// The generation of the settings in force; 0 for none.
    pub generation: u64,
    /// The generation of the directory.
    pub directory: u64,
    /// Whether the server answered the last call.
    pub connected: bool,
    /// What applications were asked.
    pub webhooks: BTreeMap<WebhookId, WebhookCounts>,
    /// The server's clock minus ours.
    pub clock_offset_ms: i64,
}

/// What one application was asked since the agent began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Questions that were not answered by a kept answer.
    pub asked: u64,
    /// Of these: it let the client in.
    pub allowed: u64,
    /// Of these: it did not.
    pub denied: u64,
    /// Of these: there was no answer.
    pub silent: u64,
    /// Questions that a kept answer answered.
    pub cached: u64,
    /// How long sessions waited for answers, in all.
    pub spent: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLimit {
    of: Text,
    limit: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWebhook {
    webhook: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    webhook: Text,
    answer: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    route: Text,
    outcome: Text,
}

/// A label of a closed set, or an id that the server made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Text(String);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// The metrics as Prometheus text.
#[must_use]
pub fn render(figures: &Figures) -> String {
    let mut registry = Registry::with_prefix("weir_edge");
    sessions(&mut registry, figures);
    cache(&mut registry, figures);
    webhooks(&mut registry, figures);
    link(&mut registry, figures);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written");
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn sessions(registry: &mut Registry, figures: &Figures) {
    let totals = &figures.totals;
    gauge(
        registry,
        "sessions",
        "Client connections now",
        signed(figures.sessions),
    );
    gauge(
        registry,
        "streams",
        "Live streams carried now",
        signed(figures.streams),
    );
    gauge(
        registry,
        "viewers",
        "Viewers of live streams now",
        signed(figures.viewers),
    );
    gauge(
        registry,
        "tunnels",
        "Tunnels now: clients with a session of their own at a server behind",
        signed(figures.tunnels),
    );
    counter(
        registry,
        "sessions_admitted",
        "Sessions let in since the edge was first started",
        totals.sessions_admitted,
    );
    let refused = Family::<ByReason, Counter>::default();
    for (reason, count) in &totals.sessions_refused {
        let label = ByReason {
            reason: Text(reason.code().to_owned()),
        };
        refused.get_or_create(&label).inc_by(*count);
    }
    registry.register("sessions_refused", "Sessions refused, by reason", refused);
    let ended = Family::<ByReason, Counter>::default();
    for (reason, count) in &figures.ended {
        let label = ByReason {
            reason: Text(reason.code().to_owned()),
        };
        ended.get_or_create(&label).inc_by(*count);
    }
    registry.register(
        "sessions_ended",
        "Sessions that were let in and are over since the agent was started, by reason",
        ended,
    );
    let turned_away = Family::<ByReason, Counter>::default();
    for (why, count) in &figures.turned_away {
        let label = ByReason {
            reason: Text(why.code().to_owned()),
        };
        turned_away.get_or_create(&label).inc_by(*count);
    }
    registry.register(
        "connections_turned_away",
        "Connections closed before they became sessions since the agent was started, by reason",
        turned_away,
    );
    let limited = Family::<ByLimit, Counter>::default();
    for ((of, kind), count) in &figures.limits {
        let label = ByLimit {
            of: Text((*of).to_owned()),
            limit: Text(kind.as_str().to_owned()),
        };
        limited.get_or_create(&label).inc_by(*count);
    }
    registry.register(
        "limit_refusals",
        "Refusals by a limit since the agent was started, by whose and which limit it is",
        limited,
    );
    counter(
        registry,
        "received_bytes",
        "Bytes received from clients",
        totals.received_bytes,
    );
    counter(
        registry,
        "sent_bytes",
        "Bytes sent to clients",
        totals.sent_bytes,
    );
    counter(
        registry,
        "relays_opened",
        "Relays opened to origins and other edges",
        totals.relays_opened,
    );
    counter(
        registry,
        "session_records_forgotten",
        "Ended sessions that no report took",
        figures.forgotten,
    );
    counter(
        registry,
        "session_log_lost",
        "Entries of the session log that could not be written since the agent was started",
        figures.unlogged,
    );
}

fn cache(registry: &mut Registry, figures: &Figures) {
    let requests = Family::<ByOutcome, Counter>::default();
    let sent = Family::<ByRoute, Counter>::default();
    let fetched = Family::<ByRoute, Counter>::default();
    for (route, counts) in &figures.totals.cache {
        let route = Text(route.to_string());
        for (outcome, count) in outcomes(counts) {
            let label = ByOutcome {
                route: route.clone(),
                outcome: Text(outcome.to_owned()),
            };
            requests.get_or_create(&label).inc_by(count);
        }
        let label = ByRoute { route };
        sent.get_or_create(&label).inc_by(counts.sent_bytes);
        fetched.get_or_create(&label).inc_by(counts.fetched_bytes);
    }
    registry.register(
        "cache_requests",
        "HTTP requests, and plays and seeks of recorded streams, by route and outcome",
        requests,
    );
    registry.register(
        "cache_sent_bytes",
        "Bytes of bodies and recorded streams sent to clients, by route",
        sent,
    );
    registry.register(
        "cache_fetched_bytes",
        "Bytes of bodies and recorded streams received from origins, by route",
        fetched,
    );
    gauge(
        registry,
        "cache_objects",
        "Objects in the store",
        signed(figures.objects),
    );
    gauge(
        registry,
        "cache_stored_bytes",
        "Bytes in the store",
        signed(figures.stored_bytes),
    );
    gauge(
        registry,
        "recordings",
        "Recorded streams of which something is stored",
        signed(figures.recordings),
    );
    gauge(
        registry,
        "recordings_stored_bytes",
        "Bytes stored of recorded streams",
        signed(figures.recording_bytes),
    );
    counter(
        registry,
        "store_faults",
        "Stored parts that could not be written or read back",
        figures.store_faults,
    );
}

fn outcomes(counts: &CacheCounts) -> [(&'static str, u64); 6] {
    [
        ("hit", counts.hits),
        ("revalidated", counts.revalidated),
        ("stale", counts.stale),
        ("joined", counts.joined),
        ("miss", counts.misses),
        ("bypass", counts.bypasses),
    ]
}

fn webhooks(registry: &mut Registry, figures: &Figures) {
    let questions = Family::<ByAnswer, Counter>::default();
    let spent = Family::<ByWebhook, Counter<f64, AtomicU64>>::default();
    for (webhook, counts) in &figures.webhooks {
        let webhook = Text(webhook.to_string());
        for (answer, count) in [
            ("allowed", counts.allowed),
            ("denied", counts.denied),
            ("silent", counts.silent),
            ("cached", counts.cached),
        ] {
            let label = ByAnswer {
                webhook: webhook.clone(),
                answer: Text(answer.to_owned()),
            };
            questions.get_or_create(&label).inc_by(count);
        }
        let label = ByWebhook { webhook };
        spent
            .get_or_create(&label)
            .inc_by(counts.spent.as_secs_f64());
    }
    registry.register(
        "webhook_questions",
        "Questions to webhooks, by what came of them; cached ones were not sent",
        questions,
    );
    registry.register(
        "webhook_seconds",
        "How long sessions waited for webhooks",
        spent,
    );
}

fn link(registry: &mut Registry, figures: &Figures) {
    gauge(
        registry,
        "settings_generation",
        "Generation of the settings in force, 0 for none",
        signed(figures.generation),
    );
    gauge(
        registry,
        "directory_generation",
        "Generation of the directory of clients and assignments",
        signed(figures.directory),
    );
    gauge(
        registry,
        "server_connected",
        "Whether the server answered the last call",
        i64::from(figures.connected),
    );
    gauge(
        registry,
        "clock_offset_ms",
        "The server's clock minus this edge's, in milliseconds",
        figures.clock_offset_ms,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::id::RouteId;

    #[test]
    fn figures_stand_in_the_text_with_their_labels() {
        let mut figures = Figures {
            sessions: 3,
            ..Figures::default()
        };
        let totals = &mut figures.totals;
        totals.sessions_refused.insert(Reason::NoRoute, 2);
        figures.ended = vec![(Reason::TooSlow, 4)];
        figures.turned_away = vec![(TurnedAway::Address, 6)];
        let totals = &mut figures.totals;
        let route = RouteId::from_bits(1);
        totals.cache.entry(route).or_default().hits = 5;
        let webhook = WebhookId::from_bits(1);
        figures.webhooks.entry(webhook).or_default().silent = 7;
        let text = render(&figures);
        for line in [
            "weir_edge_sessions 3".to_owned(),
            "weir_edge_sessions_refused_total{reason=\"no_route\"} 2".to_owned(),
            "weir_edge_sessions_ended_total{reason=\"too_slow\"} 4".to_owned(),
            "weir_edge_connections_turned_away_total{reason=\"address\"} 6".to_owned(),
            format!(
                "weir_edge_webhook_questions_total{{webhook=\"{webhook}\",answer=\"silent\"}} 7"
            ),
            format!("weir_edge_cache_requests_total{{route=\"{route}\",outcome=\"hit\"}} 5"),
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}\n{text}");
        }
    }
}
