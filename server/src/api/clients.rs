//! `/clients`.

use axum::Json;
use axum::extract::State;
use contract::id::ClientId;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::clients::{ClientSettings, ClientSummary, MadeStreamPassword};
use crate::app::{App, Listing, Window, clients};

/// Lists clients.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<ClientSummary>>> {
    Ok(Json(clients::list(&app, &caller, &window).await?))
}

/// One client.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<Json<ClientSummary>> {
    Ok(Json(clients::show(&app, &caller, id).await?))
}

/// Registers a client of `name`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<ClientSummary>)> {
    let wanted = laid_over(&ClientSettings::blank(required(&fields, "name")?), &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(clients::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of a client.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<ClientSummary>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(clients::update(&app, &caller, id, edit).await?))
}

/// Removes a client with its assignments.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<StatusCode> {
    clients::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a client a new stream password; it is in this answer only.
pub(super) async fn make_stream_password(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<(StatusCode, Json<MadeStreamPassword>)> {
    Ok((
        StatusCode::CREATED,
        Json(clients::make_stream_password(&app, &caller, id).await?),
    ))
}

/// Takes a client's stream password away.
pub(super) async fn remove_stream_password(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<StatusCode> {
    clients::remove_stream_password(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
