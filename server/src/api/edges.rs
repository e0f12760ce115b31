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

/// Changes an edge's `name`, `cluster` or `public` addresses.
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
