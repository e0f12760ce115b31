//! How fresh is fresh: what is used stale and when, what is said to this cache alone, what is kept of an answer that
//! there is nothing, and what `Cache-Status` tells of it, with the requests that the origin received.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::http::{self, Answer};
use crate::harness::http_origin::{HttpOrigin, Out, Received};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
/// Within which a stale answer comes, whatever the origin does.
const PROMISED: Duration = Duration::from_millis(50);

/// What an origin does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers(&'static str),
    Hangs,
    Breaks,
}

/// An origin whose manner changes while it is asked.
struct Moody {
    origin: HttpOrigin,
    manner: Arc<Mutex<Manner>>,
}

impl Moody {
    /// Its good answers have this `Cache-Control`.
    fn new(cache_control: &'static str) -> Self {
        let manner = Arc::new(Mutex::new(Manner::Answers("first")));
        let theirs = Arc::clone(&manner);
        let origin = HttpOrigin::start(move |_, out| {
            let now = || *theirs.lock().unwrap_or_else(PoisonError::into_inner);
            match now() {
                Manner::Answers(body) => {
                    let fields = [("cache-control", cache_control), ("etag", "\"x\"")];
                    out.answer("200 OK", &fields, body.as_bytes())?;
                }
                Manner::Breaks => out.answer("503 Service Unavailable", &[], b"broken")?,
                Manner::Hangs => {
                    eventually(SOON * 3, "the origin goes on", || {
                        (now() != Manner::Hangs).then_some(())
                    });
                }
            }
            closed()
        });
        Moody { origin, manner }
    }

    fn is_now(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }
}

/// Closes the connection after an answer.
fn closed() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

fn world(origin: &HttpOrigin) -> World {
    let world = World::start(1);
    world.add_http_origin(&origin.address(), "law/*", json!({}));
    world.settle();
    world
}

fn ask(world: &World, path: &str) -> Answer {
    http::get(world.edges[0].http(), path).expect("the edge answers")
}

fn status(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap_or_default()
}

/// Asks five times; the middle one must come in time, for the machine may be busy with something else.
fn comes_stale_in_time(world: &World, what: &str, detail: &str) {
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            let answer = ask(world, "/law/a");
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "first"),
                "{what}"
            );
            assert!(
                status(&answer).contains(detail),
                "{what}: {}",
                status(&answer)
            );
            begun.elapsed()
        })
        .collect();
    took.sort();
    assert!(took[2] < PROMISED, "{what}: {took:?}");
}

#[test]
fn a_stale_object_is_served_at_once_while_one_request_makes_it_fresh() {
    let moody = Moody::new("max-age=0, stale-while-revalidate=60");
    let world = world(&moody.origin);
    assert_eq!(ask(&world, "/law/a").text(), "first");
    moody.is_now(Manner::Hangs);
    comes_stale_in_time(
        &world,
        "while it is made fresh",
        "detail=stale-while-revalidate",
    );
    assert_eq!(moody.origin.requests_for("/law/a").len(), 2);
    let confirms = &moody.origin.requests_for("/law/a")[1];
    assert_eq!(confirms.header("if-none-match"), Some("\"x\""));
    moody.is_now(Manner::Answers("second"));
    eventually(SOON, "the fresh one is served", || {
        (ask(&world, "/law/a").text() == "second").then_some(())
    });
}

#[test]
fn a_stale_object_stands_in_for_an_origin_that_breaks_hangs_or_refuses() {
    let moody = Moody::new("max-age=0, stale-if-error=60");
    let world = world(&moody.origin);
    assert_eq!(ask(&world, "/law/a").text(), "first");
    moody.is_now(Manner::Breaks);
    comes_stale_in_time(&world, "broken", "detail=stale-if-error");
    moody.is_now(Manner::Hangs);
    comes_stale_in_time(&world, "hanging", "detail=stale-if-error");
    moody.is_now(Manner::Breaks);
    drop(moody);
    comes_stale_in_time(&world, "refusing", "detail=stale-if-error");
}

#[test]
fn what_must_be_confirmed_is_not_served_stale() {
    let moody =
        Moody::new("max-age=0, must-revalidate, stale-if-error=60, stale-while-revalidate=60");
    let world = world(&moody.origin);
    assert_eq!(ask(&world, "/law/a").status, 200);
    moody.is_now(Manner::Breaks);
    assert_eq!(ask(&world, "/law/a").status, 503);
    drop(moody);
    eventually(SOON, "the origin is gone", || {
        (ask(&world, "/law/a").status == 502).then_some(())
    });
}

/// Answers by the path.
fn by_path(request: &Received, out: &mut Out) -> io::Result<()> {
    match request.path() {
        "/law/targeted" => out.answer(
            "200 OK",
            &[
                ("cache-control", "no-store"),
                ("cdn-cache-control", "max-age=60"),
            ],
            b"for all",
        ),
        "/law/varies" => out.answer(
            "200 OK",
            &[("cache-control", "max-age=60"), ("vary", "accept-language")],
            b"hello",
        ),
        "/law/form" => out.answer(
            "200 OK",
            &[
                ("cache-control", "max-age=60"),
                ("content-location", "/law/form"),
            ],
            b"the form as it is now",
        ),
        _ => out.answer("404 Not Found", &[], b"nothing"),
    }
}

#[test]
fn what_is_stored_and_why_not_is_told() {
    let origin = HttpOrigin::start(by_path);
    let world = world(&origin);
    let requests = |path: &str| origin.requests_for(path).len();
    let edge = world.edges[0].http();

    // RFC 9213: what is said to this cache alone.
    ask(&world, "/law/targeted");
    let again = ask(&world, "/law/targeted");
    assert!(
        status(&again).starts_with("weir; hit"),
        "{}",
        status(&again)
    );
    assert_eq!(again.header("cache-control"), Some("no-store"));
    assert_eq!(requests("/law/targeted"), 1);

    // RFC 9211: why not.
    let spoken = |language: &str| {
        let fields = [("accept-language", language)];
        let answer = http::ask(edge, "GET", "/law/varies", &fields, &[]).unwrap();
        status(&answer).to_owned()
    };
    assert!(spoken("en").contains("fwd=uri-miss"));
    assert!(spoken("de").contains("fwd=vary-miss"));
    assert!(spoken("en").starts_with("weir; hit"));

    // RFC 9110, section 9.3.3: an answer to POST that is the one to GET too.
    let posted = http::ask(edge, "POST", "/law/form", &[], b"a=1").unwrap();
    assert!(
        status(&posted).contains("fwd=method"),
        "{}",
        status(&posted)
    );
    let gotten = ask(&world, "/law/form");
    assert_eq!(gotten.text(), "the form as it is now");
    assert!(
        status(&gotten).starts_with("weir; hit"),
        "{}",
        status(&gotten)
    );
    assert_eq!(requests("/law/form"), 1);
}

#[test]
fn that_there_is_nothing_is_kept_as_long_as_the_route_says() {
    let origin = HttpOrigin::start(by_path);
    let world = World::start(1);
    let keeping = json!({"cache": {"negative_ttl_ms": 60_000}});
    world.add_http_origin(&origin.address(), "law/*", keeping);
    world.add_http_origin(&origin.address(), "plain/*", json!({}));
    world.settle();
    for path in ["/law/none", "/plain/none"] {
        for _ in 0..3 {
            assert_eq!(ask(&world, path).status, 404);
        }
    }
    assert_eq!(origin.requests_for("/law/none").len(), 1);
    assert_eq!(origin.requests_for("/plain/none").len(), 3);
}
