//! Requests that can be understood in two ways: none reaches an origin, whatever reaches it is plain.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::http_origin::{HttpOrigin, Received};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(5);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is refused, and the origin sees nothing of it.
    Refused,
    /// The origin sees it once, plainly.
    Passed,
}
use Fate::{Passed, Refused};

/// Method and target, the rest of the head with all line ends, the body, what becomes of it. `{p}` is a path
/// that no other case has, `{h}` the edge's own name.
const CASES: &[(&str, &str, &str, Fate)] = &[
    // Lengths.
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3\r\n\r\n",
        "abc",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 0\r\n\r\n",
        "",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 003\r\n\r\n",
        "abc",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 0\r\nContent-Length: 3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3, 3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3,\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: +3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: -3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 0x3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3a\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3.0\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: \"3\"\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 1_0\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3 4\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length:\r\n\r\n",
        "",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length : 3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\n Content-Length: 3\r\n\r\n",
        "abc",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length\r\n\r\n",
        "",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: \u{0663}\r\n\r\n",
        "abc",
        Refused,
    ),
    // Encodings.
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
        "0\r\n\r\n",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: identity\r\n\r\n",
        "",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding : chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked;q=1\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding:\r\n\r\n",
        "",
        Refused,
    ),
    (
        "POST {p} HTTP/1.0\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n",
        "0\r\n\r\nGET /corpus/smuggled HTTP/1.1\r\nX: y\r\n\r\n",
        Refused,
    ),
    // Hosts.
    ("GET {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Passed),
    ("GET {p} HTTP/1.1\r\n", "host:{h}\r\n\r\n", "", Passed),
    ("GET {p} HTTP/1.1\r\n", "\r\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host:\r\n\r\n", "", Refused),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nHost: {h}\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nHost: other\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}, other\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h} other\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: user@{h}\r\n\r\n",
        "",
        Refused,
    ),
    ("GET {p} HTTP/1.1\r\n", "Host: {h}/x\r\n\r\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host: {h}?x\r\n\r\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host: {h}#x\r\n\r\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host : {h}\r\n\r\n", "", Refused),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: 127.0.0.1:99999\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: 127.0.0.1:8x\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET http://other{p} HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET http://user@{h}{p} HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    // Targets.
    ("GET  {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}  HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}#x HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}\tx HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    (
        "GET {p}/../x HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p}/%2e%2e/x HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    ("GET {p}%2fx HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}%5cx HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}\\x HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}%00 HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    (
        "GET {p}%0d%0ax HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    ("GET {p}%zz HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET * HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    (
        "GET corpus/x HTTP/1.1\r\n",
        "Host: {h}\r\n\r\n",
        "",
        Refused,
    ),
    ("CONNECT {h} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("TRACE {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    // Request lines and versions.
    ("GET {p} HTTP/1.0\r\n", "Host: {h}\r\n\r\n", "", Passed),
    ("\r\nGET {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Passed),
    ("GET {p} HTTP/1.2\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p} HTTP/2.0\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p} HTTP/11\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p} http/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("GET {p}\r\n", "Host: {h}\r\n\r\n", "", Refused),
    ("G@T {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    (" GET {p} HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    // Control bytes and line ends.
    ("GET {p} HTTP/1.1\n", "Host: {h}\n\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host: {h}\n\r\n", "", Refused),
    ("GET {p} HTTP/1.1\r\n", "Host: {h}\r\nX: y\n\n", "", Refused),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX: y\rContent-Length: 3\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX: a\0b\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX\0: a\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX: a\u{7f}b\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\n: a\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX Y: a\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX: a\r\n\tb\r\n\r\n",
        "",
        Refused,
    ),
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nX\r\n\r\n",
        "",
        Refused,
    ),
    ("GET {p}\0 HTTP/1.1\r\n", "Host: {h}\r\n\r\n", "", Refused),
    // Chunks and trailers.
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3;a=b\r\nabc\r\n0\r\n\r\n",
        Passed,
    ),
    (
        "POST {p} HTTP/1.1\r\n",
        "Host: {h}\r\nTransfer-Encoding: chunked\r\n\r\n",
        "003\r\nabc\r\n000\r\n\r\n",
        Passed,
    ),
    // Two requests in one piece: each is seen once.
    (
        "GET {p} HTTP/1.1\r\n",
        "Host: {h}\r\nContent-Length: 0\r\n\r\n",
        "GET {p}/two HTTP/1.1\r\nHost: {h}\r\nConnection: close\r\n\r\n",
        Passed,
    ),
];

/// The status of the answer; `None` if the connection ends without one.
fn send(edge: &str, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(edge).expect("the edge listens");
    stream
        .set_read_timeout(Some(SOON))
        .expect("a deadline can be set");
    stream.write_all(bytes).expect("the edge takes a request");
    let mut answer = [0; 4_096];
    let length = stream.read(&mut answer).unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}

#[track_caller]
fn is_plain(request: &Received) {
    let shown = format!("{:?}", request.head);
    assert_eq!(request.all("host").len(), 1, "{shown}");
    let framed = request.all("content-length").len() + request.all("transfer-encoding").len();
    assert!(framed <= 1, "{shown}");
    for line in request.head.trim_end_matches("\r\n").split("\r\n") {
        let control = |char: char| char.is_control();
        assert!(!line.is_empty() && !line.contains(control), "{shown}");
        assert!(!line.starts_with(' '), "{shown}");
    }
    assert_eq!(
        request
            .head
            .split("\r\n")
            .next()
            .map(|line| line.split(' ').count()),
        Some(3),
        "{shown}"
    );
}

#[test]
fn no_ambiguous_request_reaches_an_origin() {
    let origin =
        HttpOrigin::start(|_, out| out.answer("200 OK", &[("cache-control", "no-store")], b"here"));
    let world = World::start(1);
    world.add_http_origin(&origin.address(), "corpus/*", json!({}));
    let edge = world.edges[0].http();
    let mut wrong = Vec::new();
    for (number, (line, fields, body, fate)) in CASES.iter().enumerate() {
        let path = format!("/corpus/{number}");
        let text = format!("{line}{fields}{body}");
        let text = text.replace("{p}", &path).replace("{h}", edge);
        let status = send(edge, text.as_bytes());
        let fits = match fate {
            Passed => status == Some(200),
            Refused => status.is_none_or(|status| (400..600).contains(&status)),
        };
        if !fits {
            wrong.push(format!("{fate:?} expected, {status:?} came: {text:?}"));
        }
    }
    let received = origin.received();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for request in &received {
        is_plain(request);
        *counts.entry(request.path()).or_default() += 1;
    }
    for (number, (line, .., fate)) in CASES.iter().enumerate() {
        let expected = usize::from(*fate == Passed);
        let path = format!("/corpus/{number}");
        let count = counts.remove(path.as_str()).unwrap_or(0);
        if count != expected {
            wrong.push(format!("case {number}: the origin saw {count} of {line:?}"));
        }
    }
    // The second of two in one piece.
    let two = format!("/corpus/{}/two", CASES.len() - 1);
    counts.remove(two.as_str());
    assert!(
        counts.is_empty(),
        "the origin saw what was not asked: {counts:?}"
    );
    assert!(
        CASES.len() >= 77 && wrong.is_empty(),
        "{} cases\n{}",
        CASES.len(),
        wrong.join("\n")
    );
}
