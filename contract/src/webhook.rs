//! Webhooks: an application is asked who may come in, after rules and assignments have let a client
//! in and before anything is fetched for it.
//!
//! A [`Question`] goes out as JSON, signed; an [`Answer`] comes back. What an edge may dial for it
//! stands in the record, as for an origin. How the asking is bounded is the edge's affair.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::address::HostPort;
use crate::facts::{Action, Facts};
use crate::fault::FieldFault;
use crate::id::{ClientId, DecisionId, EdgeId, RouteId, WebhookId};
use crate::name::Name;
use crate::origin::Reach;
use crate::protocol::Ingress;
use crate::rule::Effect;
use crate::secret::Secret;

/// The HTTP field that carries the signature: `t=<Unix seconds>,v1=<HMAC-SHA-256 in hexadecimal>`
/// over the seconds, a dot and the body.
pub const SIGNATURE_FIELD: &str = "weir-signature";
/// The most webhooks; chosen, because an edge keeps answers and connections for each.
pub const MAX_WEBHOOKS: usize = 64;
/// The longest answer that is read; chosen, because a word and a sentence are enough.
pub const MAX_ANSWER_BYTES: usize = 16 << 10;
/// The longest reason that is kept of an answer, in characters.
pub const MAX_REASON_CHARS: usize = 200;
/// The longest URL; as of requests (laws.md, section 6).
const MAX_URL_BYTES: usize = 8 << 10;

/// An application's address that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What can be changed of it.
    pub settings: WebhookSettings,
    /// By which questions are signed; the application has it too.
    pub secret: Secret,
}

/// What can be changed of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// What people call it.
    pub name: Name,
    /// Where questions are posted: `http` or `https`.
    pub url: Url,
    /// Which addresses the host of the URL may resolve to.
    #[serde(default)]
    pub reach: Reach,
    /// What it is asked about; never nothing.
    pub events: Vec<WebhookEvent>,
    /// How long an answer may take, waiting for its turn included.
    pub timeout_ms: u32,
    /// How long the answer that somebody may come in is kept; 0 asks each time.
    pub allow_ttl_ms: u32,
    /// How long the answer that somebody may not come in is kept; 0 asks each time.
    pub deny_ttl_ms: u32,
    /// What holds when there is no answer.
    pub silent: Effect,
    /// How many questions one edge asks at once; others wait for their turn.
    pub max_at_once: u32,
}

/// What an application is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// An RTMP client connects; it has not said yet what it wants.
    Connect,
    /// A client wants to play; for HTTP: GET and HEAD.
    Play,
    /// A client wants to publish; for HTTP: every other method.
    Publish,
}

impl WebhookEvent {
    /// Every variant, for forms.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Play, Self::Publish];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Play => "play",
            Self::Publish => "publish",
        }
    }

    /// The event that an action is.
    #[must_use]
    pub const fn of(action: Option<Action>) -> Self {
        match action {
            None => Self::Connect,
            Some(Action::Play) => Self::Play,
            Some(Action::Publish) => Self::Publish,
        }
    }
}

impl WebhookSettings {
    /// The longest time for an answer: all of a client's waiting stays under the 10 s that curl is
    /// patient (clients.md).
    pub const MAX_TIMEOUT_MS: u32 = 5_000;
    /// The shortest; chosen, because less is no time for a request over a network.
    pub const MIN_TIMEOUT_MS: u32 = 50;
    /// The longest time for which an answer is kept; chosen, because nobody can take it back.
    pub const MAX_TTL_MS: u32 = 3_600_000;
    /// The most questions at once; chosen, because each holds a socket.
    pub const MOST_AT_ONCE: u32 = 1_024;

    /// Settings to begin a new webhook from: asked about playing and publishing, 2 s, denying in
    /// silence.
    #[must_use]
    pub fn blank(name: Name, url: Url) -> Self {
        Self {
            name,
            url,
            reach: Reach::default(),
            events: vec![WebhookEvent::Play, WebhookEvent::Publish],
            timeout_ms: 2_000,
            allow_ttl_ms: 10_000,
            deny_ttl_ms: 2_000,
            silent: Effect::Deny,
            max_at_once: 64,
        }
    }

    /// Where it is dialed; `None` for an URL that [`WebhookSettings::faults`] refuses.
    #[must_use]
    pub fn at(&self) -> Option<(Ingress, HostPort)> {
        let scheme = match self.url.scheme() {
            "http" => Ingress::Http,
            "https" => Ingress::Https,
            _ => return None,
        };
        let text = self.url.host_str()?;
        let port = self.url.port().unwrap_or_else(|| scheme.default_port());
        let at = HostPort::parse(&format!("{text}:{port}"), port).ok()?;
        Some((scheme, at))
    }

