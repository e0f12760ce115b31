//! Who may come in: refusals at the door with their words and their speed, stream passwords, and changed rules
//! in force at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::{comes_true, eventually};
use crate::harness::media;
use crate::harness::process::Running;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
const AT_ONCE: Duration = Duration::from_secs(1);

/// Rules that deny `connect` to `studio`, playing and publishing of `secret*` on `live`, and everything below
/// `/private/`.
fn forbid(world: &World) {
    world.rule(
        json!({"name": "no studio", "conditions": [{"kind": "app", "patterns": ["studio"]}]}),
    );
    for action in ["play", "publish"] {
        world.rule(json!({"name": format!("no {action}"), "conditions": [
            {"kind": "app", "patterns": ["live"]},
            {"kind": "stream", "patterns": ["secret*"]},
            {"kind": "action", "actions": [action]},
        ]}));
    }
    world.rule(json!({"name": "no private", "conditions": [{"kind": "app", "patterns": ["private", "private/*"]}]}));
    world.settle();
}

#[test]
fn a4_refusals_are_told_at_their_place_and_the_origin_sees_nothing() {
    let world = World::start(1);
    forbid(&world);
    let edge = world.edges[0].rtmp();
    let (rtmp, http) = (world.origin.accepted(), world.origin.logs());
    type Begin = fn(&str) -> Viewer;
    let cases: [(&str, Begin, &str); 4] = [
        (
            "connect",
            |edge| Viewer::connect(edge, "studio"),
            "NetConnection.Connect.Rejected",
        ),
        (
            "play at a forbidden application",
            |edge| Viewer::play(edge, "studio", "s"),
            "NetConnection.Connect.Rejected",
        ),
        (
            "play",
            |edge| Viewer::play(edge, "live", "secret-cam"),
            "NetStream.Play.Failed",
        ),
        (
            "publish",
            |edge| Viewer::publish(edge, "live", "secret-cam"),
            "NetStream.Publish.BadName",
        ),
    ];
    for (what, begin, code) in cases {
        let mut viewer = begin(edge);
        let said = viewer.is_told(code);
        let ended = viewer.is_ended();
        assert!(ended < AT_ONCE, "{what}: closed after {ended:?}");
        assert!(
            said.description.contains("a rule denies this"),
            "{what}: {said:?}"
        );
        let decision = said
            .description
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .find(|word| word.starts_with("decision_"));
        let decision = decision
            .unwrap_or_else(|| panic!("{what}: no decision id in {said:?}"))
            .to_owned();
        let record = eventually(SOON, "the session log knows the decision", || {
            let refused = world.sessions("state=refused");
            refused
                .into_iter()
                .find(|session| session["decision"] == decision.as_str())
        });
        assert_eq!(record["reason"], "denied_by_rule", "{what}: {record}");
        assert!(record["rule"].is_string(), "{what}: {record}");
    }
    let refused = media::curl(
        &[
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &format!("http://{}/private/x", world.edges[0].http()),
        ],
        SOON,
    );
    assert_eq!(String::from_utf8_lossy(&refused.stdout), "403");
    assert_eq!(world.origin.accepted(), rtmp);
    assert_eq!(world.origin.logs(), http);
}

#[test]
fn a5_a_refused_program_ends_within_a_second() {
    let world = World::start(1);
    forbid(&world);
    let edge = &world.edges[0];
    let (connect, play) = (edge.url("studio/s"), edge.url("live/secret"));
    let wrapped = edge.url(&format!("?rtmp://{}/studio/s", world.origin.rtmp_address()));
    let private = format!("http://{}/private/x", edge.http());
    for url in [&connect, &play, &wrapped] {
        // One after another: three starting at once on two cores would measure each other.
        type Begin = fn(&str) -> Running;
        let programs: [(&str, Begin); 3] = [
            ("ffmpeg plays", |url| media::play(url, 2)),
            ("ffmpeg publishes", media::publish_loop),
            ("rtmpdump", |url| media::rtmpdump(&["-r", url])),
        ];
        for (program, begin) in programs {
            let ended = begin(url).wait(SOON);
            assert!(
                !ended.timed_out && ended.elapsed < AT_ONCE,
                "{program} {url}: {ended}"
            );
            assert!(
                !ended.status.success() && ended.stdout_bytes < 1_000,
                "{program} {url}: {ended}"
            );
        }
        let ended = media::curl(&["-o", "/dev/null", url], SOON);
        assert!(
            !ended.timed_out && ended.elapsed < AT_ONCE && !ended.status.success(),
            "curl {url}: {ended}"
        );
    }
    let ended = media::curl(&["--fail", "-o", "/dev/null", &private], SOON);
    assert!(
        !ended.timed_out && ended.elapsed < AT_ONCE && !ended.status.success(),
        "curl: {ended}"
    );
    // What the edge itself took, whatever else the machine had to do.
    let refused = eventually(SOON, "the log has them all", || {
        let refused = world.sessions("state=refused");
        (refused.len() >= 12).then_some(refused)
    });
    for record in refused {
        let lasted = record["ended_ms"].as_u64().unwrap() - record["began_ms"].as_u64().unwrap();
        assert!(lasted < 1_000, "{record}");
    }
}

