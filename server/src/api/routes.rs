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
