//! Which fields of a message go on to the next hop, and which stay: hop-by-hop fields, fields that
//! change answers without being part of the key, and whatever names the origin.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderName, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE,
    SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

/// Fields between two neighbors only (RFC 9110, section 7.6.1), beside those that `Connection`
/// names.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    EXPECT,
    // Set anew from the body that is sent.
    CONTENT_LENGTH,
];

/// Request fields by which frameworks change what they answer, or believe who asks: a client must
/// not choose them, and they are not part of the key.
const UNTRUSTED: [&str; 15] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-real-ip",
    "x-host",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-method-override",
    "true-client-ip",
    "keep-alive",
    "proxy-connection",
];

/// Answer fields that tell what the origin is, beside `Server` and `Via`.
const OF_THE_ORIGIN: [&str; 8] = [
    "x-powered-by",
    "x-backend",
    "x-backend-server",
    "x-served-by",
    "x-upstream",
    "alt-svc",
    "keep-alive",
    "proxy-connection",
];

/// Conditions and ranges: answered here, from the whole object.
const ANSWERED_HERE: [HeaderName; 6] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
    RANGE,
];

/// The fields of a client's request that go on; the caller adds `Host` and what it says itself.
#[must_use]
pub fn request(client: &HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(client);
    headers.remove(HOST);
    headers.remove(FORWARDED);
    headers.remove(contract::hop::HOP_FIELD);
    for name in UNTRUSTED {
        headers.remove(name);
    }
    headers
}

/// Removes conditions and ranges, so that the whole object is asked for.
pub fn ask_for_all(request: &mut HeaderMap) {
    for name in ANSWERED_HERE {
        request.remove(name);
    }
}

/// The fields of an origin's answer that go on.
#[must_use]
pub fn response(origin: &HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(origin);
    headers.remove(SERVER);
    headers.remove(VIA);
    for name in OF_THE_ORIGIN {
        headers.remove(name);
    }
    headers
}

fn without_hop_by_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for value in headers.get_all(CONNECTION) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                kept.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_what_is_for_the_next_hop_goes_on() {
        let client = fields(&[
            ("host", "e"),
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("x-forwarded-host", "evil"),
            ("weir-hop", "x"),
            ("transfer-encoding", "chunked"),
            ("accept", "a"),
            ("range", "bytes=0-1"),
        ]);
        let mut headers = request(&client);
        assert_eq!(headers, fields(&[("accept", "a"), ("range", "bytes=0-1")]));
        ask_for_all(&mut headers);
        assert_eq!(headers, fields(&[("accept", "a")]));
    }

    #[test]
    fn an_answer_does_not_tell_what_the_origin_is() {
        let origin = fields(&[
            ("server", "nginx"),
            ("via", "1.1 inner"),
            ("x-powered-by", "p"),
            ("content-length", "3"),
            ("content-type", "t"),
        ]);
        assert_eq!(response(&origin), fields(&[("content-type", "t")]));
    }
}
