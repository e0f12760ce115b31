//! Reverse proxies: one public name, clients that know nothing of edges or origins.

use std::time::Duration;

use serde_json::json;

use crate::harness::http;
use crate::harness::media;
use crate::harness::tls::TlsFront;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn b1_plain_urls_work_and_nothing_a_client_sees_names_the_origin() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let _publisher = world.publish("live", "s");
    media::assert_played("ffmpeg", &media::play_for(&edge.url("live/s"), 2));
    let url = edge.url("live/s");
    media::assert_played(
        "rtmpdump",
        &media::rtmpdump_for_a_while(&["-r", &url], SOON),
    );

    // What the origin is called, and by whom it is made.
    let names = [
        world.origin.rtmp_address(),
        world.origin.http_address(),
        "nginx".to_owned(),
        "NGINX".to_owned(),
    ];
    let clean = |what: &str, text: &str| {
        for name in &names {
            assert!(
                !text.contains(name),
                "{what} names the origin by `{name}`: {text}"
            );
        }
    };
    // The server's words on a stream that is there, one that is not, one that cannot be.
    for mut viewer in [
        Viewer::play(edge.rtmp(), "live", "s"),
        Viewer::play(edge.rtmp(), "vod", "absent.flv"),
        Viewer::play(edge.rtmp(), "nowhere", "s"),
    ] {
        viewer.until_told_or_ended();
        clean("a status", &format!("{:?}", viewer.said));
    }
    let publisher = Viewer::publish(edge.rtmp(), "vod", "x");
    let mut publisher = publisher;
    publisher.until_told_or_ended();
    clean("a refused publisher", &format!("{:?}", publisher.said));

    let media_bytes: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    world.origin.put("/media/a.ts", &media_bytes);
    let answer = http::get(edge.http(), "/media/a.ts").unwrap();
    assert_eq!((answer.status, answer.body == media_bytes), (200, true));
    assert_eq!(answer.header("content-type"), Some("video/mp2t"));
    // A folder without its slash: nginx redirects to its own name and port.
    world.origin.put("/media/folder/index.html", b"here");
    for path in [
        "/media/a.ts",
        "/media/absent",
        "/media/folder",
        "/nowhere",
        "/media/%00",
    ] {
        let answer = http::get(edge.http(), path).unwrap();
        clean(path, &format!("{:?}", answer.headers));
        if answer.status >= 500 || path == "/nowhere" {
            clean(path, &answer.text());
        }
    }
    let redirect = http::get(edge.http(), "/media/folder").unwrap();
    let location = redirect.header("location").unwrap_or_default();
    assert!(
        (300..400).contains(&redirect.status) && location.ends_with("/media/folder/"),
        "{redirect:?}"
    );
}

#[test]
fn b3_routes_match_host_port_and_application_rewrite_and_reject() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let port = edge
        .rtmp()
        .rsplit(':')
        .next()
        .unwrap()
        .parse::<u16>()
        .unwrap();
    let _publishers = [world.publish("live", "s"), world.publish("studio", "s")];
    for route in [
        json!({"name": "by host", "order": 10, "host": "*.example.test", "app": "hosted", "rewrite": "live"}),
        json!({"name": "by port", "order": 10, "port": port, "app": "ported", "rewrite": "live"}),
        json!({"name": "other port", "order": 10, "port": port.wrapping_add(1).max(1), "app": "elsewhere", "rewrite": "live"}),
        json!({"name": "wildcard", "order": 10, "app": "tenants/*", "rewrite": "*"}),
        json!({"name": "no entry", "order": 10, "app": "tenants/secret", "action": "reject", "upstreams": []}),
        json!({"name": "no entry first", "order": 5, "app": "tenants/studio", "action": "reject", "upstreams": []}),
        json!({"name": "off", "order": 1, "app": "live", "action": "reject", "upstreams": [], "enabled": false}),
    ] {
        world.route(route);
    }
    world.settle();
    let plays = |host: &str, app: &str| {
        let mut viewer = Viewer::play_as(edge.rtmp(), host, app, "s");
        viewer.until_told_or_ended();
        viewer.told("NetStream.Play.Start").is_some()
    };
    for (host, app, expected) in [
        ("cdn.example.test", "hosted", true),
        ("CDN.Example.Test", "hosted", true),
        ("example.test", "hosted", false),
        ("127.0.0.1", "hosted", false),
        ("127.0.0.1", "ported", true),
        ("127.0.0.1", "elsewhere", false),
        ("127.0.0.1", "tenants/live", true),
        ("127.0.0.1", "tenants/studio", false),
        ("127.0.0.1", "tenants", false),
        ("127.0.0.1", "live", true),
        ("127.0.0.1", "unknown", false),
    ] {
        assert_eq!(plays(host, app), expected, "{host} {app}");
    }
}

#[test]
fn b3_a_route_may_ask_its_origin_by_rtmps_and_only_one_it_trusts() {
    let mut world = World::start(1);
    let front = TlsFront::before(&world.origin.rtmp_address());
    world.add_edge_trusting("edge-2", front.authority());
    let _publisher = world.publish("live", "s");
    let origin = world.api.post(
        "/origins",
        &json!({
            "name": "by tls", "address": format!("rtmps://{}", front.address()),
            "reach": {"private": false, "loopback": true},
        }),
    );
    world.route(
        json!({"name": "by tls", "app": "secure", "rewrite": "live", "upstreams": [origin["id"]]}),
    );
    world.settle();
    for (edge, expected) in world.edges.iter().zip([false, true]) {
        let mut viewer = Viewer::play(edge.rtmp(), "secure", "s");
        viewer.until_told_or_ended();
        let plays = viewer.told("NetStream.Play.Start").is_some();
        assert_eq!(plays, expected, "{}:\n{}", edge.name, edge.logs());
    }
}
