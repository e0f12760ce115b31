//! The HTTP side between clients and an origin that counts: what is stored, joined, refused,
//! hidden, and what happens when the origin goes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use contract::order::{Order, PurgeScope, Work};
use contract::reason::Reason;
use contract::report::SessionState;
use contract::rule::Effect;
use edge_agent::agent::Agent;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::edge::{Edge, FRESH, ROUTE, has, route};
use crate::support::origin::{Origin, ok, record};
use crate::support::{config, eventually, get, snapshot};

const STALE: &[(&str, &str)] = &[("cache-control", "max-age=0"), ("etag", "\"a\"")];

#[tokio::test]
async fn the_second_request_is_a_hit_and_moves_the_counts_by_one() {
    let origin = Origin::start(|_| ok(FRESH, "hello")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    let (head, body) = edge.ask("GET", "/vod/a?x=1", "").await;
    has(&head, "http/1.1 200");
    has(
        &head,
        "cache-status: weir; fwd=uri-miss; fwd-status=200; stored",
    );
    assert_eq!(body, b"hello");
    for _ in 0..3 {
        let (head, body) = edge.ask("GET", "/vod/a?x=1", "").await;
        has(&head, "cache-status: weir; hit");
        has(&head, "content-length: 5");
        assert_eq!(body, b"hello");
    }
    let (head, body) = edge.ask("HEAD", "/vod/a?x=1", "").await;
    has(&head, "content-length: 5");
    assert!(body.is_empty());
    assert_eq!(origin.count(), 1);
    let counts = edge.counts(|counts| counts.requests() == 5).await;
    assert_eq!((counts.hits, counts.misses), (4, 1));
    assert_eq!((counts.sent_bytes, counts.fetched_bytes), (20, 5));
    // Another query is another object.
    edge.ask("GET", "/vod/a?x=2", "").await;
    assert_eq!(origin.count(), 2);
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_are_one_at_the_origin() {
    // An origin that answers its one request only when told to.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::start(record(listener.local_addr().unwrap()), route(Effect::Allow)).await;
    let body = "x".repeat(100_000);
    let mut clients = JoinSet::new();
    for _ in 0..1_000 {
        clients.spawn(get(edge.http, "/vod/burst"));
    }
    let (mut asked, _) = listener.accept().await.unwrap();
    eventually(async || {
        let sessions = edge
            .server
            .reports()
            .last()
            .map_or(0, |last| last.totals.sessions_admitted);
        sessions == 1_000
    })
    .await;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    asked.write_all(head.as_bytes()).await.unwrap();
    asked.write_all(body.as_bytes()).await.unwrap();
    while let Some(answer) = clients.join_next().await {
        let (status, seen) = answer.unwrap();
        assert_eq!((status, seen.len()), (200, body.len()));
    }
    let counts = edge.counts(|counts| counts.requests() == 1_000).await;
    assert_eq!((counts.misses, counts.joined + counts.hits), (1, 999));
    edge.stop().await;
}

/// Reads the head of a request.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn a_joiner_gets_its_first_byte_before_the_fill_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::start(record(listener.local_addr().unwrap()), route(Effect::Allow)).await;
    let asking = b"GET /vod/slow HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n";
    let mut first = TcpStream::connect(edge.http).await.unwrap();
    first.write_all(asking).await.unwrap();
    let (mut origin, _) = listener.accept().await.unwrap();
    request(&mut origin).await;
    origin
        .write_all(
            b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\nhello",
        )
        .await
        .unwrap();
    let mut joiner = TcpStream::connect(edge.http).await.unwrap();
    joiner.write_all(asking).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        seen.push(joiner.read_u8().await.unwrap());
    }
    // The one who began goes; the other still gets all of it.
    drop(first);
    origin.write_all(b"world").await.unwrap();
    joiner.read_to_end(&mut seen).await.unwrap();
    assert!(seen.ends_with(b"helloworld"));
    has(&String::from_utf8_lossy(&seen), "collapsed");
    edge.stop().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_as_such_and_never_stored() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::start(record(listener.local_addr().unwrap()), route(Effect::Allow)).await;
    for _ in 0..2 {
        let asking = tokio::spawn({
            let at = edge.http;
            async move {
                let mut stream = TcpStream::connect(at).await.unwrap();
                let request = b"GET /vod/cut HTTP/1.1\r\nhost: e\r\n\r\n";
                stream.write_all(request).await.unwrap();
                let mut seen = Vec::new();
                let _ = stream.read_to_end(&mut seen).await;
                String::from_utf8_lossy(&seen).into_owned()
            }
        });
        // The second one is asked for again: nothing was kept.
        let (mut origin, _) = listener.accept().await.unwrap();
        request(&mut origin).await;
        origin
            .write_all(
                b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\nhello",
            )
            .await
            .unwrap();
        drop(origin);
        let seen = asking.await.unwrap();
        assert!(
            seen.ends_with("hello") && seen.contains("content-length: 10"),
            "{seen}"
        );
    }
    edge.stop().await;
}

