//! `/groups`.

use axum::Json;
use axum::extract::State;
use contract::id::GroupId;
use contract::name::Name;
use http::StatusCode;
use serde::Deserialize;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::groups::Group;
use crate::app::{App, Listing, Window, groups};

/// What a group is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: Name,
}

/// Lists groups.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Group>>> {
    Ok(Json(groups::list(&app, &caller, &window).await?))
}

/// One group.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<GroupId>,
) -> Answer<Json<Group>> {
    Ok(Json(groups::show(&app, &caller, id).await?))
}

/// Makes a group.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<Wanted>,
) -> Answer<(StatusCode, Json<Group>)> {
    Ok((
        StatusCode::CREATED,
        Json(groups::create(&app, &caller, wanted.name).await?),
    ))
}

/// Changes a group.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<GroupId>,
    Body(wanted): Body<Wanted>,
) -> Answer<Json<Group>> {
    Ok(Json(groups::update(&app, &caller, id, wanted.name).await?))
}

/// Removes a group.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<GroupId>,
) -> Answer<StatusCode> {
    groups::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_group_that_a_client_is_in_stays() {
        let server = Server::start().await;
        let admin = server.administrator();
        let group = admin.post("/api/v1/groups", json!({"name": "press"})).await;
        let new = json!({"name": "camera", "groups": [group.body["id"]]});
        let client = admin.post("/api/v1/clients", new).await;
        assert_eq!(client.status, 201, "{client:?}");
        let one = format!("/api/v1/groups/{}", group.body["id"].as_str().unwrap());
        let refused = admin.delete(&one).await;
        assert!(
            refused.text.contains("client `camera` uses it"),
            "{refused:?}"
        );
        let client = format!("/api/v1/clients/{}", client.body["id"].as_str().unwrap());
        assert_eq!(
            admin.patch(&client, json!({"groups": []})).await.status,
            200
        );
        assert_eq!(admin.delete(&one).await.status, 204);
    }
}
