//! Play tokens that others sign: with real keys in a real player's address, refused with a reason, and keys
//! that change while streams are being watched.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::api::id;
use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::signer::Signer;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

/// A route `ticket` to the application `live` that asks for a play token.
fn with_tickets(world: &World) {
    world.route(json!({
        "name": "ticket", "app": "ticket", "order": 10, "rewrite": "live", "identity": ["play_token"],
    }));
    world.settle();
}

fn add(world: &World, name: &str, keys: &str) -> String {
    let set = id(&world
        .api
        .post("/key-sets", &json!({"name": name, "keys": keys})));
    world.settle();
    set
}

/// The decision that a refused client was told.
fn decision_in(description: &str) -> &str {
    description
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| word.starts_with("decision_"))
        .unwrap_or_else(|| panic!("no decision id in {description}"))
}

fn record_of(world: &World, decision: &str) -> Value {
    eventually(SOON, "the session log knows the decision", || {
        let refused = world.sessions("state=refused");
        refused
            .into_iter()
            .find(|session| session["decision"] == decision)
    })
}

#[test]
fn ffmpeg_plays_and_publishes_with_tokens_that_openssl_signed() {
    let world = World::start(1);
    with_tickets(&world);
    let _publisher = world.publish("live", "s");
    let edge = &world.edges[0];
    let claims = json!({"app": "ticket", "stream": "s"});
    let mut last = None;
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let signer = Signer::new(algorithm);
        let token = signer.token(claims.clone(), 60);
        let url = edge.url(&format!("ticket/s?token={token}"));
        let unknown = media::play(&url, 1).wait(SOON);
        assert!(
            !unknown.status.success() && unknown.stdout_bytes < 1_000,
            "{algorithm} before its key is known: {unknown}"
        );
        add(&world, algorithm, &signer.public_key());
        media::assert_played(algorithm, &media::play_for(&url, 1));
        last = Some((signer, token));
    }
    let (signer, token) = last.expect("there are three");
    // In the application's query too.
    let app = format!("ticket?token={token}");
    Viewer::play(edge.rtmp(), &app, "s").watches(10);

    let publish = json!({"app": "ticket", "stream": "mine", "action": "publish"});
    let publish = signer.token(publish, 60);
    let _mine = media::publish_loop(&edge.url(&format!("ticket/mine?token={publish}")));
    eventually(SOON, "the origin has the stream", || {
        world.origin.is_published("live", "mine").then_some(())
    });
    for (whose, logs) in [
        ("the edge", edge.logs()),
        ("the server", world.server.logs()),
        ("the origin", world.origin.logs()),
    ] {
        for secret in [&token, &publish] {
            assert!(
                !logs.contains(secret.as_str()),
                "a token in the log of {whose}"
            );
        }
    }
}

#[test]
fn a_token_that_does_not_hold_is_refused_and_the_record_says_what_is_wrong_with_it() {
    let world = World::start(1);
    with_tickets(&world);
    let signer = Signer::new("EdDSA");
    add(&world, "partner", &signer.public_key());
    let accepted = world.origin.accepted();
    let other = Signer::new("EdDSA");
    let good = json!({"app": "ticket", "stream": "s"});
    for (token, detail) in [
        (signer.token(good.clone(), -60), "the token has expired"),
        (
            other.token(good, 60),
            "the token is damaged or signed by another key",
        ),
        (
            signer.token(json!({"app": "ticket", "stream": "t"}), 60),
            "the token is for another stream",
        ),
        (
            signer.token(json!({"app": "ticket", "addr": "192.0.2.1"}), 60),
            "the token is for another address",
        ),
        (
            signer.token(json!({"app": "ticket", "client": "nobody"}), 60),
            "the token stands for a client that is not registered",
        ),
    ] {
        let stream = format!("s?token={token}");
        let mut viewer = Viewer::play(world.edges[0].rtmp(), "ticket", &stream);
        let said = viewer.is_told("NetStream.Play.Failed");
        assert!(
            said.description.contains("the play token is not valid"),
            "{said:?}"
        );
        viewer.is_ended();
        let record = record_of(&world, decision_in(&said.description));
        assert_eq!(record["reason"], "bad_token", "{record}");
        assert_eq!(record["detail"], detail, "{record}");
    }
    assert_eq!(world.origin.accepted(), accepted);
}

#[test]
fn keys_change_without_a_gap_and_a_key_that_is_gone_ends_what_it_let_in() {
    let world = World::start(1);
    with_tickets(&world);
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp();
    let (old, new) = (Signer::new("ES256"), Signer::new("ES256"));
    let set = add(&world, "partner", &old.public_key());
    let play = |signer: &Signer| {
        let token = signer.token(json!({"app": "ticket"}), 60);
        Viewer::play(edge, "ticket", &format!("s?token={token}"))
    };
    let mut early = play(&old);
    early.watches(5);
    let one = format!("/key-sets/{set}");
    world
        .api
        .patch(&one, &json!({"add_keys": new.public_key()}));
    world.settle();
    let mut late = play(&new);
    late.watches(5);
    early.watches(5);
    world.api.patch(&one, &json!({"keys": new.public_key()}));
    early.is_ended();
    assert!(
        early.told("NetStream.Play.Failed").is_some(),
        "{:?}",
        early.said
    );
    late.watches(5);
    play(&old).is_told("NetStream.Play.Failed");
}
