//! Sessions as the log tells them, and ending them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a17_the_session_log_says_who_from_where_to_what_how_much_and_how_it_ended() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let (client, password) = world.client("player");
    let route = world.route(json!({"name": "members", "app": "members", "order": 10, "identity": ["stream_password"], "rewrite": "live"}));
    world.settle();
    let publisher = media::publish_loop(&edge.url("live/s"));
    eventually(SOON, "the origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    let played = media::play_for(
        &format!("rtmp://player:{password}@{}/members/s", edge.rtmp()),
        2,
    );
    media::assert_played("a player", &played);
    drop(publisher);

    let mine = format!("client={client}&state=ended");
    let record = eventually(SOON, "the player's session stands in the log", || {
        world.sessions(&mine).into_iter().next()
    });
    for (field, expected) in [
        ("state", json!("ended")),
        ("edge", json!(edge.id)),
        ("client", json!(client)),
        ("addr", json!("127.0.0.1")),
        ("ingress", json!("rtmp")),
        ("app", json!("members")),
        ("stream", json!("s")),
        ("action", json!("play")),
        ("route", json!(route)),
        (
            "next_hop",
            json!({"kind": "origin", "origin": world.rtmp_origin}),
        ),
        ("reason", json!("client_closed")),
    ] {
        assert_eq!(record[field], expected, "{field} of {record}");
    }
    let number = |field: &str| {
        record[field]
            .as_u64()
            .unwrap_or_else(|| panic!("no {field} in {record}"))
    };
    assert!(
        number("sent_bytes") >= played.stdout_bytes
            && number("sent_bytes") < 3 * played.stdout_bytes + 500_000,
        "{record}"
    );
    assert!(number("received_bytes") > 3_000, "{record}");
    let lasted = number("ended_ms") - number("began_ms");
    assert!((500..20_000).contains(&lasted), "{record}");
    assert!(
        record["user_agent"].is_string() && record["decision"].is_string(),
        "{record}"
    );

    let publishers = eventually(SOON, "the publisher's session stands in the log", || {
        let found = world.sessions("state=ended");
        found
            .into_iter()
            .find(|session| session["action"] == "publish")
    });
    assert!(
        publishers["received_bytes"].as_u64() > Some(50_000),
        "{publishers}"
    );
    // The edge's own log has a line that reads alone, with the same facts in dotted fields.
    let line = world.edges[0].logs();
    let line = line.lines().find(|line| {
        line.contains(record["id"].as_str().unwrap()) && line.contains("client_closed")
    });
    let line = line.expect("the edge's log tells of the session's end");
    for field in [
        "session.id",
        "client.addr",
        "stream.app",
        "stream.name",
        "route.id",
        "reason",
    ] {
        assert!(line.contains(field), "`{field}` is missing: {line}");
    }
}

#[test]
fn an_operator_ends_one_session_and_all_of_a_stream_within_a_second() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let _publishers = [world.publish("live", "s"), world.publish("live", "other")];
    let mut other = Viewer::play(edge.rtmp(), "live", "other");
    other.watches(2);
    let mut crowd = Crowd::of(5, edge.rtmp(), "live", "s");
    crowd.watches(2);
    let live = eventually(SOON, "the server knows them", || {
        let live = world.sessions("state=live&stream=s");
        (live.len() == 5).then_some(live)
    });
    let operator = world.server.token("operator");

    let begun = Instant::now();
    operator.post("/sessions/end", &json!({"sessions": [live[0]["id"]]}));
    eventually(SOON, "one has ended", || {
        crowd.step();
        (crowd
            .0
            .iter()
            .filter(|viewer| viewer.closed.is_some())
            .count()
            == 1)
            .then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );

    let begun = Instant::now();
    operator.post("/sessions/end", &json!({"filter": {"stream": "s"}}));
    eventually(SOON, "all of the stream have ended", || {
        crowd.step();
        crowd
            .0
            .iter()
            .all(|viewer| viewer.closed.is_some())
            .then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    other.watches(other.frames.len() + 5);
    let record = eventually(SOON, "the log says why", || {
        world
            .sessions("state=ended&stream=s")
            .into_iter()
            .find(|session| session["reason"] == "ended_by_operator")
    });
    assert!(record["ended_ms"].is_number());
}

/// The lines of a file in W3C's extended log format, by its own names of the fields.
fn read_w3c(text: &str) -> Vec<HashMap<&str, &str>> {
    let fields = text
        .lines()
        .find_map(|line| line.strip_prefix("#Fields: "))
        .expect("the file names its fields");
    let names: Vec<&str> = fields.split(' ').collect();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let values: Vec<&str> = line.split('\t').collect();
            assert_eq!(values.len(), names.len(), "{line}");
            names.iter().copied().zip(values).collect()
        })
        .collect()
}

#[test]
fn the_session_log_in_files_tells_the_same_bytes_as_the_api_and_how_far_a_session_has_come() {
    let mut world = World::start(0);
    let options = ["--session-log", "both", "--session-log-checkpoint-s", "2"];
    world.add_edge_with("logs", options.map(str::to_owned).to_vec());
    world.settle();
    let _publisher = world.publish("live", "s");
    let edge = &world.edges[0];
    let played = media::play_for(&edge.url("live/s?token=hush"), 4);
    media::assert_played("a player", &played);
    let refused = Viewer::play(edge.rtmp(), "nowhere", "s").is_ended();
    assert!(refused < SOON);

    let mine = format!("edge={}&state=ended", edge.id);
    let record = eventually(SOON, "the player's session is known", || {
        world.sessions(&mine).into_iter().next()
    });
    let folder = edge.data().join("session-log");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let text = eventually(SOON, "both sessions stand in the file", || {
        let text = read("sessions.log");
        (text.contains("no_route") && text.contains("disconnect")).then_some(text)
    });
    assert!(!text.contains("hush"), "a token is in the log");
    let lines = read_w3c(&text);
    let id = record["id"].as_str().expect("a record has an id");
    let mine: Vec<_> = lines
        .iter()
        .filter(|line| line["c-client-id"] == id)
        .collect();
    let events: Vec<&str> = mine.iter().map(|line| line["x-event"]).collect();
    assert_eq!(events[..2], ["connect", "play"], "{events:?}");
    assert_eq!(events[events.len() - 2..], ["stop", "disconnect"]);
    let goes_on = ["connect-continue", "play-continue"];
    assert!(
        goes_on.iter().all(|event| events.contains(event)),
        "{events:?}"
    );
    let last = mine.last().expect("there is a last one");
    for (field, in_api) in [("sc-bytes", "sent_bytes"), ("cs-bytes", "received_bytes")] {
        assert_eq!(last[field], record[in_api].to_string(), "{field}");
    }
    assert_eq!((last["x-app"], last["c-ip"]), ("live", "127.0.0.1"));
    let not_there = lines.iter().find(|line| line["x-ctx"] == "no_route");
    assert_eq!(not_there.expect("it is there")["x-status"], "404");

    let json = eventually(SOON, "it stands in the other file too", || {
        let text = read("sessions.jsonl");
        let entries = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).ok());
        let mut entries = entries.collect::<Option<Vec<Value>>>()?.into_iter();
        entries.find(|entry| entry["event"] == "disconnect" && entry["session"]["id"] == id)
    });
    for field in [
        "sent_bytes",
        "received_bytes",
        "began_ms",
        "ended_ms",
        "reason",
    ] {
        assert_eq!(json["session"][field], record[field], "{field}");
    }
}
