//! One relay for many viewers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::{comes_true, eventually, stays};
use crate::harness::media;
use crate::harness::viewer::{self, Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a13_many_viewers_of_one_stream_cost_the_origin_one_connection() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let clip = viewer::frames_of(&media::clip());
    let _publisher = world.publish("live", "s");
    for count in [1, 10, 100, 500] {
        let before = world.origin.accepted();
        let mut crowd = Crowd::of(count, edge.rtmp(), "live", "s");
        crowd.watches(30);
        assert_eq!(world.origin.accepted() - before, 1, "{count} viewers");
        assert_eq!(
            world.origin.clients_of("live", "s"),
            2,
            "the publisher and the edge"
        );
        for viewer in &crowd.0 {
            assert!(
                viewer.saw_only(&clip) && viewer.timestamps.is_sorted(),
                "{count} viewers"
            );
        }
        drop(crowd);
        // The relay lingers, so that who returns joins it; then it costs nothing.
        let mut back = Crowd::of(1, edge.rtmp(), "live", "s");
        back.watches(2);
        assert_eq!(world.origin.accepted() - before, 1, "a viewer who returns");
        drop(back);
        eventually(SOON * 2, "the relay ends", || {
            (world.origin.clients_of("live", "s") == 1).then_some(())
        });
    }
    let before = world.origin.accepted();
    stays(
        Duration::from_secs(1),
        "nothing is pulled for nobody",
        || world.origin.accepted() == before,
    );
}

#[test]
fn a_stream_that_nobody_publishes_is_answered_and_costs_little() {
    let world = World::start(1);
    let before = world.origin.accepted();
    let mut crowd = Crowd::of(20, world.edges[0].rtmp(), "live", "nobody");
    crowd.is_told("NetStream.Play.StreamNotFound");
    for viewer in &mut crowd.0 {
        let said = viewer.is_told("NetStream.Play.StreamNotFound");
        assert!(said.after < Duration::from_secs(10), "{said:?}");
    }
    let asked = world.origin.accepted() - before;
    assert!(asked <= 4, "20 viewers made {asked} connections");
}

#[test]
fn a_viewer_who_waits_gets_the_stream_as_soon_as_it_is_published() {
    let world = World::start(1);
    let mut early = Crowd::of(2, world.edges[0].rtmp(), "live", "late");
    early.step();
    let _publisher = media::publish_loop(&world.edges[0].url("live/late"));
    early.watches(10);
}

/// The longest time in which a viewer got no frame, of some that it watches.
fn longest_pause(viewer: &mut Viewer) -> Duration {
    let mut last = Instant::now();
    let mut longest = Duration::ZERO;
    comes_true(Duration::from_secs(3), || {
        let before = viewer.frames.len();
        viewer.step();
        if viewer.frames.len() > before {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        false
    });
    longest
}

#[test]
fn a_latency_budget_gathers_media_for_those_who_watch_already_and_loses_none() {
    const BUDGET: Duration = Duration::from_secs(1);
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let clip = viewer::frames_of(&media::clip());
    let _publisher = world.publish("live", "s");
    let route = format!("/routes/{}", world.route_named("live"));
    let mut viewer = Viewer::play(edge, "live", "s");
    viewer.watches(30);
    for (gather_ms, gathers) in [(0, false), (1_000, true), (0, false)] {
        world
            .api
            .patch(&route, &json!({"live": {"gather_ms": gather_ms}}));
        eventually(SOON * 2, "media goes out as the route says", || {
            let gathered = longest_pause(&mut viewer) >= BUDGET / 2;
            (gathered == gathers).then_some(())
        });
    }
    assert!(viewer.saw_only(&clip) && viewer.timestamps.is_sorted());
}
