//! The edges without the server.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::http;
use crate::harness::media;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;

#[test]
fn c6_with_the_server_stopped_edges_go_on_after_their_own_restart_too() {
    let mut world = World::start(2);
    let _publisher = world.publish("live", "s");
    let (client, password) = world.client("member");
    world.route(json!({"name": "members", "app": "members", "order": 10, "identity": ["stream_password"], "rewrite": "live"}));
    world.assign(&client, &world.edges[0], "refuse");
    world.rule(
        json!({"name": "no studio", "conditions": [{"kind": "app", "patterns": ["studio"]}]}),
    );
    world.settle();
    world.origin.put("/media/a.ts", b"segment");

    let decisions = |world: &World| -> Vec<String> {
        let mut told = Vec::new();
        for edge in &world.edges {
            for app in ["live", "studio", "nowhere"] {
                let mut viewer = Viewer::play(edge.rtmp(), app, "s");
                viewer.until_told_or_ended();
                let codes: Vec<&str> = viewer.said.iter().map(|said| said.code.as_str()).collect();
                told.push(format!("{} {app}: {}", edge.name, codes.join(" ")));
            }
            let url = format!("rtmp://member:{password}@{}/members/s", edge.rtmp());
            let played = media::play_for(&url, 1).stdout_bytes > 1_000;
            told.push(format!("{} member: {played}", edge.name));
            let status = http::get(edge.http(), "/media/a.ts").unwrap().status;
            told.push(format!("{} object: {status}", edge.name));
        }
        told
    };
    let before = decisions(&world);
    assert!(
        before.contains(&"edge-1 member: true".to_owned()),
        "{before:?}"
    );
    assert!(
        before.contains(&"edge-2 member: false".to_owned()),
        "{before:?}"
    );

    let mut watching = Crowd::of(3, world.edges[1].rtmp(), "live", "s");
    watching.watches(5);
    world.server.kill();
    watching.watches(60);
    assert_eq!(decisions(&world), before, "while the server is away");

    world.edges[0].kill();
    let begun = Instant::now();
    world.edges[0].start_again();
    let mut viewer = Viewer::play(world.edges[0].rtmp(), "live", "s");
    viewer.watches(1);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "served from disk after {:?}",
        begun.elapsed()
    );
    assert_eq!(decisions(&world), before, "after the edge's own restart");
    watching.watches(5);

    world.server.start_again();
    world.rule(json!({"name": "no live", "order": 1, "conditions": [{"kind": "app", "patterns": ["live"]}]}));
    world.settle();
    watching.0.iter_mut().for_each(|viewer| {
        viewer.is_ended();
    });
}
