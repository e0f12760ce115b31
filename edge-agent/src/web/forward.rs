//! Requests as they go on to an upstream, and answers as they come back: rebuilt from parsed
//! parts, without what is between neighbors only, without what names the origin.

use std::fmt::Write as _;
use std::net::IpAddr;

use contract::address::OriginAddress;
use contract::hop::{HOP_FIELD, HOP_LIFETIME_MS, Hop};
use contract::id::{ClientId, SessionId};
use contract::route::Route;
use contract::snapshot::Snapshot;
use edge_core::cache::head;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_EXPOSE_HEADERS, AGE, CACHE_CONTROL,
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, HOST, HeaderMap, LAST_MODIFIED, LOCATION,
    SET_COOKIE, VARY, VIA,
};
use http::{HeaderName, HeaderValue, Method, Request};

use super::asked::Asked;
use super::body::AnyBody;
use super::job::Job;
use super::reach::Target;
use crate::clock::now_ms;

/// Who asks, as the next hop is told.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) addr: IpAddr,
    pub(super) client: Option<ClientId>,
    pub(super) session: SessionId,
    /// The edges that the request came through.
    pub(super) through: Vec<contract::id::EdgeId>,
}

/// The fields that go on to an upstream, but those that depend on which one it is.
pub(super) fn fields(asked: &Asked) -> HeaderMap {
    let mut headers = head::request(&asked.headers);
    headers.insert(VIA, HeaderValue::from_static("1.1 weir"));
    headers
}

/// A request for one upstream. `headers` are those of [`fields`], changed at will.
pub(super) fn request(
    job: &Job,
    method: &Method,
    target: &Target,
    mut headers: HeaderMap,
    body: AnyBody,
) -> Request<AnyBody> {
    let asked = &job.asked;
    let host = match target {
        Target::Origin(origin) => {
            tell_who_asks(&mut headers, asked, &job.asker);
            let shown = origin.address.to_string();
            let host = shown.split_once("://").map(|(_, host)| host.to_owned());
            host.unwrap_or(shown)
        }
        Target::Edge(_) => {
            sign_hop(&mut headers, &job.asker, &job.snapshot);
            asked.host_field.clone()
        }
    };
    if let Ok(host) = HeaderValue::from_str(&host) {
        headers.insert(HOST, host);
    }
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    let path = encoded(job.passage.app.as_str());
    let uri = match &asked.query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    *request.headers_mut() = headers;
    request
}

fn tell_who_asks(headers: &mut HeaderMap, asked: &Asked, asker: &Asker) {
    let says = [
        ("x-forwarded-for", asker.addr.to_string()),
        ("x-forwarded-proto", asked.ingress.scheme().to_owned()),
        ("x-forwarded-host", asked.host_field.clone()),
    ];
    for (name, value) in says {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn sign_hop(headers: &mut HeaderMap, asker: &Asker, snapshot: &Snapshot) {
    let Some(key) = snapshot.keys.first() else {
        return;
    };
    let mut edges = asker.through.clone();
    edges.push(snapshot.edge);
    let hop = Hop {
        edges,
        addr: asker.addr,
        client: asker.client,
        session: Some(asker.session),
        until_ms: now_ms() + HOP_LIFETIME_MS,
    };
    if let Ok(mut value) = HeaderValue::from_str(&hop.sign(key)) {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(HOP_FIELD), value);
    }
}

/// A decoded path as it stands in a request line: what RFC 3986 lets stand in a path stays, all
/// else is escaped.
fn encoded(app: &str) -> String {
    let mut path = String::with_capacity(app.len() + 8);
    path.push('/');
    for byte in app.strip_prefix('/').unwrap_or(app).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").expect("a string takes all that is written");
        }
    }
    path
}

/// An upstream's fields as the client may see them.
pub(super) fn response(
    origin: &HeaderMap,
    asked: &Asked,
    target: &Target,
    route: Option<&Route>,
) -> HeaderMap {
    let mut headers = head::response(origin);
    if let Target::Origin(record) = target {
        for name in [LOCATION, CONTENT_LOCATION] {
            rewrite(&mut headers, &name, asked, &record.address, route);
        }
        hide(&mut headers, asked, &record.address);
    }
    headers
}

/// Fields in which no address can stand. A word in them that is an origin's name too (`origin`,
/// `video`, `app`) means something else, and caches and players need it.
const WITHOUT_ADDRESS: [HeaderName; 16] = [
    ACCEPT_RANGES,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    AGE,
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    VARY,
];

/// Takes out what still names the origin: a cookie's `Domain` (it then belongs to the name that the
/// client used), and any other field whole, for a client has no use for an address it cannot reach.
fn hide(headers: &mut HeaderMap, asked: &Asked, origin: &OriginAddress) {
    // Where clients use the origin's own name, only its port would tell.
    let secret = if asked.at.host == origin.at.host {
        origin.at.to_string()
    } else {
        origin.at.host.clone()
    };
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| !WITHOUT_ADDRESS.contains(name) && names_host(value, &secret))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let kept: Vec<HeaderValue> = headers
            .get_all(&name)
            .iter()
            .filter_map(|value| match name == SET_COOKIE {
                true => without_domain(value),
                false => Some(value.clone()),
            })
            .filter(|value| !names_host(value, &secret))
            .collect();
        headers.remove(&name);
        for value in kept {
            headers.append(name.clone(), value);
        }
    }
}

