//! `/edges`.

use axum::Json;
use axum::extract::State;
use contract::id::EdgeId;
use http::StatusCode;

use super::fields::{Fields, laid_over};
use super::{Answer, Body, Id, Known};
use crate::app::edges::EdgeStatus;
use crate::app::questions::{self, Ask};
use crate::app::{App, Listing, edges};

/// Lists edges.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<EdgeStatus>>> {
    Ok(Json(edges::list(&app, &caller).await?))
}

/// One edge.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
) -> Answer<Json<EdgeStatus>> {
    Ok(Json(edges::show(&app, &caller, id).await?))
}

/// Changes an edge's `name`, `cluster`, `public` addresses or `limits`.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<EdgeStatus>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(edges::update(&app, &caller, id, edit).await?))
}

/// Lets an edge take no new sessions.
pub(super) async fn drain(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
) -> Answer<Json<EdgeStatus>> {
    Ok(Json(edges::drain(&app, &caller, id).await?))
}

/// Lets a drained edge take new sessions again.
pub(super) async fn undrain(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
) -> Answer<Json<EdgeStatus>> {
    Ok(Json(edges::undrain(&app, &caller, id).await?))
}

/// Takes an edge out for good.
pub(super) async fn retire(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
) -> Answer<Json<EdgeStatus>> {
    Ok(Json(edges::retire(&app, &caller, id).await?))
}

/// Removes a retired edge from the list.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
) -> Answer<StatusCode> {
    edges::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks an edge something, and answers with what it says.
pub(super) async fn ask(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<EdgeId>,
    Body(ask): Body<Ask>,
) -> Answer<Json<questions::Answer>> {
    Ok(Json(questions::ask(&app, &caller, id, ask).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::report::{SettingsState, Stamp};
    use contract::snapshot::{EdgeState, Snapshot};
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_draining_edge_is_so_in_its_siblings_snapshots() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        let state = async || {
            let document = beta.catch_up().await.0.snapshot.unwrap();
            let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
            snapshot.neighbor(alpha.edge).unwrap().state
        };
        assert_eq!(state().await, EdgeState::Active);
        let one = format!("/api/v1/edges/{}", alpha.edge);
        let drained = server
            .operator()
            .post(&format!("{one}/drain"), json!({}))
            .await;
        assert_eq!(drained.body["state"], "draining");
        assert_eq!(state().await, EdgeState::Draining);
        server
            .operator()
            .post(&format!("{one}/undrain"), json!({}))
            .await;
        assert_eq!(state().await, EdgeState::Active);
    }

    #[tokio::test]
    async fn shows_what_an_edge_should_have_and_what_it_serves() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, query) = agent.catch_up().await;
        let serving = Stamp {
            generation: query.generation,
            hash: query.hash.clone(),
        };
        let settings = SettingsState {
            serving: Some(serving),
            ..SettingsState::default()
        };
        agent
            .report(&server, |report| report.settings = settings)
            .await;
        let shown = server
            .auditor()
            .get(&format!("/api/v1/edges/{}", agent.edge))
            .await;
        assert_eq!(
            shown.body["wanted"],
            shown.body["report"]["settings"]["serving"]
        );
        assert_eq!(shown.body["report"]["sessions"], 0);
    }

    #[tokio::test]
    async fn an_edge_is_renamed_moved_and_given_public_addresses() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let south = server.cluster("south").await;
        let one = format!("/api/v1/edges/{}", agent.edge);
        let admin = server.administrator();
        let wanted = json!({
            "name": "omega", "cluster": south, "public": {"rtmp": "edge.example:1935", "http": null}
        });
        let changed = admin.patch(&one, wanted).await;
        assert_eq!(
            (changed.status, &changed.body["name"]),
            (200, &json!("omega")),
            "{changed:?}"
        );
        let document = agent.catch_up().await.0.snapshot.unwrap();
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        assert_eq!(snapshot.cluster, south);
        assert_eq!(
            snapshot.own().unwrap().rtmp.as_ref().unwrap().to_string(),
            "edge.example:1935"
        );
        for (fields, field) in [
            (
                json!({"cluster": "cluster_00000000000000000000000000"}),
                "cluster",
            ),
            (json!({"state": "active"}), "state"),
            (json!({"public": {"rtmp": "no port"}}), "public"),
        ] {
            let refused = admin.patch(&one, fields).await;
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn an_edge_that_an_assignment_points_at_is_not_retired() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let new = json!({"subject": {"kind": "everyone"}, "target": {"kind": "edge", "edge": agent.edge}});
        let admin = server.administrator();
        assert_eq!(admin.post("/api/v1/assignments", new).await.status, 201);
        let retire = format!("/api/v1/edges/{}/retire", agent.edge);
        assert_eq!(admin.post(&retire, json!({})).await.status, 409);
    }
}
