//! `/sessions`.

use axum::Json;
use axum::extract::State;
use contract::id::SessionId;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::sessions::{Counts, End, Ending, Filter, Session};
use crate::app::{App, Listing, Window, sessions};

/// Lists sessions, live and ended ones together, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(filter): Parameters<Filter>,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Session>>> {
    Ok(Json(sessions::list(&app, &caller, &filter, &window).await?))
}

/// One session.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<SessionId>,
) -> Answer<Json<Session>> {
    Ok(Json(sessions::show(&app, &caller, id).await?))
}

/// How many sessions there are.
pub(super) async fn counts(State(app): State<App>, Known(caller): Known) -> Answer<Json<Counts>> {
    Ok(Json(sessions::counts(&app, &caller).await?))
}

/// Orders the edges to end live sessions.
pub(super) async fn end(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<End>,
) -> Answer<Json<Ending>> {
    Ok(Json(sessions::end(&app, &caller, &wanted).await?))
}
