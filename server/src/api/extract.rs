//! What an operation is given, read from the request; each refusal is a [`Problem`].

use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;
use crate::app::{App, Caller, Error};
use crate::auth;

/// A caller who is known; refuses with 401 who is not.
pub(super) struct Known(pub(super) Caller);

impl FromRequestParts<App> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match auth::identify(app, parts).await? {
            Some(caller) => Ok(Self(caller)),
            None => Err(Error::Unknown.into()),
        }
    }
}

/// A JSON body. What is not JSON is malformed (400); what is JSON and not this shape is refused
/// (422) with the field named where serde knows it.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// The query's parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// The id in the address. What is no id of this kind names nothing: 404.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err: std::fmt::Display>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let not_found = |text: String| Problem::new(StatusCode::NOT_FOUND, text);
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => text
                .parse()
                .map(Self)
                .map_err(|fault: T::Err| not_found(fault.to_string())),
            Err(rejection) => Err(not_found(rejection.body_text())),
        }
    }
}
