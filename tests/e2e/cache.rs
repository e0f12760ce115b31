//! HTTP objects through an edge: one fill for many, and counts that are exact.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a14_the_second_client_gets_an_object_from_the_cache_and_counts_are_exact() {
    let world = World::start(1);
    let edge = world.edges[0].http();
    world.origin.put("/media/a.ts", b"segment");
    world.origin.put("/private/p.txt", b"mine");
    let ask = |path: &str| {
        let answer = http::get(edge, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.header("cache-status").unwrap_or_default().to_owned()
    };
    let first = ask("/media/a.ts");
    assert!(
        first.contains("fwd=uri-miss") || first.contains("fwd=miss"),
        "{first}"
    );
    for _ in 0..3 {
        let hit = ask("/media/a.ts");
        assert!(hit.contains("hit") && !hit.contains("fwd"), "{hit}");
    }
    // nginx writes its log after it has answered.
    eventually(SOON, "the log counts", || {
        (world.origin.requests_for("/media/a.ts") == 1).then_some(())
    });
    ask("/private/p.txt");
    ask("/private/p.txt");
    eventually(SOON, "the log counts", || {
        (world.origin.requests_for("/private/p.txt") == 2).then_some(())
    });

    let counts = |route: &str, edge: &str| {
        let figures = world.api.items("/cache");
        figures
            .into_iter()
            .find(|row| row["route"] == route && row["edge"] == edge)
            .unwrap_or_default()
    };
    let (media, private) = (world.route_named("media/*"), world.route_named("private/*"));
    let edge = &world.edges[0].id;
    eventually(SOON, "every request is counted", || {
        (counts(&media, edge)["requests"] == 4).then_some(())
    });
    let of_media = counts(&media, edge);
    for (outcome, expected) in [
        ("hits", 3),
        ("misses", 1),
        ("joined", 0),
        ("bypasses", 0),
        ("stale", 0),
    ] {
        assert_eq!(of_media[outcome], expected, "{outcome} of {of_media}");
    }
    assert_eq!(
        (&of_media["sent_bytes"], &of_media["fetched_bytes"]),
        (&json!(28), &json!(7)),
        "{of_media}"
    );
    let of_private = counts(&private, edge);
    assert_eq!(
        (&of_private["requests"], &of_private["hits"]),
        (&json!(2), &json!(0)),
        "{of_private}"
    );
}

#[test]
fn b10_a_thousand_requests_for_one_uncached_object_make_one_request_at_the_origin() {
    let world = World::start(1);
    let edge = world.edges[0].http();
    let body: Vec<u8> = (0..200_000u32).map(|at| (at % 253) as u8).collect();
    world.origin.put("/slow/big.ts", &body);
    std::thread::scope(|scope| {
        for _ in 0..1_000 {
            scope.spawn(|| {
                let answer = http::get(edge, "/slow/big.ts").unwrap();
                assert!(
                    answer.status == 200 && answer.body == body,
                    "{} {}",
                    answer.status,
                    answer.body.len()
                );
            });
        }
    });
    eventually(SOON, "the log counts", || {
        (world.origin.requests_for("/slow/big.ts") == 1).then_some(())
    });
}

#[test]
fn b9_with_every_origin_dead_objects_are_served_stale_and_live_players_get_an_end() {
    let mut world = World::start(1);
    world.origin.put("/brief/a.ts", b"segment");
    let publisher = world.publish("live", "s");
    let mut crowd = Crowd::of(3, world.edges[0].rtmp(), "live", "s");
    crowd.watches(5);
    let ask = |world: &World| http::get(world.edges[0].http(), "/brief/a.ts").unwrap();
    assert_eq!(ask(&world).status, 200);
    world.origin.kill();
    drop(publisher);
    let begun = Instant::now();
    for viewer in &mut crowd.0 {
        viewer.is_ended();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "players hung for {:?}",
        begun.elapsed()
    );
    // Its second of freshness is over by then.
    let stale = eventually(SOON, "the object is stale", || {
        let answer = ask(&world);
        let age: u64 = answer
            .header("age")
            .and_then(|age| age.parse().ok())
            .unwrap_or(0);
        (answer.status != 200 || age >= 2).then_some(answer)
    });
    assert_eq!((stale.status, stale.text().as_str()), (200, "segment"));
    let mut late = Viewer::play(world.edges[0].rtmp(), "live", "s");
    late.is_ended();
    assert!(
        late.frames.is_empty() && !late.said.is_empty(),
        "{:?}",
        late.said
    );
}

#[test]
fn what_of_a_query_does_not_count_tells_no_two_objects_apart_and_is_kept_from_the_origin() {
    let world = World::start(1);
    let edge = world.edges[0].http();
    world.origin.put("/media/q.ts", b"segment");
    let media = world.route_named("media/*");
    let count = |rule: serde_json::Value| {
        world
            .api
            .patch(&format!("/routes/{media}"), &json!({"query": rule}));
        world.settle();
    };
    let ask = |query: &str| {
        let answer = http::get(edge, &format!("/media/q.ts?{query}")).unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let status = answer.header("cache-status").unwrap_or_default();
        status.starts_with("weir; hit")
    };
    count(json!({"parts": "without", "names": ["utm"], "sorted": true}));
    assert!(!ask("b=2&utm=7&a=1"));
    assert!(ask("a=1&b=2") && ask("utm=9&a=1&b=2") && !ask("a=1&b=3"));
    count(json!({"parts": "none"}));
    assert!(!ask("a=1") && ask("z"));
    eventually(SOON, "the log counts", || {
        let seen = |target: &str| world.origin.requests_for(target);
        (seen("/media/q.ts?a=1&b=2") == 1
            && seen("/media/q.ts?a=1&b=3") == 1
            && seen("/media/q.ts") == 1)
            .then_some(())
    });
    // A purge finds what the same address would.
    let purge = json!({"kind": "url", "url": format!("http://{edge}/media/q.ts?x=1")});
    world.api.post("/purges", &purge);
    eventually(SOON, "the object is purged", || (!ask("y=1")).then_some(()));
}
