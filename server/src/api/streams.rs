//! `/streams`.

use axum::Json;
use axum::extract::State;

use super::{Answer, Known, Parameters};
use crate::app::streams::{Filter, Stream};
use crate::app::{App, Listing, Window, streams};

/// Lists the streams that are carried now.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(filter): Parameters<Filter>,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Stream>>> {
    Ok(Json(streams::list(&app, &caller, &filter, &window)?))
}
