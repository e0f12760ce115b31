//! Origins die, freeze, come back, or never had the stream: viewers and publishers stay. Each test prints the
//! figure that it holds the edge to.

use std::time::Duration;

use serde_json::json;

use crate::harness::eventually::{eventually, stays, timed};
use crate::harness::media;
use crate::harness::origin::Origin;
use crate::harness::process::Running;
use crate::harness::viewer::{self, Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

/// A stream that one encoder publishes at both origins of the route `two`.
fn published_at_both(world: &World, second: &Origin) -> Running {
    let urls = [world.origin.url("live", "s"), second.url("live", "s")];
    let publisher = media::publish_to_all(&urls);
    eventually(SOON, "both origins have the stream", || {
        let both = world.origin.is_published("live", "s") && second.is_published("live", "s");
        both.then_some(())
    });
    publisher
}

/// Viewers who watch for so long that a second origin stands by.
fn settled(world: &World, second: &Origin) -> Crowd {
    let mut crowd = Crowd::of(5, world.edges[0].rtmp(), "two", "s");
    crowd.watches(30);
    eventually(SOON, "the second origin stands by", || {
        crowd.step();
        (second.clients_of("live", "s") == 2).then_some(())
    });
    // A group of pictures lasts a second.
    crowd.watches(40);
    crowd
}

#[track_caller]
fn gap(crowd: &Crowd) -> Duration {
    for viewer in &crowd.0 {
        assert_eq!(viewer.closed, None, "{:?}", viewer.said);
        assert!(viewer.timestamps.is_sorted(), "{:?}", viewer.timestamps);
    }
    crowd.0.iter().map(Viewer::gap).max().unwrap_or_default()
}

#[test]
fn b8_when_an_origin_is_killed_the_next_goes_on_within_half_a_second() {
    let mut world = World::start(1);
    let second = world.with_two_origins("two");
    let _publisher = published_at_both(&world, &second);
    let mut crowd = settled(&world, &second);
    world.origin.kill();
    crowd.watches(100);
    let gap = gap(&crowd);
    println!(
        "an origin was killed: {} ms without a picture",
        gap.as_millis()
    );
    assert!(gap < Duration::from_millis(500), "{gap:?}");
    let clip = viewer::frames_of(&media::clip());
    for viewer in &crowd.0 {
        assert!(viewer.saw_only(&clip), "a frame was lost or came twice");
    }
}

#[test]
fn b8_when_an_origin_freezes_the_next_goes_on_within_two_seconds() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    let _publisher = published_at_both(&world, &second);
    let mut crowd = settled(&world, &second);
    world.origin.freeze();
    crowd.watches(100);
    let gap = gap(&crowd);
    println!("an origin froze: {} ms without a picture", gap.as_millis());
    assert!(gap < Duration::from_secs(2), "{gap:?}");
    world.origin.thaw();
    crowd.watches(50);
}

#[test]
fn b8_two_origins_with_different_streams_are_spliced_and_timestamps_go_on_rising() {
    let mut world = World::start(1);
    let second = world.with_two_origins("two");
    let _first = world.publish("live", "s");
    let mut crowd = Crowd::of(3, world.edges[0].rtmp(), "two", "s");
    crowd.watches(120);
    // Begun five seconds later, it is at another place of the clip, with other timestamps.
    let _second = media::publish_loop(&second.url("live", "s"));
    eventually(SOON * 2, "the second origin stands by", || {
        crowd.step();
        (second.clients_of("live", "s") == 2).then_some(())
    });
    crowd.watches(40);
    world.origin.kill();
    crowd.watches(60);
    let gap = gap(&crowd);
    println!("another stream went on after {} ms", gap.as_millis());
    assert!(gap < Duration::from_millis(500), "{gap:?}");
}

#[test]
fn viewers_stay_while_their_only_origin_restarts() {
    let mut world = World::start(1);
    let publisher = world.publish("live", "s");
    let mut crowd = Crowd::of(3, world.edges[0].rtmp(), "live", "s");
    crowd.watches(30);
    world.origin.restart();
    drop(publisher);
    let _publisher = world.publish("live", "s");
    crowd.watches(60);
    println!(
        "an origin restarted: {} ms without a picture",
        gap(&crowd).as_millis()
    );
}

