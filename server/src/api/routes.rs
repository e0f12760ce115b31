//! `/routes`. A route in JSON is the contract's own, with `cluster` beside its fields: `null` is
//! every cluster.

use axum::Json;
use axum::extract::State;
use contract::id::RouteId;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known};
use crate::app::routes::{Route, Scoped};
use crate::app::{App, Listing, routes};

/// Lists routes in the order in which they are tried.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<Scoped<Route>>>> {
    Ok(Json(routes::list(&app, &caller).await?))
}

/// One route.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RouteId>,
) -> Answer<Json<Scoped<Route>>> {
    Ok(Json(routes::show(&app, &caller, id).await?))
}

/// Makes a route of `name`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<Scoped<Route>>)> {
    let wanted = laid_over(&routes::blank(required(&fields, "name")?), &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(routes::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of a route.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RouteId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<Scoped<Route>>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(routes::update(&app, &caller, id, edit).await?))
}

/// Removes a route.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RouteId>,
) -> Answer<StatusCode> {
    routes::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_route_is_made_changed_and_removed() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let admin = server.administrator();
        let one = format!("/api/v1/routes/{route}");
        let made = admin.get(&one).await;
        assert_eq!(made.body["default_effect"], "deny");
        assert_eq!(made.body["cluster"], json!(null));
        let changed = admin
            .patch(
                &one,
                json!({"default_effect": "allow", "live": {"wait_ms": 500}}),
            )
            .await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(
            changed.body["live"],
            json!({
                "wait_ms": 500, "linger_ms": 5000, "hold_ms": 5000,
                "second_publisher": "ping", "gather_ms": 0
            })
        );
        let audit = admin.get("/api/v1/audit?noun=routes").await;
        assert_eq!(audit.body["items"][0]["before"], made.body);
        assert_eq!(audit.body["items"][0]["after"], changed.body);
        assert_eq!(admin.delete(&one).await.status, 204);
    }

    #[tokio::test]
    async fn what_an_edge_would_refuse_is_refused_with_its_field() {
        let server = Server::start().await;
        let (origin, _) = server.route("studio").await;
        let admin = server.administrator();
        for (change, field) in [
            (json!({"upstreams": []}), "upstreams"),
            (json!({"plane": "http"}), "upstreams"),
            (
                json!({"upstreams": ["origin_00000000000000000000000000"]}),
                "upstreams",
            ),
            (json!({"live": {"wait_ms": 99_000}}), "live.wait_ms"),
            (json!({"rewrite": "*/*"}), "rewrite"),
            (
                json!({"cluster": "cluster_00000000000000000000000000"}),
                "cluster",
            ),
        ] {
            let mut new = json!({"name": "other", "upstreams": [origin]});
            new.as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            let refused = admin.post("/api/v1/routes", new.clone()).await;
            assert_eq!(refused.status, 422, "{new}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_route_of_one_cluster_reaches_no_other() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let north = server.cluster("north").await;
        let south = server.cluster("south").await;
        let one = format!("/api/v1/routes/{route}");
        let bound = server
            .administrator()
            .patch(&one, json!({"cluster": north}))
            .await;
        assert_eq!(bound.status, 200, "{bound:?}");
        for (cluster, routes) in [(north, 1), (south, 0)] {
            let agent = server.agent(cluster, &format!("of-{cluster}")).await;
            let document = agent.catch_up().await.0.snapshot.unwrap();
            let snapshot: contract::snapshot::Snapshot =
                serde_json::from_str(document.snapshot.get()).unwrap();
            assert_eq!(snapshot.routes.len(), routes);
            assert_eq!(snapshot.origins.len(), routes);
        }
    }
}