    /// What is wrong with the settings by themselves, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let mut wrong = |field: &str, message: &str| faults.push(FieldFault::new(field, message));
        if self.at().is_none() || self.url.as_str().len() > MAX_URL_BYTES {
            wrong("url", "an address that begins with http:// or https://");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            wrong(
                "url",
                "no name or password: questions are signed by the webhook's key",
            );
        }
        if self.url.fragment().is_some() {
            wrong("url", "no `#`: it would not be sent");
        }
        if self.events.is_empty() {
            wrong("events", "choose at least one of connect, play and publish");
        }
        if !(Self::MIN_TIMEOUT_MS..=Self::MAX_TIMEOUT_MS).contains(&self.timeout_ms) {
            wrong("timeout_ms", "an answer may take from 50 to 5000 ms");
        }
        if self.allow_ttl_ms > Self::MAX_TTL_MS {
            wrong("allow_ttl_ms", "an answer is kept for at most 3600000 ms");
        }
        if self.deny_ttl_ms > Self::MAX_TTL_MS {
            wrong("deny_ttl_ms", "an answer is kept for at most 3600000 ms");
        }
        if !(1..=Self::MOST_AT_ONCE).contains(&self.max_at_once) {
            wrong("max_at_once", "from 1 to 1024 questions at once");
        }
        faults
    }
}

/// What an application is asked. No secret stands in it but those that the client put into its query
/// for the application: the token that was for the edge is taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// What it is about.
    pub event: WebhookEvent,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// The decision that let the client in so far, for logs on both sides.
    pub decision: DecisionId,
    /// The edge that asks.
    pub edge: EdgeId,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// The client's address.
    pub addr: IpAddr,
    /// How it came.
    pub protocol: Ingress,
    /// The host name that it used.
    pub host: String,
    /// The application, or the path up to its last slash.
    pub app: Option<String>,
    /// The stream, or what follows that slash.
    pub stream: Option<String>,
    /// The query without the token that was for the edge.
    pub query: Option<String>,
    /// The page that the player stands on.
    pub page_url: Option<String>,
    /// The player's own address.
    pub swf_url: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The registered client, by id.
    pub client: Option<ClientId>,
    /// The registered client, by name.
    pub client_name: Option<Name>,
    /// The name of the play token.
    pub token: Option<String>,
}

impl Question {
    /// The question's bytes, as they are posted.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a question has only text keys")
    }

    /// Under what its answer is kept: everything that is asked but the time and the decision.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        let same = Self {
            at_ms: 0,
            decision: DecisionId::from_bits(0),
            ..self.clone()
        };
        Sha256::digest(same.body()).into()
    }

    /// The question about these facts.
    #[must_use]
    pub fn about(
        facts: &Facts,
        event: WebhookEvent,
        decision: DecisionId,
        edge: EdgeId,
        query: Option<String>,
    ) -> Self {
        let requested = &facts.requested;
        Self {
            event,
            at_ms: facts.at_ms,
            decision,
            edge,
            route: None,
            addr: facts.addr,
            protocol: facts.ingress,
            host: facts.host.clone(),
            app: requested.app.as_ref().map(ToString::to_string),
            stream: requested.stream.as_ref().map(ToString::to_string),
            query,
            page_url: facts.page_url.clone(),
            swf_url: facts.swf_url.clone(),
            user_agent: facts.user_agent.clone(),
            client: None,
            client_name: None,
            token: None,
        }
    }
}

/// The value of [`SIGNATURE_FIELD`] for a body at a time.
#[must_use]
pub fn signature(secret: &Secret, at_s: u64, body: &[u8]) -> String {
    let tag = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length")
        .chain_update(format!("{at_s}.").as_bytes())
        .chain_update(body)
        .finalize()
        .into_bytes();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

/// What an application answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// Whether the client may come in.
    pub allow: bool,
    /// Why, for the session's record; clients are not told.
    #[serde(default)]
    pub reason: Option<String>,
    /// The name of the registered client that it is, where nothing else has said so.
    #[serde(default)]
    pub client: Option<String>,
}

