//! Which edge a client belongs to: what happens elsewhere, and what a reassignment changes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually::{eventually, stays};
use crate::harness::media;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
const AT_ONCE: Duration = Duration::from_secs(1);

/// A world with two edges and a route that asks for a stream password.
fn members() -> World {
    let world = World::start(2);
    world.route(json!({"name": "members", "app": "members", "order": 10, "identity": ["stream_password"], "rewrite": "live"}));
    world
}

#[test]
fn a8_at_the_wrong_edge_a_client_is_refused_relayed_or_redirected_and_the_log_says_which() {
    let world = members();
    let _publisher = world.publish("live", "s");
    let (here, there) = (&world.edges[0], &world.edges[1]);
    let clients = ["refuse", "relay", "redirect"].map(|policy| {
        let (client, password) = world.client(policy);
        world.assign(&client, here, policy);
        (policy, client, password)
    });
    world.settle();
    for (policy, client, password) in &clients {
        let url = |edge: &str| format!("rtmp://{policy}:{password}@{edge}/members/s");
        media::assert_played("at its own edge", &media::play_for(&url(here.rtmp()), 2));

        let played = media::play_for(&url(there.rtmp()), 2);
        match *policy {
            "refuse" => assert!(
                !played.status.success() && played.stdout_bytes < 1_000,
                "{played}"
            ),
            // ffmpeg does not follow redirects of RTMP, so it is relayed.
            "relay" | "redirect" => media::assert_played("relayed", &played),
            other => panic!("{other} is no policy"),
        }
        let query = format!("edge={}&client={client}", there.id);
        let record = eventually(SOON, "the log of the wrong edge says which", || {
            let records = world.sessions(&query);
            records
                .into_iter()
                .find(|session| session["assignment"].is_string())
        });
        if *policy == "refuse" {
            assert_eq!(
                (&record["state"], &record["reason"]),
                (&json!("refused"), &json!("wrong_edge")),
                "{record}"
            );
        } else {
            assert_eq!(
                record["next_hop"],
                json!({"kind": "edge", "edge": here.id}),
                "{record}"
            );
        }
    }
}

#[test]
fn a_reassignment_governs_the_next_connection_within_a_second_and_is_audited() {
    let world = World::start(2);
    let _publisher = world.publish("live", "s");
    let client = world.client_here("mover");
    let assignment = world.assign(&client, &world.edges[0], "refuse");
    world.settle();
    for round in 0..6 {
        let (to, from) = (&world.edges[(round + 1) % 2], &world.edges[round % 2]);
        assert!(
            Viewer::is_let_in(from.rtmp(), "live", "s")
                && !Viewer::is_let_in(to.rtmp(), "live", "s")
        );
        let begun = Instant::now();
        world.api.post("/assignments/reassign", &json!({
            "clients": [client], "target": {"kind": "edge", "edge": to.id}, "elsewhere": "refuse",
        }));
        eventually(SOON, "its new edge lets it in", || {
            Viewer::is_let_in(to.rtmp(), "live", "s").then_some(())
        });
        eventually(SOON, "its old edge does not", || {
            (!Viewer::is_let_in(from.rtmp(), "live", "s")).then_some(())
        });
        let took = begun.elapsed();
        assert!(took < AT_ONCE, "round {round}: in force after {took:?}");
    }
    let audit = world.api.items("/audit");
    let entry = audit
        .iter()
        .find(|entry| entry.to_string().contains("reassign"));
    let entry = entry
        .unwrap_or_else(|| panic!("the audit has no reassignment: {audit:?}"))
        .to_string();
    assert!(
        entry.contains(&assignment) || entry.contains(&client),
        "{entry}"
    );
}

#[test]
fn a_reassignment_ends_the_clients_live_sessions_and_nobody_elses() {
    let world = members();
    let _publisher = world.publish("live", "s");
    let (edge, other) = (&world.edges[0], &world.edges[1]);
    let (mover, password) = world.client("mover");
    let (stayer, stayers) = world.client("stayer");
    for client in [&mover, &stayer] {
        world.assign(client, edge, "refuse");
    }
    world.settle();
    let mut bystander = Viewer::play(edge.rtmp(), "live", "s");
    bystander.watches(5);
    let play = |name: &str, password: &str| {
        media::play(
            &format!("rtmp://{name}:{password}@{}/members/s", edge.rtmp()),
            60,
        )
    };
    let (moved, mut stayed) = (play("mover", &password), play("stayer", &stayers));
    let live = |client: &str| world.sessions(&format!("client={client}&state=live")).len();
    eventually(SOON, "both play", || {
        (live(&mover) == 1 && live(&stayer) == 1).then_some(())
    });

    let begun = Instant::now();
    world.api.post(
        "/assignments/reassign",
        &json!({
            "clients": [mover], "target": {"kind": "edge", "edge": other.id}, "elsewhere": "refuse",
        }),
    );
    let ended = moved.wait(SOON);
    assert!(!ended.timed_out && begun.elapsed() < AT_ONCE * 2, "{ended}");
    stays(AT_ONCE, "nobody else is touched", || {
        bystander.step();
        bystander.closed.is_none() && stayed.is_running()
    });
    let record = eventually(SOON, "the log says why", || {
        world
            .sessions(&format!("client={mover}&state=ended"))
            .into_iter()
            .next()
    });
    assert_eq!(record["reason"], "moved", "{record}");
}
