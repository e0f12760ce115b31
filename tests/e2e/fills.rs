//! Fills: one answer on its way and everyone who reads it, and origins that are slow, dead or broken.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::http_origin::{HttpOrigin, Out};
use crate::harness::http_reader::Reader;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
const KEPT: &[(&str, &str)] = &[("cache-control", "max-age=60")];

/// Holds answers until the test opens it; the opened gate stays open.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let (open, told) = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that fails does not open it: the origin does not wait for ever.
        drop(told.wait_timeout_while(open, SOON, |open| !*open));
    }

    fn open(&self) {
        let (open, told) = &*self.0;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }
}

fn world(origin: &HttpOrigin) -> World {
    let world = World::start(1);
    world.add_http_origin(&origin.address(), "fills/*", json!({}));
    world
}

/// An answer of two halves, with a gate between.
fn halves(out: &mut Out, gate: &Gate) -> io::Result<()> {
    out.head("200 OK", KEPT, 200_000)?;
    out.write(&[1; 100_000])?;
    gate.wait();
    out.write(&[2; 100_000])
}

#[test]
fn who_joins_a_slow_fill_gets_its_first_byte_at_once_and_it_outlives_who_began_it() {
    let gate = Gate::default();
    let held = gate.clone();
    let origin = HttpOrigin::start(move |_, out| halves(out, &held));
    let world = world(&origin);
    let edge = world.edges[0].http();
    let mut first = Reader::get(edge, "/fills/a.ts");
    first.read(100_000);
    let asked = Instant::now();
    let mut second = Reader::get(edge, "/fills/a.ts");
    second.read(1);
    let waited = asked.elapsed();
    assert!(waited < Duration::from_millis(50), "{waited:?}");
    let mut third = Reader::get(edge, "/fills/a.ts");
    third.read(100_000);
    drop(first);
    gate.open();
    assert_eq!(second.read(199_999).last(), Some(&2));
    assert!(third.read(100_000) == [2; 100_000]);
    let again = http::get(edge, "/fills/a.ts").unwrap();
    assert!(again.header("cache-status").unwrap().contains("; hit"));
    assert_eq!(origin.received().len(), 1);
}

#[test]
fn an_answer_that_is_not_stored_lets_all_who_wait_go_at_its_head() {
    let (head, body) = (Gate::default(), Gate::default());
    let (at_head, at_body) = (head.clone(), body.clone());
    let count = AtomicUsize::new(0);
    let origin = HttpOrigin::start(move |_, out| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            at_head.wait();
        }
        out.head("200 OK", &[("cache-control", "no-store")], 4)?;
        if first {
            at_body.wait();
        }
        out.write(b"mine")
    });
    let world = world(&origin);
    let edge = world.edges[0].http();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| http::get(edge, "/fills/p.txt").unwrap());
        eventually(SOON, "the first is asked for", || {
            (origin.received().len() == 1).then_some(())
        });
        let waiting: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| http::get(edge, "/fills/p.txt").unwrap()))
            .collect();
        head.open();
        // The body of the first has not come: nobody waits for it.
        for one in waiting {
            assert_eq!(one.join().unwrap().text(), "mine");
        }
        assert!(!first.is_finished());
        body.open();
        assert_eq!(first.join().unwrap().text(), "mine");
    });
    assert_eq!(origin.received().len(), 21);
}

#[test]
fn what_broke_off_is_never_stored_and_never_looks_whole() {
    let broke = AtomicBool::new(false);
    let origin = HttpOrigin::start(move |_, out| {
        if broke.swap(true, Ordering::Relaxed) {
            return out.answer("200 OK", KEPT, b"the whole");
        }
        out.head("200 OK", KEPT, 9)?;
        out.write(b"the")?;
        Err(io::ErrorKind::BrokenPipe.into())
    });
    let world = world(&origin);
    let edge = world.edges[0].http();
    let cut = Reader::get(edge, "/fills/a.ts");
    assert!(cut.head.contains("content-length: 9"), "{}", cut.head);
    let rest = cut.rest();
    assert!(b"the".starts_with(&rest), "{rest:?}");
    assert_eq!(http::get(edge, "/fills/a.ts").unwrap().text(), "the whole");
}

#[test]
fn an_origin_that_hangs_is_not_waited_for_while_another_is_there() {
    let gate = Gate::default();
    let held = gate.clone();
    let hanging = HttpOrigin::start(move |_, _| {
        held.wait();
        Err(io::ErrorKind::TimedOut.into())
    });
    let origin = HttpOrigin::start(|request, out| match request.body.as_slice() {
        b"" => out.answer("200 OK", KEPT, b"here"),
        body => out.answer("200 OK", &[], body),
    });
    let world = World::start(1);
    let ids = [&hanging, &origin].map(|origin| {
        let reach = json!({"private": false, "loopback": true});
        let address = format!("http://{}", origin.address());
        let record = json!({"name": address, "address": address, "reach": reach});
        world.api.post("/origins", &record)["id"].clone()
    });
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let reach = json!({"private": false, "loopback": true});
        let record = json!({"name": "nobody", "address": address, "reach": reach});
        world.api.post("/origins", &record)["id"].clone()
    };
    world.route(json!({"name": "fills", "plane": "http", "app": "fills/*", "upstreams": ids}));
    let sent = json!([nobody, ids[1]]);
    world.route(json!({"name": "sent", "plane": "http", "app": "sent/*", "upstreams": sent}));
    world.settle();
    let edge = world.edges[0].http();
    let asked = Instant::now();
    assert_eq!(http::get(edge, "/fills/a.ts").unwrap().text(), "here");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(hanging.received().len(), 1);
    // A body goes to whoever is reached, once.
    let answer = http::ask(edge, "POST", "/sent/form", &[], b"a=1").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "a=1"));
    assert_eq!(origin.requests_for("/sent/form").len(), 1);
    gate.open();
}
