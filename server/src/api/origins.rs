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
