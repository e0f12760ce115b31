//! Edges joining, and what becomes of them.

use std::time::Duration;

use serde_json::json;

use crate::harness::api::text;
use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::process::run;
use crate::harness::server::weir;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn a11_a_new_edge_joins_by_one_command_appears_gets_its_settings_and_serves() {
    let mut world = World::start(1);
    let _publisher = world.publish("live", "s");
    world.add_edge("newcomer");
    world.settle();
    let newcomer = &world.edges[1];
    let shown = eventually(SOON, "it is active", || {
        let shown = world.api.get(&format!("/edges/{}", newcomer.id));
        (shown["state"] == "active").then_some(shown)
    });
    assert_eq!(
        (&shown["name"], &shown["state"]),
        (&json!("newcomer"), &json!("active")),
        "{shown}"
    );
    media::assert_played("the new edge", &media::play_for(&newcomer.url("live/s"), 2));
    let page = world.api.ask_whole("GET", "/edges", None).text();
    assert!(page.contains("newcomer"), "the console does not show it");
}

#[test]
fn a_join_token_opens_once_and_a_damaged_one_never() {
    let world = World::start(0);
    let made = world.api.post(
        "/join-tokens",
        &json!({"cluster": world.cluster, "name": "once"}),
    );
    let token = text(&made, "secret");
    let folders = [
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    ];
    let join = |token: &str, at: usize| {
        run(
            weir()
                .args(["edge", "join", token, "--data"])
                .arg(folders[at].path()),
            SOON,
        )
    };
    let first = join(token, 0);
    assert!(first.status.success(), "{first}");
    let secret = std::fs::read_dir(folders[0].path()).unwrap().count();
    assert!(secret > 0, "the edge keeps its credential");
    for (damaged, at) in [(token, 1), ("weir_join_nonsense", 2)] {
        let refused = join(damaged, at);
        assert!(!refused.status.success() && !refused.timed_out, "{refused}");
        assert!(
            !refused.stderr.contains(damaged),
            "the token stands in the log: {refused}"
        );
    }
    assert_eq!(world.api.items("/edges").len(), 1);
}

#[test]
fn an_edge_that_ends_is_lost_and_comes_back() {
    let mut world = World::start(1);
    let state = |world: &World| {
        let shown = world.api.get(&format!("/edges/{}", world.edges[0].id));
        shown["state"].as_str().unwrap_or_default().to_owned()
    };
    eventually(SOON, "it is active", || {
        (state(&world) == "active").then_some(())
    });
    world.edges[0].kill();
    eventually(
        Duration::from_secs(30),
        "the server takes it for lost",
        || (state(&world) == "lost").then_some(()),
    );
    world.edges[0].start_again();
    eventually(SOON, "it is back", || {
        (state(&world) == "active").then_some(())
    });
    world.settle();
}
