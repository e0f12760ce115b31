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
