//! `/setup`: making the first administrator by the set-up link's token.

use axum::Json;
use axum::extract::{Request, State};
use contract::name::Name;
use contract::secret::Secret;
use http::StatusCode;
use serde::Deserialize;

use super::{Answer, Body};
use crate::app::users::User;
use crate::app::{App, setup};
use crate::auth;
use axum::extract::FromRequest;

/// What the first administrator is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUp {
    token: Secret,
    name: Name,
    password: Secret,
}

/// Makes the first administrator; the link works once.
pub(super) async fn complete(
    State(app): State<App>,
    request: Request,
) -> Answer<(StatusCode, Json<User>)> {
    let (parts, body) = request.into_parts();
    let from = auth::origin_of(&parts);
    let Body(wanted) = Body::<SetUp>::from_request(Request::from_parts(parts, body), &app).await?;
    let user = setup::complete(
        &app,
        wanted.token.expose(),
        wanted.name,
        wanted.password,
        from,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(user)))
}