impl Answer {
    /// Reads an answer: a JSON object with `allow` says it all; without one 2xx allows and 4xx
    /// denies, as with nginx-rtmp. `None` is no answer: 1xx, 3xx, 5xx, or JSON that cannot be read.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Option<Self> {
        let by_status = |allow| {
            Some(Self {
                allow,
                reason: None,
                client: None,
            })
        };
        let is_json = body.trim_ascii_start().starts_with(b"{");
        match status {
            200..=299 if is_json => serde_json::from_slice::<Self>(body).ok().map(Self::tidied),
            200..=299 => by_status(true),
            400..=499 => match serde_json::from_slice::<Self>(body) {
                Ok(answer) if !answer.allow => Some(answer.tidied()),
                Ok(_) | Err(_) => by_status(false),
            },
            _ => None,
        }
    }

    /// The reason is shown in a page and in logs: one bounded line of it is kept.
    fn tidied(self) -> Self {
        let one_line = |text: String| -> String {
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(MAX_REASON_CHARS)
                .collect()
        };
        Self {
            reason: self.reason.map(one_line).filter(|text| !text.is_empty()),
            ..self
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    fn settings(url: &str) -> WebhookSettings {
        WebhookSettings::blank("hook".parse().unwrap(), url.parse().unwrap())
    }

    #[test]
    fn settings_that_cannot_be_kept_name_their_field() {
        let check = |change: fn(&mut WebhookSettings), expected: &[&str]| {
            let mut settings = settings("https://app.example/hook?x=1");
            change(&mut settings);
            let faults = settings.faults();
            let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(fields, expected, "{settings:?}");
        };
        check(|_| {}, &[]);
        check(|it| it.url = "ftp://a/".parse().unwrap(), &["url"]);
        check(|it| it.url = "http://u:p@a/".parse().unwrap(), &["url"]);
        check(|it| it.url = "http://a/#f".parse().unwrap(), &["url"]);
        check(|it| it.events.clear(), &["events"]);
        check(|it| it.timeout_ms = 5_001, &["timeout_ms"]);
        check(|it| it.timeout_ms = 0, &["timeout_ms"]);
        check(|it| it.allow_ttl_ms = u32::MAX, &["allow_ttl_ms"]);
        check(|it| it.deny_ttl_ms = u32::MAX, &["deny_ttl_ms"]);
        check(|it| it.max_at_once = 0, &["max_at_once"]);
    }

    #[test]
    fn an_url_says_where_to_dial() {
        let check = |url: &str, expected: &str| {
            let (scheme, at) = settings(url).at().unwrap();
            assert_eq!(format!("{} {at}", scheme.scheme()), expected);
        };
        check("http://a.example/x", "http a.example:80");
        check("https://a.example", "https a.example:443");
        check("http://127.0.0.1:81/", "http 127.0.0.1:81");
        check("http://[::1]:81/", "http [::1]:81");
    }

    #[test]
    fn answers_are_read_as_json_or_by_their_status() {
        let check = |status, body: &str, expected: Option<(bool, Option<&str>)>| {
            let answer = Answer::read(status, body.as_bytes());
            let read = answer.as_ref();
            let read = read.map(|answer| (answer.allow, answer.reason.as_deref()));
            assert_eq!(read, expected, "{status} {body}");
        };
        check(200, "{\"allow\": true}", Some((true, None)));
        check(
            200,
            "{\"allow\": false, \"reason\": \"no\\nsubscription\"}",
            Some((false, Some("no subscription"))),
        );
        check(200, "{\"allow\": \"yes\"}", None);
        check(200, "{}", None);
        check(200, "", Some((true, None)));
        check(204, "", Some((true, None)));
        check(200, "OK", Some((true, None)));
        check(
            403,
            "{\"allow\": false, \"reason\": \"x\"}",
            Some((false, Some("x"))),
        );
        check(403, "{\"allow\": true}", Some((false, None)));
        check(404, "not here", Some((false, None)));
        check(302, "", None);
        check(500, "{\"allow\": true}", None);
    }

    #[test]
    fn a_question_is_signed_and_kept_apart_by_all_that_is_asked() {
        let facts = fixture::play_facts("live", "s");
        let ask = |facts: &Facts, bits| {
            let decision = DecisionId::from_bits(bits);
            Question::about(facts, WebhookEvent::Play, decision, fixture::HERE, None)
        };
        let question = ask(&facts, 1);
        let later = Facts {
            at_ms: 9,
            ..facts.clone()
        };
        assert_eq!(question.key(), ask(&later, 2).key());
        let other = Facts {
            addr: "192.0.2.2".parse().unwrap(),
            ..facts
        };
        assert_ne!(question.key(), ask(&other, 1).key());
        let secret = Secret::new("hush");
        assert_eq!(
            signature(&secret, 5, b"{}"),
            // printf '5.{}' | openssl dgst -sha256 -hmac hush
            "t=5,v1=d588eb54bd55e4f7e521fb727f00db1a17a66cfddfe2f61788ea3ad11dce90ad"
        );
    }
}
