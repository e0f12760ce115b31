//! `/clusters`.

use axum::Json;
use axum::extract::State;
use contract::id::ClusterId;
use contract::name::Name;
use http::StatusCode;
use serde::Deserialize;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::clusters::Cluster;
use crate::app::{App, Listing, Window, clusters};

/// What a cluster is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: Name,
}

/// Lists clusters.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Cluster>>> {
    Ok(Json(clusters::list(&app, &caller, &window).await?))
}

/// One cluster.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClusterId>,
) -> Answer<Json<Cluster>> {
    Ok(Json(clusters::show(&app, &caller, id).await?))
}

/// Makes a cluster.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<Wanted>,
) -> Answer<(StatusCode, Json<Cluster>)> {
    Ok((
        StatusCode::CREATED,
        Json(clusters::create(&app, &caller, wanted.name).await?),
    ))
}

/// Changes a cluster.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClusterId>,
    Body(wanted): Body<Wanted>,
) -> Answer<Json<Cluster>> {
    Ok(Json(
        clusters::update(&app, &caller, id, wanted.name).await?,
    ))
}

/// Removes a cluster.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClusterId>,
) -> Answer<StatusCode> {
    clusters::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_cluster_is_made_renamed_and_removed() {
        let server = Server::start().await;
        let admin = server.administrator();
        let one = format!("/api/v1/clusters/{}", server.cluster("north").await);
        let again = admin
            .post("/api/v1/clusters", json!({"name": "north"}))
            .await;
        assert_eq!(again.status, 409);
        let renamed = admin.patch(&one, json!({"name": "south"})).await;
        assert_eq!(
            (renamed.status, &renamed.body["name"]),
            (200, &json!("south"))
        );
        assert_eq!(admin.delete(&one).await.status, 204);
        assert_eq!(
            admin.get("/api/v1/clusters").await.body,
            json!({"items": [], "next": null})
        );
    }

    #[tokio::test]
    async fn a_cluster_that_something_belongs_to_stays() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let one = format!("/api/v1/clusters/{cluster}");
        server.agent(cluster, "alpha").await;
        let refused = server.administrator().delete(&one).await;
        assert_eq!(refused.status, 409);
        assert!(refused.text.contains("edge `alpha`"), "{refused:?}");
    }

    #[tokio::test]
    async fn a_long_list_is_read_in_parts() {
        let server = Server::start().await;
        for name in ["c", "a", "d", "b"] {
            server.cluster(name).await;
        }
        let auditor = server.auditor();
        let names = |list: &crate::fixture::Answer| -> Vec<String> {
            let items = list.body["items"].as_array().unwrap();
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let first = auditor.get("/api/v1/clusters?limit=3").await;
        assert_eq!(names(&first), ["a", "b", "c"]);
        let next = first.body["next"].as_str().unwrap();
        let second = auditor
            .get(&format!("/api/v1/clusters?limit=3&after={next}"))
            .await;
        assert_eq!(
            (names(&second), &second.body["next"]),
            (vec!["d".to_owned()], &json!(null))
        );
    }
}
