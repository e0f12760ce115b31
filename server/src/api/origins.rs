//! `/origins`.

use axum::Json;
use axum::extract::State;
use contract::id::OriginId;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::origins::Origin;
use crate::app::{App, Listing, Window, origins};

/// Lists origins.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Origin>>> {
    Ok(Json(origins::list(&app, &caller, &window).await?))
}

/// One origin.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<OriginId>,
) -> Answer<Json<Origin>> {
    Ok(Json(origins::show(&app, &caller, id).await?))
}

/// Makes an origin of `name` and `address`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<Origin>)> {
    let blank = origins::blank(required(&fields, "name")?, required(&fields, "address")?);
    let wanted = laid_over(&blank, &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(origins::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of an origin.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<OriginId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<Origin>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(origins::update(&app, &caller, id, edit).await?))
}

/// Removes an origin.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<OriginId>,
) -> Answer<StatusCode> {
    origins::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn an_origin_is_made_changed_and_removed() {
        let server = Server::start().await;
        let admin = server.administrator();
        let new = json!({"name": "studio", "address": "rtmp://127.0.0.1:1936", "reach": {"loopback": true}});
        let made = admin.post("/api/v1/origins", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(
            made.body["reach"],
            json!({"private": false, "loopback": true})
        );
        let one = format!("/api/v1/origins/{}", made.body["id"].as_str().unwrap());
        let changed = admin.patch(&one, json!({"reach": {"private": true}})).await;
        assert_eq!(
            changed.body["reach"],
            json!({"private": true, "loopback": true})
        );
        assert_eq!(admin.get(&one).await.body, changed.body);
        assert_eq!(admin.delete(&one).await.status, 204);
    }

    #[tokio::test]
    async fn faults_name_their_fields() {
        let server = Server::start().await;
        let admin = server.administrator();
        for (new, field) in [
            (json!({"name": "x"}), "address"),
            (json!({"address": "rtmp://o"}), "name"),
            (json!({"name": "x", "address": "gopher://o"}), "address"),
            (
                json!({"name": "x", "address": "rtmp://o", "colour": 1}),
                "colour",
            ),
        ] {
            let refused = admin.post("/api/v1/origins", new.clone()).await;
            assert_eq!(refused.status, 422, "{new}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn an_origin_that_a_route_names_stays_and_keeps_its_protocol() {
        let server = Server::start().await;
        let (origin, _) = server.route("studio").await;
        let one = format!("/api/v1/origins/{origin}");
        let admin = server.administrator();
        assert_eq!(admin.delete(&one).await.status, 409);
        let refused = admin.patch(&one, json!({"address": "http://o"})).await;
        assert_eq!(
            (refused.status, &refused.body["faults"][0]["field"]),
            (422, &json!("address"))
        );
    }
}
