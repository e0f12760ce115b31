//! Rules through their forms: conditions, faults, order, and the tester.

use crate::fixture::Server;

async fn names_in_order(server: &Server) -> Vec<String> {
    let rules = server.administrator().get("/api/v1/rules").await;
    let items = rules.body["items"].as_array().unwrap();
    items
        .iter()
        .map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn add(server: &Server, name: &str, effect: &str, more: &[(&str, &str)]) {
    let mut fields = vec![("name", name), ("effect", effect), ("enabled", "on")];
    fields.extend(more);
    let answer = server.administrator().submit("/rules/new", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

#[tokio::test]
async fn a_rule_is_made_of_the_conditions_that_are_filled_in() {
    let server = Server::start().await;
    let conditions = [
        ("c0.kind", "network"),
        ("c0.networks", "10.0.0.0/8\r\n192.0.2.7/32"),
        ("c1.kind", "app"),
        ("c1.patterns", ""),
        ("c2.kind", "action"),
        ("c2.actions", "publish"),
    ];
    add(&server, "inside", "deny", &conditions).await;
    let page = server.auditor().get("/rules").await;
    let sentence = "when the network is 10.0.0.0/8 or 192.0.2.7/32 and the action is publish";
    assert!(page.text.contains(sentence), "{}", page.text);
    let rules = server.administrator().get("/api/v1/rules").await;
    assert_eq!(
        rules.body["items"][0]["conditions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_faulty_condition_keeps_all_that_was_typed() {
    let server = Server::start().await;
    let fields = [
        ("name", "half"),
        ("effect", "allow"),
        ("c0.kind", "network"),
        ("c0.networks", "10.0.0.0/99"),
        ("c1.kind", "time_window"),
        ("c1.zone", "Mars/Olympus"),
        ("c1.from", "08:00"),
        ("c1.until", "18:00"),
        ("c1.days", "mon"),
    ];
    let answer = server.administrator().submit("/rules/new", &fields).await;
    assert_eq!(answer.status, 422);
    for kept in [
        "c0.networks-fault",
        "c1.zone-fault",
        "10.0.0.0/99",
        "Mars/Olympus",
        "value=\"half\"",
        "value=\"mon\" checked",
    ] {
        assert!(answer.text.contains(kept), "lacks {kept}: {}", answer.text);
    }
    assert!(names_in_order(&server).await.is_empty());
}

#[tokio::test]
async fn rules_move_one_place_and_stay_at_the_ends() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        add(&server, name, "deny", &[]).await;
    }
    let rules = server.administrator().get("/api/v1/rules").await;
    let id = |place: usize| {
        rules.body["items"][place]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let check = async |place: usize, to: &str, expected: [&str; 3]| {
        let answer = server
            .administrator()
            .submit(&format!("/rules/{}/move", id(place)), &[("to", to)])
            .await;
        assert_eq!(answer.status, 303);
        assert_eq!(names_in_order(&server).await, expected);
    };
    check(0, "up", ["a", "b", "c"]).await;
    check(2, "down", ["a", "b", "c"]).await;
    check(2, "up", ["a", "c", "b"]).await;
    check(0, "down", ["c", "a", "b"]).await;
    add(&server, "first", "allow", &[("place", &id(2))]).await;
    assert_eq!(names_in_order(&server).await, ["first", "c", "a", "b"]);
}

#[tokio::test]
async fn the_tester_shows_the_deciding_rule_and_every_stage() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    server.route("media").await;
    add(
        &server,
        "guests stay out",
        "deny",
        &[("c0.kind", "network"), ("c0.networks", "192.0.2.0/24")],
    )
    .await;
    add(&server, "all others", "allow", &[]).await;
    let ask = async |addr: &str| {
        let path = format!(
            "/rules/try?edge={}&url=rtmp://edge/live/cam&addr={addr}&action=play",
            agent.edge
        );
        server.auditor().get(&path).await
    };
    let refused = ask("192.0.2.9").await;
    for said in [
        "verdict deny",
        "a rule denies this",
        "guests stay out",
        "the route media matches",
        "Identity",
    ] {
        assert!(
            refused.text.contains(said),
            "lacks {said}: {}",
            refused.text
        );
    }
    let admitted = ask("198.51.100.9").await;
    assert!(
        admitted.text.contains("verdict allow") && admitted.text.contains("all others"),
        "{}",
        admitted.text
    );
    let wrong = ask("nonsense").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("addr-fault") && wrong.text.contains("value=\"nonsense\""));
    let unknown = server
        .auditor()
        .get("/rules/try?edge=edge_00000000000000000000000000&url=rtmp://e/a/b&addr=::1")
        .await;
    assert_eq!(unknown.status, 404);
}
