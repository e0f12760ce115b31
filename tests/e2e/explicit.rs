//! Explicit proxies: the client's URL names the edge and the origin. Ways of writing it, publishing, chains,
//! and the destinations that are never dialed.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::viewer::{Said, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a1_every_way_of_writing_a_wrapped_url_plays() {
    let world = World::start(2);
    let origin = world.origin.rtmp_address();
    let (edge, second) = (world.edges[0].rtmp(), world.edges[1].rtmp());
    let _publishers = [world.publish("live", "s"), world.publish("live/inst", "s")];

    let plain = format!("rtmp://{edge}/?rtmp://{origin}/live/s");
    media::assert_played("ffmpeg, wrapped", &media::play_for(&plain, 2));

    let chained = format!("rtmp://{edge}/?rtmp://{second}/?rtmp://{origin}/live/inst/s");
    media::assert_played("ffmpeg, through two edges", &media::play_for(&chained, 2));

    let app = format!("?rtmp://{origin}/live");
    let split = ["-rtmp_app", &app, "-rtmp_playpath", "s"];
    let played = media::play_with(&split, &format!("rtmp://{edge}"), 2).wait(SOON);
    media::assert_played("ffmpeg, application and play path", &played);

    let played = media::rtmpdump_for_a_while(&["-r", &plain], SOON);
    media::assert_played("rtmpdump, wrapped", &played);

    let root = format!("rtmp://{edge}/");
    let played = media::rtmpdump_for_a_while(&["-r", &root, "-a", &app, "-y", "s"], SOON);
    media::assert_played("rtmpdump, application and play path", &played);

    // The client loses the application on its way: refused, with what is missing.
    let lost = format!("rtmp://{edge}/?rtmp://{origin}/live");
    let refused = media::rtmpdump_for_a_while(&["-r", &lost, "-y", "s"], SOON);
    assert!(!refused.status.success() && !refused.timed_out, "{refused}");
    assert_eq!(refused.stdout_bytes, 0);
    let record = eventually(SOON, "the log says what is missing", || {
        world
            .sessions("state=refused&reason=no_application")
            .into_iter()
            .next()
    });
    assert!(record["decision"].is_string(), "{record}");
}

#[test]
fn a2_publishing_through_the_edge_plays_at_the_origin() {
    let world = World::start(1);
    let (origin, edge) = (world.origin.rtmp_address(), world.edges[0].rtmp());
    let app = format!("?rtmp://{origin}/live");
    let ways: [(&str, &[&str], String); 3] = [
        (
            "wrapped",
            &[],
            format!("rtmp://{edge}/?rtmp://{origin}/live/wrapped"),
        ),
        (
            "split",
            &["-rtmp_app", &app, "-rtmp_playpath", "split"],
            format!("rtmp://{edge}"),
        ),
        ("plain", &[], format!("rtmp://{edge}/live/plain")),
    ];
    for (stream, options, url) in &ways {
        let publisher = media::publish_with(options, url);
        eventually(SOON, "the origin has the stream", || {
            world.origin.is_published("live", stream).then_some(())
        });
        media::assert_played(
            stream,
            &media::play_for(&world.origin.url("live", stream), 2),
        );
        drop(publisher);
        eventually(SOON, "the origin sees its end", || {
            (!world.origin.is_published("live", stream)).then_some(())
        });
    }
}