#[test]
fn a_player_that_says_its_name_is_asked_for_its_password_where_a_token_would_do_too() {
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let (_, password) = world.client("encoder");
    world.route(json!({"name": "members", "app": "members", "order": 10, "identity": ["play_token", "stream_password"], "rewrite": "live"}));
    world.settle();
    let _publisher = world.publish("live", "s");
    let at = format!("rtmp://encoder:{password}@{edge}/members");
    let unnamed = media::play(&format!("{at}/s"), 1).wait(SOON);
    assert!(
        !unnamed.status.success(),
        "a token may have come: {unnamed}"
    );
    let named = format!("{at}?authmod=adobe&user=encoder/s");
    media::assert_played("with its name", &media::play_for(&named, 1));
}

#[test]
fn a6_a_name_and_a_stream_password_open_and_stand_in_no_log() {
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let (_, password) = world.client("encoder");
    world.route(json!({"name": "members", "app": "members", "order": 10, "identity": ["stream_password"], "rewrite": "live"}));
    world.settle();

    let url =
        |password: &str, stream: &str| format!("rtmp://encoder:{password}@{edge}/members/{stream}");
    let publisher = media::publish_loop(&url(&password, "s"));
    eventually(SOON, "the origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    media::assert_played(
        "with the password",
        &media::play_for(&url(&password, "s"), 2),
    );
    let record = eventually(SOON, "the session log knows the client", || {
        world
            .sessions("")
            .into_iter()
            .find(|session| session["client"].is_string())
    });
    assert!(
        record["app"] == "members" && record["route"].is_string(),
        "{record}"
    );

    for refused in [
        media::play(&url("wrong", "s"), 2).wait(SOON),
        media::publish_loop(&url("wrong", "t")).wait(SOON),
        media::play(&format!("rtmp://nobody:{password}@{edge}/members/s"), 2).wait(SOON),
        media::play(&format!("rtmp://{edge}/members/s"), 2).wait(SOON),
    ] {
        assert!(
            !refused.status.success() && !refused.timed_out && refused.stdout_bytes < 1_000,
            "{refused}"
        );
    }
    // Who is asked for a password is not refused; who gives a wrong one is, once.
    let refused = eventually(SOON, "the session log has the refused", || {
        let refused = world.sessions("state=refused");
        (refused.len() >= 3).then_some(refused)
    });
    assert!(
        refused.len() == 3 && refused.iter().all(|one| one["reason"] == "wrong_password"),
        "{refused:?}"
    );
    drop(publisher);
    for (whose, logs) in [
        ("the edge", world.edges[0].logs()),
        ("the server", world.server.logs()),
        ("the origin", world.origin.logs()),
    ] {
        for secret in [password.as_str(), "authmod", "response=", "challenge="] {
            assert!(
                !logs.contains(secret),
                "`{secret}` stands in the log of {whose}:\n{logs}"
            );
        }
    }
}

#[test]
fn a12_a_changed_rule_is_in_force_within_a_second_for_live_sessions_too() {
    let world = World::start(2);
    let _publisher = world.publish("live", "s");
    let rule = world.rule(json!({"name": "toggled", "enabled": false, "conditions": [{"kind": "app", "patterns": ["live"]}]}));
    world.settle();
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let denies = round % 2 == 0;
        let mut live: Vec<Crowd> = Vec::new();
        if denies {
            for edge in &world.edges {
                let mut crowd = Crowd::of(2, edge.rtmp(), "live", "s");
                crowd.watches(2);
                live.push(crowd);
            }
        }
        let begun = Instant::now();
        world
            .api
            .patch(&format!("/rules/{rule}"), &json!({"enabled": denies}));
        for edge in &world.edges {
            let mut last = None;
            let in_force = comes_true(SOON, || {
                let mut viewer = Viewer::connect(edge.rtmp(), "live");
                let refused = comes_true(SOON, || {
                    viewer.step();
                    !viewer.said.is_empty() || viewer.closed.is_some()
                }) && viewer.told("NetConnection.Connect.Success").is_none();
                last = viewer.said.last().cloned();
                refused == denies
            });
            let took = begun.elapsed();
            assert!(
                in_force && took < AT_ONCE,
                "round {round}: {} after {took:?}: {last:?}",
                edge.name
            );
            slowest = slowest.max(took);
        }
        for viewer in live.iter_mut().flat_map(|crowd| &mut crowd.0) {
            viewer.is_ended();
            let took = begun.elapsed();
            assert!(
                took < AT_ONCE,
                "round {round}: a live session went on for {took:?}"
            );
        }
    }
    assert!(slowest < AT_ONCE);
}
