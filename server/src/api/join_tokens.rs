//! `/join-tokens`.

use axum::Json;
use axum::extract::State;
use contract::id::JoinTokenId;
use http::StatusCode;

use super::{Answer, Body, Id, Known};
use crate::app::join_tokens::{JoinToken, MadeJoinToken, NewJoinToken};
use crate::app::{App, Listing, join_tokens};

/// Lists the join tokens that can still be used.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<JoinToken>>> {
    Ok(Json(join_tokens::list(&app, &caller).await?))
}

/// Makes a join token; its `secret` is in this answer only.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(new): Body<NewJoinToken>,
) -> Answer<(StatusCode, Json<MadeJoinToken>)> {
    Ok((
        StatusCode::CREATED,
        Json(join_tokens::create(&app, &caller, new).await?),
    ))
}

/// Revokes a join token.
pub(super) async fn revoke(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<JoinTokenId>,
) -> Answer<StatusCode> {
    join_tokens::revoke(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