#[tokio::test]
async fn private_answers_are_not_shared_and_not_made_to_wait() {
    let private: &[(&str, &str)] = &[("cache-control", "private, max-age=60")];
    let origin = Origin::start(move |_| ok(private, "yours")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    let (head, _) = edge.ask("GET", "/vod/me", "").await;
    has(&head, "detail=private");
    for _ in 0..3 {
        let (head, body) = edge.ask("GET", "/vod/me", "").await;
        has(&head, "cache-status: weir; fwd=uri-miss");
        assert_eq!(body, b"yours");
    }
    assert_eq!(origin.count(), 4);
    let counts = edge.counts(|counts| counts.requests() == 4).await;
    assert_eq!((counts.misses, counts.bypasses), (1, 3));
    edge.stop().await;
}

#[tokio::test]
async fn a_stale_object_is_confirmed_and_a_changed_one_is_fetched() {
    let origin = Origin::start(|asked| {
        let known = asked
            .headers
            .get("if-none-match")
            .is_some_and(|tag| tag == "\"a\"");
        if known && asked.uri.path() == "/vod/same" {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().insert("x-new", "1".parse().unwrap());
            return response;
        }
        let body = if known { "changed" } else { "first" };
        ok(STALE, body)
    })
    .await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    edge.ask("GET", "/vod/same", "").await;
    let (head, body) = edge.ask("GET", "/vod/same", "").await;
    has(&head, "fwd=stale; fwd-status=304");
    has(&head, "x-new: 1");
    assert_eq!(body, b"first");
    edge.ask("GET", "/vod/other", "").await;
    let (_, body) = edge.ask("GET", "/vod/other", "").await;
    assert_eq!(body, b"changed");
    let counts = edge.counts(|counts| counts.requests() == 4).await;
    assert_eq!((counts.revalidated, counts.misses), (1, 3));
    edge.stop().await;
}

#[tokio::test]
async fn a_dead_origin_means_stale_where_there_is_something_and_502_where_not() {
    let origin = Origin::start(|_| ok(STALE, "old")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    edge.ask("GET", "/vod/a", "").await;
    origin.stop().await;
    let (head, body) = edge.ask("GET", "/vod/a", "").await;
    has(&head, "http/1.1 200");
    has(&head, "detail=stale-if-error");
    assert_eq!(body, b"old");
    let (head, body) = edge.ask("GET", "/vod/b", "").await;
    has(&head, "http/1.1 502");
    let text = String::from_utf8(body).unwrap();
    has(&text, "the application is not available");
    assert!(!text.contains("127.0.0.1") && !head.contains("127.0.0.1"));
    let counts = edge.counts(|counts| counts.requests() == 3).await;
    assert_eq!((counts.stale, counts.misses), (1, 2));
    edge.stop().await;
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_from_the_stored_object() {
    let origin = Origin::start(|_| ok(FRESH, "0123456789")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    // Already the first request may ask for a part: all of it is fetched and stored.
    for _ in 0..2 {
        let (head, body) = edge.ask("GET", "/vod/r", "range: bytes=2-4\r\n").await;
        has(&head, "http/1.1 206");
        has(&head, "content-range: bytes 2-4/10");
        assert_eq!(body, b"234");
    }
    let (head, _) = edge.ask("GET", "/vod/r", "range: bytes=10-\r\n").await;
    has(&head, "http/1.1 416");
    let (head, body) = edge.ask("GET", "/vod/r", "if-none-match: \"a\"\r\n").await;
    has(&head, "http/1.1 304");
    assert!(body.is_empty());
    assert_eq!(origin.count(), 1);
    edge.stop().await;
}

#[tokio::test]
async fn nothing_names_the_origin_and_nothing_untrusted_reaches_it() {
    let at = std::sync::Arc::new(std::sync::OnceLock::<SocketAddr>::new());
    let own = std::sync::Arc::clone(&at);
    let origin = Origin::start(move |asked| {
        let mut response = ok(
            &[
                ("server", "inner"),
                ("via", "1.1 inner"),
                ("x-powered-by", "p"),
            ],
            "",
        );
        if asked.uri.path() == "/vod/moved" {
            *response.status_mut() = StatusCode::FOUND;
            let location = format!("http://{}/vod/new?x", own.get().unwrap());
            response
                .headers_mut()
                .insert("location", location.parse().unwrap());
        }
        response
    })
    .await;
    let record = origin.record();
    let inner = record.address.at.to_string();
    at.set(inner.parse().unwrap()).unwrap();
    let edge = Edge::start(record, route(Effect::Allow)).await;
    let (head, _) = edge
        .ask(
            "GET",
            "/vod/moved",
            "x-forwarded-host: evil\r\nx-original-url: /\r\n",
        )
        .await;
    has(&head, "location: http://edge.example/vod/new?x");
    for word in ["inner", "x-powered-by", &inner] {
        assert!(!head.contains(word), "`{word}` is in\n{head}");
    }
    let asked = &origin.asked()[0];
    assert_eq!(asked.headers["x-forwarded-host"], "edge.example");
    assert_eq!(asked.headers["host"], inner.as_str());
    assert!(!asked.headers.contains_key("x-original-url"));
    edge.stop().await;
}

#[tokio::test]
async fn who_may_not_is_refused_with_a_reason_and_the_origin_sees_nothing() {
    let origin = Origin::start(|_| ok(FRESH, "")).await;
    let edge = Edge::start(origin.record(), route(Effect::Deny)).await;
    let (head, body) = edge.ask("GET", "/vod/a", "").await;
    has(&head, "http/1.1 403");
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["reason"], "denied_by_default");
    let decision = problem["decision"].as_str().unwrap().to_owned();
    let (head, _) = edge.ask("GET", "/nowhere", "").await;
    has(&head, "http/1.1 404");
    let (head, _) = edge.ask("GET", "/vod/%2e%2e/x", "").await;
    has(&head, "http/1.1 400");
    let report = edge
        .server
        .report(|report| {
            report
                .sessions
                .iter()
                .any(|one| one.state == SessionState::Refused)
        })
        .await;
    let refused = report
        .sessions
        .iter()
        .find(|one| one.decision.is_some())
        .unwrap();
    assert_eq!(refused.decision.unwrap().to_string(), decision);
    assert_eq!(refused.reason, Some(Reason::DeniedByDefault));
    assert_eq!(refused.app, "vod");
    assert_eq!(origin.count(), 0);
    edge.stop().await;
}

#[tokio::test]
async fn a_purge_is_receipted_and_the_next_request_asks_the_origin() {
    let origin = Origin::start(|_| ok(FRESH, "x")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    let purge = |number, scope| Order {
        number,
        work: Work::Purge { scope },
    };
    for path in ["/vod/a", "/vod/b"] {
        edge.ask("GET", path, "").await;
    }
    let url = "http://edge.example/vod/a".to_owned();
    edge.server.order(purge(1, PurgeScope::Url { url }));
    let report = edge
        .server
        .report(|report| !report.receipts.is_empty())
        .await;
    assert_eq!(report.receipts[0].count, 1);
    edge.ask("GET", "/vod/a", "").await;
    edge.ask("GET", "/vod/b", "").await;
    assert_eq!(origin.count(), 3);
    edge.server.order(purge(2, PurgeScope::All));
    let fits = |report: &contract::report::Report| {
        report.receipts.iter().any(|receipt| receipt.number == 2)
    };
    edge.server.report(fits).await;
    edge.ask("GET", "/vod/b", "").await;
    assert_eq!(origin.count(), 4);
    edge.stop().await;
}

#[tokio::test]
async fn a_body_goes_on_and_a_successful_change_drops_what_is_stored() {
    let origin = Origin::start(|asked| {
        if asked.method == Method::PUT {
            return ok(&[], "");
        }
        ok(FRESH, "x")
    })
    .await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    edge.ask("GET", "/vod/a", "").await;
    let (head, _) = edge.ask("PUT", "/vod/a", "content-length: 0\r\n").await;
    has(&head, "fwd=method");
    let (head, _) = edge.ask("GET", "/vod/a", "").await;
    has(&head, "fwd=uri-miss");
    assert_eq!(origin.count(), 3);
    edge.stop().await;
}

#[tokio::test]
async fn a_long_answer_ends_when_a_rule_no_longer_allows_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = record(listener.local_addr().unwrap());
    let edge = Edge::start(origin.clone(), route(Effect::Allow)).await;
    let mut client = TcpStream::connect(edge.http).await.unwrap();
    let request_text = b"GET /vod/long HTTP/1.1\r\nhost: e\r\n\r\n";
    client.write_all(request_text).await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    request(&mut upstream).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
    upstream.write_all(head).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"begin") {
        seen.push(client.read_u8().await.unwrap());
    }
    edge.server
        .publish(2, &snapshot(vec![origin], vec![route(Effect::Deny)]));
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    let fits = |report: &contract::report::Report| {
        let ended = |one: &contract::report::SessionRecord| {
            one.state == SessionState::Ended && one.reason == Some(Reason::NoLongerAllowed)
        };
        report.sessions.iter().any(ended)
    };
    edge.server.report(fits).await;
    edge.stop().await;
}

#[tokio::test]
async fn restarted_without_the_server_it_decides_the_same() {
    let origin = Origin::start(|_| ok(FRESH, Bytes::from_static(b"x"))).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    edge.ask("GET", "/vod/a", "").await;
    edge.counts(|counts| counts.misses == 1).await;
    let Edge {
        server, agent, dir, ..
    } = edge;
    agent.stop(Duration::from_secs(2)).await;
    server.stop();
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let http = agent.addresses().http.unwrap();
    assert_eq!(get(http, "/vod/a").await, (200, "x".to_owned()));
    assert_eq!(get(http, "/nowhere").await.0, 404);
    let status = agent.addresses().status.unwrap();
    let (_, metrics) = get(status, "/metrics").await;
    // The counts go on where they were.
    has(
        &metrics,
        &format!("weir_edge_cache_requests_total{{route=\"{ROUTE}\",outcome=\"miss\"}} 2"),
    );
    agent.stop(Duration::from_secs(2)).await;
}
