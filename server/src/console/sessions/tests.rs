//! Sessions as pages list, explain and end them.

use contract::reason::Reason;
use contract::report::SessionState;

use crate::fixture::{Server, session};

#[tokio::test]
async fn live_and_refused_sessions_stand_beside_each_other_with_reason_and_rule() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    let client = server.client("lobby").await;
    let rule = server
        .administrator()
        .submit(
            "/rules/new",
            &[("name", "guests stay out"), ("effect", "deny")],
        )
        .await;
    assert_eq!(rule.status, 303);
    let rules = server.administrator().get("/api/v1/rules").await;
    let mut refused = session(None, "secret");
    refused.state = SessionState::Refused;
    refused.reason = Some(Reason::DeniedByRule);
    refused.rule = Some(
        rules.body["items"][0]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    );
    refused.decision = Some(contract::id::DecisionId::from_bits(7));
    refused.ended_ms = Some(2_000);
    let (live, refused_id) = (session(Some(client), "cam"), refused.id);
    let live_id = live.id;
    agent
        .report(&server, |report| report.sessions = vec![live, refused])
        .await;

    let page = server.auditor().get("/sessions").await;
    for said in [
        "lobby",
        "play live/cam",
        "192.0.2.7",
        "a rule denies this",
        "guests stay out",
    ] {
        assert!(page.text.contains(said), "lacks {said}: {}", page.text);
    }
    let only = server
        .auditor()
        .get(&format!("/sessions?client={client}"))
        .await;
    assert!(
        only.text.contains("play live/cam") && !only.text.contains("play live/secret"),
        "{}",
        only.text
    );
    let by_stream = server
        .auditor()
        .get("/sessions?stream=live/secret&state=refused")
        .await;
    assert!(
        by_stream.text.contains("play live/secret") && !by_stream.text.contains("play live/cam")
    );

    let why = server
        .auditor()
        .get(&format!("/sessions/{refused_id}"))
        .await;
    let decision = contract::id::DecisionId::from_bits(7).to_string();
    for said in [
        "Refused",
        "a rule denies this",
        "guests stay out",
        decision.as_str(),
        "/rules/try?",
    ] {
        assert!(why.text.contains(said), "lacks {said}: {}", why.text);
    }
    assert!(
        server
            .operator()
            .get(&format!("/sessions/{live_id}"))
            .await
            .text
            .contains("End…")
    );
    assert!(
        !server
            .auditor()
            .get(&format!("/sessions/{live_id}"))
            .await
            .text
            .contains("End…")
    );
}

#[tokio::test]
async fn c4_an_operator_ends_chosen_sessions_and_all_that_fit_a_filter() {
    let server = Server::start().await;
    let cluster = server.cluster("hall").await;
    let agent = server.agent(cluster, "north").await;
    let (one, two, three) = (session(None, "a"), session(None, "b"), session(None, "b"));
    let id = one.id.to_string();
    agent
        .report(&server, |report| report.sessions = vec![one, two, three])
        .await;

    let asked = server
        .operator()
        .get(&format!("/sessions/end?which=chosen&session={id}"))
        .await;
    assert!(asked.text.contains("End 1 session?"), "{}", asked.text);
    let asked = server
        .operator()
        .get("/sessions/end?which=filter&stream=live/b")
        .await;
    assert!(
        asked
            .text
            .contains("End 2 live sessions that fit the filter?"),
        "{}",
        asked.text
    );
    assert!(
        server.administrator().get("/api/v1/orders").await.body["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let ended = server
        .operator()
        .submit("/sessions/end", &[("session", &id)])
        .await;
    assert!(
        ended.status == 303 && ended.header("set-cookie").contains("1%20session%20was"),
        "{}",
        ended.header("set-cookie")
    );
    let ended = server
        .operator()
        .submit(
            "/sessions/end",
            &[("which", "filter"), ("stream", "live/b")],
        )
        .await;
    assert!(
        ended.header("set-cookie").contains("2%20sessions%20were"),
        "{}",
        ended.header("set-cookie")
    );
    let everything = server
        .operator()
        .submit("/sessions/end", &[("which", "filter")])
        .await;
    assert_eq!(everything.status, 422);
}
