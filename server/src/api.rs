//! The REST API under `/api/v1`: a file a noun, a function an operation.
//!
//! Lists are `{"items": […], "next": cursor or null}`; faults are problem documents (RFC 9457) with
//! the request's id. Every operation calls one verb of `app` and adds no rule of its own. It does
//! not know that the console exists.

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;

mod audit;
mod extract;
mod generations;
mod logins;
mod problem;
mod setup;
mod tokens;
mod users;

pub use problem::Problem;

use extract::{Body, Id, Known, Parameters};

/// What an operation answers.
type Answer<T> = Result<T, Problem>;

/// The routes of the API, to be nested under `/api/v1`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/setup", post(setup::complete))
        .route("/me", get(logins::me))
        .route("/logins", get(logins::list).post(logins::sign_in))
        .route("/logins/{id}", delete(logins::end))
        .route("/users", get(users::list).post(users::create))
        .route(
            "/users/{id}",
            get(users::show).patch(users::update).delete(users::delete),
        )
        .route("/users/{id}/logins", get(logins::list_of_user))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/audit", get(audit::list))
        .route("/audit/{id}", get(audit::show))
        .route("/generations", get(generations::list))
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::no_such_method)
}