/// Whether a host name stands in a field by itself, in any letter case; `a.example` does not stand
/// in `data.example`, but it does in `x.a.example`.
fn names_host(value: &HeaderValue, host: &str) -> bool {
    let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    value.match_indices(host).any(|(at, _)| {
        let before = at.checked_sub(1).map(|at| value.as_bytes()[at]);
        let after = value.as_bytes().get(at + host.len()).copied();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// A cookie that belongs to the host it came from (RFC 6265, section 5.2.3).
fn without_domain(cookie: &HeaderValue) -> Option<HeaderValue> {
    let text = cookie.to_str().ok()?;
    let is_domain = |part: &str| {
        let name = part.split('=').next().unwrap_or(part);
        name.trim().eq_ignore_ascii_case("domain")
    };
    let parts: Vec<&str> = text.split(';').filter(|part| !is_domain(part)).collect();
    HeaderValue::from_str(&parts.join(";")).ok()
}

/// A location at the origin becomes one at the name that the client used.
fn rewrite(
    headers: &mut HeaderMap,
    name: &HeaderName,
    asked: &Asked,
    origin: &OriginAddress,
    route: Option<&Route>,
) {
    let Some(given) = headers.get(name).and_then(|value| value.to_str().ok()) else {
        return;
    };
    let public = match public(given, asked, origin, route) {
        Some(public) => public,
        None => return,
    };
    match HeaderValue::from_str(&public) {
        Ok(value) => headers.insert(name, value),
        Err(_) => headers.remove(name),
    };
}

fn public(
    location: &str,
    asked: &Asked,
    origin: &OriginAddress,
    route: Option<&Route>,
) -> Option<String> {
    if let Some(path) = location.strip_prefix('/')
        && !path.starts_with('/')
    {
        return Some(format!("/{}", unrewritten(path, route)));
    }
    // `//host/path` takes the origin's scheme.
    let whole = if location.starts_with("//") {
        format!("{}:{location}", origin.scheme.scheme())
    } else {
        location.to_owned()
    };
    let url: url::Url = whole.parse().ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    // Another port or scheme of the origin's host names it just the same.
    let own = host.eq_ignore_ascii_case(&asked.at.host);
    let port = url.port_or_known_default()?;
    if !host.eq_ignore_ascii_case(&origin.at.host) || (own && port != origin.at.port) {
        return None;
    }
    let mut rest = unrewritten(url.path().trim_start_matches('/'), route);
    if let Some(query) = url.query() {
        rest = format!("{rest}?{query}");
    }
    if let Some(fragment) = url.fragment() {
        rest = format!("{rest}#{fragment}");
    }
    let scheme = asked.ingress.scheme();
    Some(format!("{scheme}://{}/{rest}", asked.host_field))
}

/// The path that a client asks for to reach this one of the origin, where the route's rewriting
/// can be turned round.
fn unrewritten(path: &str, route: Option<&Route>) -> String {
    let turned = route.and_then(|route| {
        let (before, after) = route.rewrite.as_deref()?.split_once('*')?;
        let (front, back) = route.app.as_str().split_once('*')?;
        let middle = path.strip_prefix(before)?.strip_suffix(after)?;
        (!back.contains('*')).then(|| format!("{front}{middle}{back}"))
    });
    turned.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use contract::protocol::Ingress;

    fn asked() -> Asked {
        let (parts, ()) = Request::get("/vod/a")
            .header(HOST, "edge.example:8080")
            .body(())
            .unwrap()
            .into_parts();
        Asked::read(&parts, Ingress::Http).unwrap()
    }

    #[test]
    fn a_path_goes_on_escaped_once() {
        let check = |app: &str, expected: &str| assert_eq!(encoded(app), expected);
        check("/", "/");
        check("vod/a b?c#.mp4", "/vod/a%20b%3Fc%23.mp4");
        check("vod/é%", "/vod/%C3%A9%25");
        check("dir/", "/dir/");
    }

    #[test]
    fn a_location_at_the_origin_becomes_one_at_the_edge() {
        let origin: OriginAddress = "http://origin.example:81".parse().unwrap();
        let check = |location: &str, expected: Option<&str>| {
            let seen = public(location, &asked(), &origin, None);
            assert_eq!(seen.as_deref(), expected, "{location}");
        };
        let edge = "http://edge.example:8080";
        check(
            "http://origin.example:81/x?y#z",
            Some(&format!("{edge}/x?y#z")),
        );
        check("HTTP://Origin.Example:81/", Some(&format!("{edge}/")));
        check("//origin.example:81/x", Some(&format!("{edge}/x")));
        check("/x", Some("/x"));
        check("x", None);
        check("https://origin.example/x", Some(&format!("{edge}/x")));
        check("http://other.example/x", None);
    }

    #[test]
    fn a_word_that_is_an_origins_name_too_stays_where_no_address_can_stand() {
        let fields = [
            ("vary", "Origin, Accept"),
            ("content-type", "origin/mp4"),
            ("content-disposition", "attachment; filename=\"origin.zip\""),
            ("etag", "\"origin\""),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        let before = headers.clone();
        let origin: OriginAddress = "http://origin:81".parse().unwrap();
        hide(&mut headers, &asked(), &origin);
        assert_eq!(headers, before);
    }

    #[test]
    fn no_field_names_the_origin() {
        let origin: OriginAddress = "http://origin.example:81".parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "a=1; Domain=.origin.example; Path=/"),
            ("set-cookie", "b=2; Path=/"),
            ("link", "<http://Origin.Example:81/x.css>; rel=preload"),
            ("refresh", "5; url=http://origin.example/"),
            ("x-served-by", "notorigin.example"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        hide(&mut headers, &asked(), &origin);
        let seen: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(seen.len(), 3, "{seen:?}");
        for expected in [
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "b=2; Path=/"),
            ("x-served-by", "notorigin.example"),
        ] {
            assert!(seen.contains(&expected), "{seen:?}");
        }
    }
}
