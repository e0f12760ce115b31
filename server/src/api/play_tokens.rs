//! `/play-tokens`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::{Answer, Body, Known};
use crate::app::play_tokens::{MadePlayToken, NewPlayToken};
use crate::app::{App, play_tokens};

/// Makes a play token; its `secret` is in this answer only.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(new): Body<NewPlayToken>,
) -> Answer<(StatusCode, Json<MadePlayToken>)> {
    Ok((
        StatusCode::CREATED,
        Json(play_tokens::create(&app, &caller, new).await?),
    ))
}
