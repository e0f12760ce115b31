//! Joining, the four facts, draining and retiring, as pages say and do them.

use contract::control::JoinToken;
use contract::fault::FieldFault;
use contract::report::Stamp;

use crate::fixture::Server;

#[tokio::test]
async fn a_join_token_is_shown_once_with_the_command_that_uses_it() {
    let server = Server::start().await;
    assert!(
        server
            .administrator()
            .get("/edges/join")
            .await
            .text
            .contains("First make a cluster")
    );
    let cluster = server.cluster("hall").await.to_string();
    let fields = [
        ("cluster", cluster.as_str()),
        ("name", "north"),
        ("life_s", "900"),
    ];
    let made = server.administrator().submit("/edges/join", &fields).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = made
        .text
        .split("weir edge join ")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .unwrap();
    assert_eq!(
        JoinToken::parse(token).unwrap().server,
        "http://127.0.0.1:8080"
    );
    let list = server.auditor().get("/edges").await;
    assert!(
        list.text.contains("Waiting to join")
            && list.text.contains("north")
            && !list.text.contains(token)
    );
    let wrong = server
        .administrator()
        .submit("/edges/join", &[("cluster", ""), ("name", &"x".repeat(65))])
        .await;
    assert!(
        wrong.status == 422
            && wrong.text.contains("cluster-fault")
            && wrong.text.contains("name-fault")
    );
}

#[tokio::test]
async fn an_edge_says_received_validated_applied_and_serving_apart() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    let (_, has) = agent.catch_up().await;
    let wanted = Stamp {
        generation: has.generation,
        hash: has.hash,
    };
    let older = Stamp {
        generation: 1,
        hash: "older".to_owned(),
    };
    agent
        .report(&server, |report| {
            report.settings.received = Some(wanted.clone());
            report.settings.serving = Some(older.clone());
            report.settings.applied = Some(older);
            report.settings.faults = vec![FieldFault::new(
                "routes.live",
                "names an origin that is missing",
            )];
        })
        .await;
    let page = server
        .auditor()
        .get(&format!("/edges/{}", agent.edge))
        .await;
    for said in [
        "names an origin that is missing",
        "<li class=\"on\"><span>Received",
        "<li class=\"failed\"><span>Validated",
    ] {
        assert!(page.text.contains(said), "lacks {said}: {}", page.text);
    }
    assert!(
        server
            .auditor()
            .get("/")
            .await
            .text
            .contains("refused its newest settings")
    );
    agent
        .report(&server, |report| {
            let settings = &mut report.settings;
            for fact in [
                &mut settings.received,
                &mut settings.validated,
                &mut settings.applied,
                &mut settings.serving,
            ] {
                *fact = Some(wanted.clone());
            }
        })
        .await;
    let page = server
        .auditor()
        .get(&format!("/edges/{}", agent.edge))
        .await;
    assert_eq!(
        page.text.matches("as published for this edge").count(),
        4,
        "{}",
        page.text
    );
}

#[tokio::test]
async fn an_operator_drains_and_takes_back_and_cannot_retire() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    let at = |verb: &str| format!("/edges/{}/{verb}", agent.edge);
    assert!(
        server
            .operator()
            .get(&at("drain"))
            .await
            .text
            .contains("Drain north?")
    );
    assert_eq!(
        server.operator().submit(&at("drain"), &[]).await.status,
        303
    );
    let page = server
        .operator()
        .get(&format!("/edges/{}", agent.edge))
        .await;
    assert!(
        page.text.contains("Draining")
            && page.text.contains("Take back")
            && !page.text.contains("Retire"),
        "{}",
        page.text
    );
    assert_eq!(
        server.operator().submit(&at("undrain"), &[]).await.status,
        303
    );
    assert_eq!(
        server.operator().submit(&at("retire"), &[]).await.status,
        403
    );
}

#[tokio::test]
async fn an_edge_that_clients_belong_to_is_not_retired() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    let edge = agent.edge.to_string();
    let fields = [
        ("subject", "everyone"),
        ("target", edge.as_str()),
        ("elsewhere", "relay"),
        ("order", "0"),
        ("enabled", "on"),
    ];
    assert_eq!(
        server
            .administrator()
            .submit("/assignments/new", &fields)
            .await
            .status,
        303
    );
    let answer = server
        .administrator()
        .submit(&format!("/edges/{edge}/retire"), &[])
        .await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text.contains("reassign its clients first"),
        "{}",
        answer.text
    );
}
