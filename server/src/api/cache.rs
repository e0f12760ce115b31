//! `/cache`: figures per edge and route.

use axum::Json;
use axum::extract::State;
use contract::id::{EdgeId, RouteId};
use serde::Deserialize;

use super::{Answer, Known, Parameters};
use crate::app::cache::{CacheFigures, Span};
use crate::app::{App, Listing, cache};

/// Lists the figures of every edge and route.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<CacheFigures>>> {
    Ok(Json(cache::list(&app, &caller).await?))
}

/// Which history is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    edge: EdgeId,
    route: RouteId,
    #[serde(default)]
    since_ms: u64,
}

/// What one edge counted of one route, by spans of five minutes.
pub(super) async fn history(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(asked): Parameters<Asked>,
) -> Answer<Json<Listing<Span>>> {
    let Asked {
        edge,
        route,
        since_ms,
    } = asked;
    Ok(Json(
        cache::history(&app, &caller, edge, route, since_ms).await?,
    ))
}
