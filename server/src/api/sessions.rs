//! `/sessions`.

use axum::Json;
use axum::extract::State;
use contract::id::SessionId;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::sessions::{Counts, End, Ending, Filter, Session};
use crate::app::{App, Listing, Window, sessions};

/// Lists sessions, live and ended ones together, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(filter): Parameters<Filter>,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Session>>> {
    Ok(Json(sessions::list(&app, &caller, &filter, &window).await?))
}

/// One session.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<SessionId>,
) -> Answer<Json<Session>> {
    Ok(Json(sessions::show(&app, &caller, id).await?))
}

/// How many sessions there are.
pub(super) async fn counts(State(app): State<App>, Known(caller): Known) -> Answer<Json<Counts>> {
    Ok(Json(sessions::counts(&app, &caller).await?))
}

/// Orders the edges to end live sessions.
pub(super) async fn end(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<End>,
) -> Answer<Json<Ending>> {
    Ok(Json(sessions::end(&app, &caller, &wanted).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::reason::Reason;
    use contract::report::{SessionRecord, SessionState};
    use serde_json::json;

    use crate::fixture::{Answer, Server, session};

    fn over(record: &SessionRecord, state: SessionState, reason: Reason) -> SessionRecord {
        SessionRecord {
            state,
            reason: Some(reason),
            ended_ms: Some(2_000),
            ..record.clone()
        }
    }

    fn streams(list: &Answer) -> Vec<&str> {
        let items = list.body["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["stream"].as_str().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn live_ended_and_refused_sessions_stand_in_one_list() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        let client = server.client("camera").await;
        let live = session(Some(client), "live");
        let ended = over(
            &session(None, "ended"),
            SessionState::Ended,
            Reason::ClientClosed,
        );
        let refused = over(
            &session(Some(client), "refused"),
            SessionState::Refused,
            Reason::DeniedByRule,
        );
        alpha
            .report(&server, |report| {
                report.sessions = vec![live.clone(), ended.clone()]
            })
            .await;
        beta.report(&server, |report| report.sessions = vec![refused.clone()])
            .await;

        let auditor = server.auditor();
        let list = async |query: &str| auditor.get(&format!("/api/v1/sessions{query}")).await;
        for (query, expected) in [
            (String::new(), vec!["refused", "ended", "live"]),
            ("?state=live".into(), vec!["live"]),
            ("?state=refused".into(), vec!["refused"]),
            ("?state=ended".into(), vec!["ended"]),
            (format!("?edge={}", alpha.edge), vec!["ended", "live"]),
            (format!("?client={client}"), vec!["refused", "live"]),
            ("?stream=ended".into(), vec!["ended"]),
            ("?reason=denied_by_rule".into(), vec!["refused"]),
            ("?addr=192.0.2.8".into(), vec![]),
        ] {
            assert_eq!(streams(&list(&query).await), expected, "{query}");
        }
        let first = list("?limit=2").await;
        assert_eq!(streams(&first), ["refused", "ended"]);
        let rest = list(&format!(
            "?limit=2&after={}",
            first.body["next"].as_str().unwrap()
        ))
        .await;
        assert_eq!(streams(&rest), ["live"]);
        for record in [&live, &ended] {
            let shown = list(&format!("/{}", record.id)).await;
            assert_eq!(shown.body["edge"], json!(alpha.edge));
            assert_eq!(shown.body["stream"], json!(record.stream));
        }
    }

    #[tokio::test]
    async fn c4_sessions_are_ended_one_many_of_a_stream_and_of_a_client() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        let client = server.client("camera").await;
        let here = [
            session(Some(client), "a"),
            session(None, "a"),
            session(None, "b"),
        ];
        let there = [session(Some(client), "a")];
        alpha
            .report(&server, |report| report.sessions = here.to_vec())
            .await;
        beta.report(&server, |report| report.sessions = there.to_vec())
            .await;
        for (wanted, sessions, orders) in [
            (json!({"sessions": [here[2].id]}), 1, 1),
            (json!({"filter": {"stream": "a"}}), 3, 2),
            (json!({"filter": {"client": client}}), 2, 2),
            (json!({"filter": {"stream": "nowhere"}}), 0, 0),
        ] {
            let ending = server
                .operator()
                .post("/api/v1/sessions/end", wanted.clone())
                .await;
            assert_eq!(ending.body["sessions"], sessions, "{wanted}");
            assert_eq!(
                ending.body["orders"].as_array().unwrap().len(),
                orders,
                "{wanted}"
            );
        }
        for wanted in [
            json!({}),
            json!({"filter": {}}),
            json!({"filter": {"edge": alpha.edge, "cilent": client}}),
            json!({"filter": {"edge": alpha.edge, "client": "x"}}),
        ] {
            let refused = server
                .operator()
                .post("/api/v1/sessions/end", wanted.clone())
                .await;
            assert_eq!(refused.status, 422, "{wanted}");
        }
        let orders = alpha.catch_up().await.0.orders;
        assert_eq!(orders.len(), 3);
    }

    #[tokio::test]
    async fn an_edge_started_anew_leaves_no_session_behind() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let gone = session(None, "gone");
        agent
            .report(&server, |report| report.sessions = vec![gone.clone()])
            .await;
        agent
            .report(&server, |report| {
                report.boot = contract::id::BootId::new();
                report.sequence = 1;
                report.whole = true;
            })
            .await;
        let shown = server
            .auditor()
            .get(&format!("/api/v1/sessions/{}", gone.id))
            .await;
        assert_eq!(shown.body["state"], "ended", "{shown:?}");
        assert!(
            shown.body["detail"]
                .as_str()
                .unwrap()
                .contains("without saying"),
            "{shown:?}"
        );
    }

    #[tokio::test]
    async fn counts_tell_what_is_live_and_what_was_refused() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let mut refused = over(
            &session(None, "x"),
            SessionState::Refused,
            Reason::DeniedByDefault,
        );
        refused.ended_ms = Some(server.clock().now_ms());
        let live = session(None, "y");
        agent
            .report(&server, |report| report.sessions = vec![refused, live])
            .await;
        let counts = server.auditor().get("/api/v1/sessions/counts").await;
        assert_eq!(
            counts.body,
            json!({"live": 1, "connecting": 0, "recently_refused": 1})
        );
    }
}
