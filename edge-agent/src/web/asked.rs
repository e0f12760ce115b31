//! What a request asks for, read strictly: what can be understood in two ways is refused.

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use contract::address::{HostPort, Requested};
use contract::facts::{Action, Facts, Proof};
use contract::hop::{HOP_FIELD, Hop};
use contract::protocol::Ingress;
use contract::query::QueryRule;
use contract::route::IdentityKind;
use contract::routing::{self, Routing};
use contract::secret::Secret;
use contract::token::{TOKEN_PARAMETER, is_play_token, may_be_play_token};
use edge_core::cache::key::Key;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, REFERER, TRANSFER_ENCODING, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderName, Method, Version};

use crate::clock::now_ms;
use crate::control::Settings;

/// The longest URL (laws.md, section 6).
const MAX_URL_BYTES: usize = 8 << 10;

/// Why a request cannot be read, as a sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// A request, read.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) ingress: Ingress,
    pub(super) at: HostPort,
    /// The path and query as they came.
    pub(super) target: String,
    /// `Host` as the client wrote it.
    pub(super) host_field: String,
    pub(super) requested: Requested,
    /// The query without what is only for the edge.
    pub(super) query: Option<String>,
    /// What of it tells one stored answer from another.
    counted_query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) has_body: bool,
    play_token: Option<String>,
}

impl Asked {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// [`Unreadable`]: it is answered with 400 and the connection closed.
    pub(super) fn read(parts: &Parts, ingress: Ingress) -> Result<Self, Unreadable> {
        let length = parts
            .uri
            .path_and_query()
            .map_or(0, |all| all.as_str().len());
        if length > MAX_URL_BYTES {
            return Err(Unreadable("the URL is too long"));
        }
        if parts.version > Version::HTTP_11 || parts.version < Version::HTTP_10 {
            return Err(Unreadable("only HTTP/1 is spoken here"));
        }
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Err(Unreadable("this method is not served"));
        }
        let host_field = host(parts)?;
        let at = HostPort::parse(&host_field, ingress.default_port())
            .map_err(|_| Unreadable("the host cannot be read"))?;
        let query = parts.uri.query();
        let own_query = query.and_then(|query| without_token(query, is_play_token));
        let requested = Requested::http(parts.uri.path(), query)
            .map_err(|_| Unreadable("the path cannot be read"))?;
        let play_token = requested
            .parameter(TOKEN_PARAMETER)
            .filter(|text| may_be_play_token(text))
            .map(str::to_owned);
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |all| all.as_str())
            .to_owned();
        Ok(Self {
            target,
            method: parts.method.clone(),
            ingress,
            at,
            host_field,
            counted_query: own_query.clone(),
            query: own_query,
            requested,
            has_body: has_body(&parts.headers)?,
            headers: parts.headers.clone(),
            play_token,
        })
    }

    /// What its answer is stored under.
    pub(super) fn key(&self) -> Key {
        Key {
            scheme: self.ingress,
            at: self.at.clone(),
            path: self
                .requested
                .resource(self.ingress.plane())
                .unwrap_or_default(),
            query: self.counted_query.clone(),
        }
    }

    /// Applies a route's rule for queries. Of requests that read, only what counts goes on to the
    /// origin: nobody else's answer may depend on the rest.
    pub(super) fn count_query(&mut self, rule: &QueryRule) {
        self.counted_query = rule.counted(self.query.as_deref());
        if self.is_read() {
            self.query = self.counted_query.clone();
        }
    }

    /// What is known of the connection for this request. `peer` is the client's address.
    ///
    /// # Errors
    /// [`Unreadable`] for a hop that none of our edges signed: it is never passed over.
    pub(super) fn facts(&mut self, peer: IpAddr, settings: &Settings) -> Result<Facts, Unreadable> {
        let at_ms = now_ms();
        let hop = self.hop(settings, at_ms)?;
        let field = |name: HeaderName| {
            let value = self.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let mut facts = Facts {
            at_ms,
            addr: hop.as_ref().map_or(peer, |hop| hop.addr).to_canonical(),
            ingress: self.ingress,
            host: self.at.host.clone(),
            port: self.at.port,
            action: Some(if self.is_read() {
                Action::Play
            } else {
                Action::Publish
            }),
            requested: self.requested.clone(),
            page_url: field(REFERER),
            swf_url: None,
            user_agent: field(USER_AGENT),
            proof: Proof::None,
            admitted_ms: None,
            hop,
            client: None,
            groups: Vec::new(),
        };
        facts.proof = self.proof(settings, &facts);
        Ok(facts)
    }

    /// The token said who the client is: it is for this edge and goes no further.
    pub(super) fn token_was_ours(&mut self) {
        self.query = self
            .query
            .as_deref()
            .and_then(|query| without_token(query, |_| true));
        self.counted_query = self.query.clone();
    }

    /// Whether it only reads.
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    fn hop(&self, settings: &Settings, at_ms: u64) -> Result<Option<Hop>, Unreadable> {
        let mut given = self.headers.get_all(HOP_FIELD).iter();
        let Some(text) = given.next() else {
            return Ok(None);
        };
        let wrong = Unreadable("the hop is not signed by an edge of this fleet");
        let snapshot = settings.snapshot.as_ref().ok_or(wrong)?;
        let text = text.to_str().map_err(|_| wrong)?;
        let hop = Hop::verify(text, &snapshot.keys, at_ms).map_err(|_| wrong)?;
        if given.next().is_some() {
            return Err(wrong);
        }
        Ok(Some(hop))
    }

    /// A play token counts first. `Authorization` is ours when it names a registered client, or
    /// when the route asks for a stream password; it does not go on to the origin then. Otherwise
    /// it is between the client and the origin.
    fn proof(&mut self, settings: &Settings, facts: &Facts) -> Proof {
        if let Some(token) = &self.play_token {
            return Proof::PlayToken {
                token: Secret::new(token.clone()),
            };
        }
        let Some((name, password)) = self.basic() else {
            return Proof::None;
        };
        let client = settings.directory.client_by_name(&name);
        let known = client.and_then(|client| Some((client.id, client.stream_password.as_ref()?)));
        match known {
            Some((client, expected)) => {
                self.headers.remove(AUTHORIZATION);
                if expected.matches(&name, password.expose()) {
                    Proof::StreamPassword { client }
                } else {
                    Proof::WrongStreamPassword
                }
            }
            None if asks_for_password(settings, facts) => {
                self.headers.remove(AUTHORIZATION);
                Proof::WrongStreamPassword
            }
            None => Proof::None,
        }
    }

    fn basic(&self) -> Option<(String, Secret)> {
        let value = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (name, password) = text.split_once(':')?;
        Some((name.to_owned(), Secret::new(password)))
    }
}

