//! `/purges` and `/orders`.

use axum::Json;
use axum::extract::State;
use contract::order::PurgeScope;
use http::StatusCode;

use super::{Answer, Body, Known, Parameters};
use crate::app::orders::GivenOrder;
use crate::app::purges::Purge;
use crate::app::{App, Listing, Window, orders, purges};

/// Orders every edge to let stored objects go.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(scope): Body<PurgeScope>,
) -> Answer<(StatusCode, Json<Purge>)> {
    Ok((
        StatusCode::ACCEPTED,
        Json(purges::create(&app, &caller, scope).await?),
    ))
}

/// Lists orders with their receipts, the newest first.
pub(super) async fn list_orders(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<GivenOrder>>> {
    Ok(Json(orders::list(&app, &caller, &window).await?))
}