#[test]
fn a_stream_on_the_second_origin_only_shows_its_first_picture_within_a_second() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    // nginx keeps no keyframe for who joins: the next one comes within 400 ms.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = second.url("live", "s");
    let _publisher = media::publish_with_many_keyframes(&url, folder.path());
    eventually(SOON, "the second origin has the stream", || {
        second.is_published("live", "s").then_some(())
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..2 {
        let mut viewer = Viewer::play(world.edges[0].rtmp(), "two", "s");
        viewer.watches(5);
        slowest = slowest.max(viewer.arrivals[0]);
        drop(viewer);
        eventually(SOON * 2, "the relay ends", || {
            (second.clients_of("live", "s") == 1).then_some(())
        });
    }
    println!(
        "only the second origin has it: first picture within {} ms",
        slowest.as_millis()
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn b8_no_publisher_is_refused_because_one_of_two_origins_is_down() {
    let mut world = World::start(1);
    let second = world.with_two_origins("two");
    world.origin.kill();
    let publishes = |stream: &str| {
        let mut publisher = Viewer::publish(world.edges[0].rtmp(), "two", stream);
        publisher.until_told_or_ended();
        let started = publisher.told("NetStream.Publish.Start").cloned();
        (
            started.unwrap_or_else(|| panic!("{:?}", publisher.said)),
            publisher,
        )
    };
    let published: Vec<_> = (0..20).map(|one| publishes(&format!("s{one}"))).collect();
    let slowest = published.iter().map(|(said, _)| said.after).max();
    println!("an origin is dead: 0 of 20 publishers refused, the slowest after {slowest:?}");
    assert!(second.is_published("live", "s19"));
}

#[test]
fn viewers_stay_while_their_publisher_is_away_for_three_seconds() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let publisher = media::publish_loop(&edge.url("live/s"));
    let mut crowd = Crowd::of(3, edge.rtmp(), "live", "s");
    crowd.watches(30);
    drop(publisher);
    stays(Duration::from_secs(3), "viewers stay", || {
        crowd.step();
        crowd.0.iter().all(|viewer| viewer.closed.is_none())
    });
    let _publisher = media::publish_loop(&edge.url("live/s"));
    crowd.watches(60);
    let gap = gap(&crowd);
    println!(
        "a publisher was away for 3 s: {} ms without a picture",
        gap.as_millis()
    );
    assert!(gap >= Duration::from_secs(3));
}

#[test]
fn a_stream_that_exists_nowhere_is_answered_in_the_stated_wait_and_costs_little() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    let before = world.origin.accepted() + second.accepted();
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let mut crowd = Crowd::of(10, world.edges[0].rtmp(), "two", "nobody");
        crowd.is_told("NetStream.Play.StreamNotFound");
        for viewer in &mut crowd.0 {
            slowest = slowest.max(viewer.is_told("NetStream.Play.StreamNotFound").after);
        }
    }
    let asked = world.origin.accepted() + second.accepted() - before;
    println!("a stream nowhere: told after at most {slowest:?}, {asked} questions for 30 viewers");
    // The route's wait is 3 s.
    assert!(
        slowest > Duration::from_secs(2) && slowest < Duration::from_secs(5),
        "{slowest:?}"
    );
    assert!(asked <= 8, "{asked}");
}

#[test]
fn a_viewer_who_leaves_and_returns_a_hundred_times_is_never_refused() {
    let world = World::start(1);
    let _publisher = world.publish("live", "s");
    let before = world.origin.accepted();
    for turn in 0..100 {
        let mut viewer = Viewer::play(world.edges[0].rtmp(), "live", "s");
        viewer.until_told_or_ended();
        let started = viewer.told("NetStream.Play.Start").is_some();
        assert!(started, "at turn {turn}: {:?}", viewer.said);
    }
    let pulls = world.origin.accepted() - before;
    println!("left and returned 100 times: never refused, {pulls} pulls");
    assert_eq!(pulls, 1);
}

#[test]
fn relays_that_run_follow_their_route_and_viewers_stay() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    let _publisher = published_at_both(&world, &second);
    let elsewhere = second.url("studio", "s");
    let _other = media::publish_loop(&elsewhere);
    let path = format!("/routes/{}", world.route_named("two"));
    let both = world.api.get(&path)["upstreams"].clone();
    let only = |place: usize| json!({"upstreams": [both[place]]});
    world.api.patch(&path, &only(0));
    world.settle();
    let mut crowd = Crowd::of(3, world.edges[0].rtmp(), "two", "s");
    crowd.watches(30);
    assert_eq!(second.clients_of("live", "s"), 1, "only the publisher");
    // Other origins.
    world.api.patch(&path, &only(1));
    eventually(SOON, "the relay goes to the other origin", || {
        crowd.step();
        let left = world.origin.clients_of("live", "s") == 1;
        (left && second.clients_of("live", "s") == 2).then_some(())
    });
    crowd.watches(30);
    let gap_then = gap(&crowd);
    println!(
        "another origin: {} ms without a picture",
        gap_then.as_millis()
    );
    assert!(gap_then < Duration::from_millis(500), "{gap_then:?}");
    // Another application of the same origin, for who is there and for who comes.
    world.api.patch(&path, &json!({"rewrite": "studio"}));
    eventually(SOON, "the relay asks for the other application", || {
        crowd.step();
        let left = second.clients_of("live", "s") == 1;
        (left && second.clients_of("studio", "s") == 2).then_some(())
    });
    crowd.watches(30);
    let mut later = Viewer::play(world.edges[0].rtmp(), "two", "s");
    later.watches(10);
    assert_eq!(second.clients_of("studio", "s"), 2, "one relay for all");
    println!(
        "another application: {} ms without a picture",
        gap(&crowd).as_millis()
    );
}

#[test]
fn a_publisher_stays_when_its_route_names_another_origin() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    let path = format!("/routes/{}", world.route_named("two"));
    let both = world.api.get(&path)["upstreams"].clone();
    let mut publisher = media::publish_loop(&world.edges[0].url("two/s"));
    eventually(SOON, "the first origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    world.api.patch(&path, &json!({"upstreams": [both[1]]}));
    eventually(SOON, "the second one has it instead", || {
        let moved = second.is_published("live", "s") && !world.origin.is_published("live", "s");
        moved.then_some(())
    });
    let mut viewer = Viewer::play(&second.rtmp_address(), "live", "s");
    viewer.watches(30);
    assert!(publisher.is_running());
}

#[test]
fn an_origin_that_freezes_under_a_publisher_is_left_within_two_seconds() {
    let world = World::start(1);
    let second = world.with_two_origins("two");
    let mut publisher = media::publish_loop(&world.edges[0].url("two/s"));
    eventually(SOON, "the first origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    // It has answered some questions.
    stays(Duration::from_secs(2), "it stays there", || {
        !second.is_published("live", "s")
    });
    world.origin.freeze();
    let ((), took) = timed(SOON, "the second origin has the stream", || {
        second.is_published("live", "s").then_some(())
    });
    println!("an origin froze under a publisher: the next had the stream after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    world.origin.thaw();
    let mut viewer = Viewer::play(&second.rtmp_address(), "live", "s");
    viewer.watches(30);
    assert!(publisher.is_running());
}
