//! Tunnels with real programs, and clients that connect again when they are asked to. Calls, shared objects and
//! what fails stand in `edge-agent/tests/rtmp/tunnel.rs`, with an application of our own.

use std::time::Duration;

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn ffmpeg_and_rtmpdump_publish_and_play_through_tunnels_each_by_a_session_of_its_own() {
    let world = World::start(2);
    world.route(json!({"name": "arena", "app": "arena", "rewrite": "live", "mode": "tunnel"}));
    world.settle();
    let url = world.edges[0].url("arena/s");
    let _publisher = media::publish_loop(&url);
    eventually(SOON, "the origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    let before = world.origin.accepted();
    let players = [media::play(&url, 2), media::play(&url, 2)];
    for player in players {
        media::assert_played("ffmpeg by a tunnel", &player.wait(SOON * 3));
    }
    let dumped = media::rtmpdump_for_a_while(&["-r", &url], SOON);
    media::assert_played("rtmpdump by a tunnel", &dumped);
    assert_eq!(world.origin.accepted() - before, 3);

    // A client that belongs to the first edge is carried there by the second.
    let client = world.client_here("here");
    world.assign(&client, &world.edges[0], "relay");
    world.settle();
    let played = media::play_for(&world.edges[1].url("arena/s"), 2);
    media::assert_played("ffmpeg by two tunnels in a row", &played);
    eventually(SOON, "each edge's record names the next hop", || {
        let records = world.sessions("state=ended");
        let hops = ["edge", "origin"].map(|kind| {
            let named = |one: &&serde_json::Value| one["next_hop"]["kind"] == kind;
            records.iter().filter(named).count()
        });
        (hops == [1, 4]).then_some(())
    });

    // Nobody who is refused reaches the origin.
    let before = world.origin.accepted();
    world.rule(json!({"name": "nobody", "conditions": [{"kind": "app", "patterns": ["arena"]}]}));
    world.settle();
    let mut refused = Viewer::play(world.edges[0].rtmp(), "arena", "s");
    refused.is_told("NetConnection.Connect.Rejected");
    refused.is_ended();
    assert_eq!(world.origin.accepted(), before);
}

#[test]
fn a_client_that_announces_it_is_asked_to_go_to_its_edge_when_it_is_reassigned() {
    let world = World::start(2);
    let _publisher = world.publish("live", "s");
    let client = world.client_here("here");
    let mut new = Viewer::play_announcing(world.edges[0].rtmp(), "live", "s");
    let mut old = Viewer::play(world.edges[0].rtmp(), "live", "s");
    new.watches(5);
    old.watches(5);
    world.assign(&client, &world.edges[1], "redirect");
    let code = "NetConnection.Connect.ReconnectRequest";
    let told = new.is_told(code);
    assert_eq!(told.tc_url, world.edges[1].url("live"));
    // It watches until it goes, and so does one that was not asked.
    new.watches(20);
    old.watches(20);
    assert!(old.told(code).is_none());
}
