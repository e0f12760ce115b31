//! Applications that are asked who may come in: their word for RTMP and HTTP, kept answers, silence, and that
//! nobody waits for another's question.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::api::{id, text};
use crate::harness::application::Application;
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::media;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

/// Makes a webhook that asks the application, and a route of its name to `live` that names it.
fn asks(world: &World, application: &Application, name: &str, settings: Value) -> String {
    let mut webhook = json!({
        "name": name, "url": application.url(), "reach": {"loopback": true}, "timeout_ms": 5_000,
    });
    for (field, value) in settings.as_object().expect("settings are an object") {
        webhook[field] = value.clone();
    }
    let made = world.api.post("/webhooks", &webhook);
    assert!(text(&made, "signing_key").starts_with("weirhook_"));
    let webhook = id(&made);
    world.route(
        json!({"name": name, "app": name, "order": 10, "rewrite": "live", "webhook": webhook}),
    );
    world.settle();
    webhook
}

fn about_the_stream(question: &Value) -> (u16, &'static str) {
    match question["stream"].as_str() {
        Some("secret") => (200, "{\"allow\": false, \"reason\": \"no subscription\"}"),
        Some("forbidden.txt") => (403, ""),
        _ => (200, "{\"allow\": true}"),
    }
}

#[test]
fn an_application_lets_in_and_refuses_over_rtmp_and_http_and_its_answers_are_kept() {
    let world = World::start(1);
    let application = Application::start(about_the_stream);
    let hook = asks(
        &world,
        &application,
        "asked",
        json!({"allow_ttl_ms": 60_000}),
    );
    let paths = json!({"name": "paper", "plane": "http", "app": "paper/*", "rewrite": "media/*", "webhook": hook,
        "upstreams": [world.http_origin]});
    world.route(paths);
    world.settle();
    world.origin.put("media/open.txt", b"open");
    world.origin.put("media/forbidden.txt", b"forbidden");
    let _publisher = world.publish("live", "s");
    let (edge, accepted) = (&world.edges[0], world.origin.accepted());

    let mut refused = Viewer::play(edge.rtmp(), "asked", "secret");
    let said = refused.is_told("NetStream.Play.Failed");
    refused.is_ended();
    assert!(!said.description.contains("subscription"), "{said:?}");
    let record = eventually(SOON, "the session log has it", || {
        world.sessions("state=refused").into_iter().next()
    });
    assert_eq!(record["reason"], "denied_by_webhook", "{record}");
    assert_eq!(record["detail"], "no subscription", "{record}");
    assert_eq!(world.origin.accepted(), accepted);

    let url = edge.url("asked/s?key=1");
    media::assert_played("ffmpeg", &media::play_for(&url, 1));
    let asked = application.questions();
    let last = asked.last().expect("it was asked");
    assert_eq!(
        (&last["event"], &last["stream"]),
        (&json!("play"), &json!("s")),
        "{last}"
    );
    assert_eq!(last["query"], "key=1", "{last}");
    // The same question again is answered by the answer that is kept.
    media::assert_played("ffmpeg again", &media::play_for(&url, 1));
    assert_eq!(application.questions().len(), asked.len());

    let get = |path: &str| http::get(edge.http(), path).expect("the edge answers");
    assert_eq!(get("/paper/open.txt").text(), "open");
    let denied = get("/paper/forbidden.txt");
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("denied_by_webhook"),
        "{}",
        denied.text()
    );
    assert_eq!(world.origin.requests_for("/media/forbidden.txt"), 0);
}

#[test]
fn nobody_waits_for_another_ones_question() {
    let world = World::start(1);
    let application = Application::start(about_the_stream);
    asks(&world, &application, "asked", json!({}));
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp();
    application.hold(true);
    let mut asked = Viewer::play(edge, "asked", "s");
    eventually(SOON, "the application is asked", || {
        asked.step();
        (!application.questions().is_empty()).then_some(())
    });
    let begun = Instant::now();
    let mut other = Viewer::play(edge, "live", "s");
    other.watches(10);
    println!(
        "another route's viewer had ten frames after {:?}",
        begun.elapsed()
    );
    asked.step();
    assert!(asked.told("NetStream.Play.Start").is_none());
    application.hold(false);
    asked.watches(10);
}

#[test]
fn in_silence_the_stated_policy_holds() {
    let world = World::start(1);
    let application = Application::start(about_the_stream);
    application.hold(true);
    let quick = |silent: &str| json!({"timeout_ms": 300, "silent": silent});
    asks(&world, &application, "strict", quick("deny"));
    asks(&world, &application, "lax", quick("allow"));
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp();
    Viewer::play(edge, "lax", "s").watches(10);
    let mut refused = Viewer::play(edge, "strict", "s");
    refused.is_told("NetStream.Play.Failed");
    refused.is_ended();
    let record = eventually(SOON, "the session log has it", || {
        world.sessions("state=refused").into_iter().next()
    });
    assert_eq!(record["reason"], "webhook_silent", "{record}");
}

#[test]
fn a_hundred_at_once_are_asked_about_a_few_at_a_time() {
    let world = World::start(1);
    let application = Application::start(about_the_stream);
    let settings = json!({"max_at_once": 5, "allow_ttl_ms": 0});
    asks(&world, &application, "asked", settings);
    let _publisher = world.publish("live", "s");
    Crowd::of(100, world.edges[0].rtmp(), "asked", "s").watches(5);
    assert_eq!(application.questions().len(), 100);
    let most = application.most_at_once();
    assert!(most <= 5, "{most} at once");
}
