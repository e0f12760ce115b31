//! `/assignments`.

use axum::Json;
use axum::extract::State;
use contract::id::AssignmentId;
use http::StatusCode;
use serde::Deserialize;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::assignments::{Assignment, Impact, Reassigned, Reassignment, Subject};
use crate::app::{App, Listing, Window, assignments};

/// Lists assignments.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Assignment>>> {
    Ok(Json(assignments::list(&app, &caller, &window).await?))
}

/// One assignment.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
) -> Answer<Json<Assignment>> {
    Ok(Json(assignments::show(&app, &caller, id).await?))
}

/// Makes an assignment of `subject` and `target`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<Assignment>)> {
    let blank = assignments::blank(required(&fields, "subject")?, required(&fields, "target")?);
    let wanted = laid_over(&blank, &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(assignments::assign(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of an assignment.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<Assignment>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(assignments::update(&app, &caller, id, edit).await?))
}

/// Removes an assignment.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
) -> Answer<StatusCode> {
    assignments::unassign(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes clients belong elsewhere, all in one change.
pub(super) async fn reassign(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<Reassignment>,
) -> Answer<Json<Reassigned>> {
    Ok(Json(assignments::reassign(&app, &caller, &wanted).await?))
}

/// Whom a change would be about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    subjects: Vec<Subject>,
}

/// How many live sessions a change for these subjects would touch.
pub(super) async fn impact(
    State(app): State<App>,
    Known(caller): Known,
    Body(asked): Body<Asked>,
) -> Answer<Json<Impact>> {
    Ok(Json(assignments::impact(&app, &caller, &asked.subjects)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::{Server, session};

    #[tokio::test]
    async fn many_clients_are_reassigned_in_one_change_that_stands_in_the_audit() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        let clients = [server.client("one").await, server.client("two").await];
        let live = [
            session(Some(clients[0]), "a"),
            session(Some(clients[0]), "b"),
            session(None, "c"),
        ];
        alpha
            .report(&server, |report| report.sessions = live.to_vec())
            .await;

        let subjects = clients.map(|client| json!({"kind": "client", "client": client}));
        let asked = json!({"subjects": subjects});
        let impact = server
            .auditor()
            .post("/api/v1/assignments/impact", asked)
            .await;
        assert_eq!(impact.body, json!({"sessions": 2}));

        let admin = server.administrator();
        let mut ids = Vec::new();
        // Named twice is moved once.
        let named = [clients[0], clients[1], clients[0]];
        for edge in [alpha.edge, beta.edge] {
            let wanted = json!({"clients": named, "target": {"kind": "edge", "edge": edge}});
            let done = admin.post("/api/v1/assignments/reassign", wanted).await;
            assert_eq!(
                (done.status, &done.body["sessions"]),
                (200, &json!(2)),
                "{done:?}"
            );
            assert_eq!(done.body["assignments"].as_array().unwrap().len(), 2);
            ids.push(done.body["assignments"][0]["id"].clone());
        }
        assert_eq!(ids[0], ids[1]);
        let list = admin.get("/api/v1/assignments").await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
        let audit = admin.get("/api/v1/audit?verb=reassign").await;
        let newest = &audit.body["items"][0];
        assert_eq!(newest["before"]["target"]["edge"], json!(alpha.edge));
        assert_eq!(newest["after"]["target"]["edge"], json!(beta.edge));
        assert_eq!(newest["generation"], audit.body["items"][1]["generation"]);
    }

    #[tokio::test]
    async fn a_reassignment_with_one_unknown_client_changes_nothing() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let known = server.client("one").await;
        let wanted = json!({
            "clients": [known, "client_00000000000000000000000000"],
            "target": {"kind": "cluster", "cluster": cluster}
        });
        let refused = server
            .administrator()
            .post("/api/v1/assignments/reassign", wanted)
            .await;
        assert_eq!(refused.status, 422);
        let list = server.auditor().get("/api/v1/assignments").await;
        assert_eq!(list.body["items"], json!([]));
    }

    #[tokio::test]
    async fn impact_counts_by_group_network_and_everyone() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let group = server
            .administrator()
            .post("/api/v1/groups", json!({"name": "press"}))
            .await;
        let group = &group.body["id"];
        let new = json!({"name": "one", "groups": [group]});
        let client = server.administrator().post("/api/v1/clients", new).await;
        let client = crate::fixture::id_of(&client.body);
        let live = vec![session(Some(client), "a"), session(None, "b")];
        agent.report(&server, |report| report.sessions = live).await;
        for (subject, sessions) in [
            (json!({"kind": "group", "group": group}), 1),
            (json!({"kind": "network", "network": "192.0.2.0/24"}), 2),
            (json!({"kind": "network", "network": "198.51.100.0/24"}), 0),
            (json!({"kind": "everyone"}), 2),
        ] {
            let asked = json!({"subjects": [subject]});
            let impact = server
                .auditor()
                .post("/api/v1/assignments/impact", asked)
                .await;
            assert_eq!(impact.body["sessions"], sessions, "{subject}");
        }
        let networks = vec![json!({"kind": "network", "network": "192.0.2.0/24"}); 101];
        let refused = server
            .auditor()
            .post("/api/v1/assignments/impact", json!({"subjects": networks}))
            .await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
}