#[test]
fn a3_a_chain_of_two_edges_works_names_each_hop_and_refuses_a_loop() {
    let world = World::start(2);
    let origin = world.origin.rtmp_address();
    let (edge, second) = (world.edges[0].rtmp(), world.edges[1].rtmp());
    let _publisher = world.publish("live", "s");
    let chained = format!("rtmp://{edge}/?rtmp://{second}/?rtmp://{origin}/live/s");
    media::assert_played("a chain", &media::play_for(&chained, 2));
    for (at, next) in [
        (0, json!({"kind": "edge", "edge": world.edges[1].id})),
        (1, json!({"kind": "origin", "origin": world.rtmp_origin})),
    ] {
        let of_edge = format!("edge={}", world.edges[at].id);
        eventually(SOON, "each edge names its next hop", || {
            world
                .sessions(&of_edge)
                .iter()
                .any(|session| session["next_hop"] == next)
                .then_some(())
        });
    }

    let before = world.origin.accepted();
    for hops in [
        format!("?rtmp://{edge}/"),
        format!("?rtmp://{second}/?rtmp://{edge}/"),
    ] {
        let app = format!("{hops}?rtmp://{origin}/live");
        let mut viewer = Viewer::play(edge, &app, "s");
        viewer.is_ended();
        let said = viewer.said.last().unwrap();
        assert!(
            said.code.ends_with("Rejected") || said.code.ends_with("Failed"),
            "{said:?}"
        );
        assert!(viewer.frames.is_empty());
    }
    assert_eq!(world.origin.accepted(), before);
}

#[test]
fn a7_only_listed_destinations_at_allowed_addresses_are_dialed() {
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    // What an open relay would dial: nobody may.
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    };
    let (unlisted, unlisted_port) = listen();
    let (listed, listed_port) = listen();
    let closed = json!({"private": false, "loopback": false});
    let open = json!({"private": true, "loopback": true});
    let record = |name: &str, address: &str, reach: &serde_json::Value| {
        let made = world.api.post(
            "/origins",
            &json!({"name": name, "address": address, "reach": reach}),
        );
        let id = made["id"].as_str().unwrap();
        world.route(
            json!({"name": name, "kind": "explicit", "app": "*", "order": 50, "upstreams": [id]}),
        );
    };
    record(
        "closed",
        &format!("rtmp://127.0.0.1:{listed_port}"),
        &closed,
    );
    record(
        "by name",
        &format!("rtmp://localhost:{listed_port}"),
        &closed,
    );
    record("metadata", "rtmp://169.254.169.254", &open);
    world.settle();

    let before = world.origin.accepted();
    let mut told = Vec::new();
    for destination in [
        format!("127.0.0.1:{unlisted_port}"),
        format!("localhost:{unlisted_port}"),
        format!("127.1:{listed_port}"),
        format!("0x7f000001:{listed_port}"),
        format!("[::1]:{listed_port}"),
        format!("[::ffff:127.0.0.1]:{listed_port}"),
        format!("user@127.0.0.1:{listed_port}"),
        format!("127.0.0.1:{listed_port}"),
        format!("localhost:{listed_port}"),
        "169.254.169.254".to_owned(),
        "169.254.169.254:80".to_owned(),
        world.origin.http_address(),
    ] {
        let mut viewer = Viewer::play(edge, &format!("?rtmp://{destination}/live"), "s");
        viewer.is_ended();
        let said = viewer
            .said
            .last()
            .unwrap_or_else(|| panic!("{destination}: nothing was said"))
            .clone();
        assert!(!said.description.contains("127.0.0.1"), "{said:?}");
        assert!(viewer.frames.is_empty(), "{destination}");
        told.push((destination, said));
    }
    for listener in [&unlisted, &listed] {
        let dialed = listener.accept().map(|(_, from)| from);
        assert!(
            dialed
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "{dialed:?}"
        );
    }
    assert_eq!(world.origin.accepted(), before);
    // All alike from outside: the same code and words but for the decision's id. What cannot be read as an
    // address at all is told so.
    let words = |said: &Said| {
        let words = said
            .description
            .split("decision")
            .next()
            .unwrap_or_default();
        format!("{} {}", said.code, words.trim())
    };
    let readable =
        |at: &str| !at.contains('@') && !at.starts_with("0x") && !at.starts_with("127.1:");
    let first = words(&told[0].1);
    for (destination, said) in told.iter().filter(|(at, _)| readable(at)) {
        assert_eq!(words(said), first, "{destination}");
    }
}