fn asks_for_password(settings: &Settings, facts: &Facts) -> bool {
    let Some(snapshot) = &settings.snapshot else {
        return false;
    };
    match routing::route(snapshot, facts) {
        Routing::Routed(routed) => routed
            .route
            .identity
            .contains(&IdentityKind::StreamPassword),
        Routing::NotYet | Routing::Refused(_) => false,
    }
}

/// The one host that the request names.
fn host(parts: &Parts) -> Result<String, Unreadable> {
    let mut given = parts.headers.get_all(HOST).iter();
    let field = match (given.next(), given.next()) {
        (Some(field), None) => field
            .to_str()
            .map_err(|_| Unreadable("the host cannot be read"))?,
        (None, _) => return Err(Unreadable("the request names no host")),
        (Some(_), Some(_)) => return Err(Unreadable("the request names two hosts")),
    };
    let of_url = parts.uri.authority().map(http::uri::Authority::as_str);
    if of_url.is_some_and(|named| !named.eq_ignore_ascii_case(field)) {
        return Err(Unreadable("the URL and the host field name two hosts"));
    }
    Ok(field.to_owned())
}

fn has_body(headers: &HeaderMap) -> Result<bool, Unreadable> {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let length = headers.get(CONTENT_LENGTH);
    match (chunked, length) {
        (true, Some(_)) => Err(Unreadable("the body has two lengths")),
        (true, None) => Ok(true),
        (false, Some(length)) => Ok(length.as_bytes() != b"0"),
        (false, None) => Ok(false),
    }
}

/// The query without a token that is ours; `None` if nothing is left.
fn without_token(query: &str, is_ours: impl Fn(&str) -> bool) -> Option<String> {
    let is_token = |pair: &&str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| name == TOKEN_PARAMETER && is_ours(value))
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    let text = kept.join("&");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::Request;

    fn read(request: http::request::Builder) -> Result<Asked, Unreadable> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Asked::read(&parts, Ingress::Http)
    }

    #[test]
    fn a_request_is_read_into_a_key() {
        let check = |uri: &str, host: &str, expected: &str| {
            let asked = read(Request::get(uri).header(HOST, host)).unwrap();
            assert_eq!(asked.key().to_string(), expected);
        };
        check(
            "/vod/a%20b.mp4?x=1",
            "E.example",
            "http://e.example:80/vod/a b.mp4?x=1",
        );
        check("http://e:8080/", "e:8080", "http://e:8080/");
        check("/a?", "e", "http://e:80/a");
        check("/a?token=weirplay1.k.p.m&b=2", "e", "http://e:80/a?b=2");
        check("/a?token=other", "e", "http://e:80/a?token=other");
    }

    #[test]
    fn a_token_of_somebody_else_goes_on_unless_it_was_ours() {
        let mut asked = read(Request::get("/a?token=eyJ.eyJ.x&b=2").header(HOST, "e")).unwrap();
        assert_eq!(asked.query.as_deref(), Some("token=eyJ.eyJ.x&b=2"));
        asked.token_was_ours();
        assert_eq!(asked.query.as_deref(), Some("b=2"));
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        let refused = [
            Request::get("/"),
            Request::get("/").header(HOST, "a").header(HOST, "b"),
            Request::get("http://a/").header(HOST, "b"),
            Request::get("/a/../b").header(HOST, "a"),
            Request::get("/a%2fb").header(HOST, "a"),
            Request::get("/").header(HOST, "u@a"),
            Request::get("/").header(HOST, "a b"),
            Request::get(format!("/{}", "x".repeat(9_000))).header(HOST, "a"),
            Request::post("/")
                .header(HOST, "a")
                .header(TRANSFER_ENCODING, "chunked")
                .header(CONTENT_LENGTH, "3"),
            Request::trace("/").header(HOST, "a"),
        ];
        for request in refused {
            let shown = format!("{request:?}");
            assert!(read(request).is_err(), "{shown}");
        }
    }
}
