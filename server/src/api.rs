//! The REST API under `/api/v1`: a file a noun, a function an operation.
//!
//! Lists are `{"items": […], "next": cursor or null}`; faults are problem documents (RFC 9457) with
//! the request's id. Every operation calls one verb of `app` and adds no rule of its own. It does
//! not know that the console exists.

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;

mod assignments;
mod audit;
mod cache;
mod clients;
mod clusters;
mod edges;
mod extract;
mod fields;
mod generations;
mod groups;
mod join_tokens;
mod logins;
mod origins;
mod play_tokens;
mod problem;
mod purges;
mod routes;
mod rules;
mod sessions;
mod setup;
mod streams;
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
        .merge(fleet())
        .merge(settings())
        .merge(happening())
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::no_such_method)
}

/// The edges and how they come to be.
fn fleet() -> Router<App> {
    Router::new()
        .route("/clusters", get(clusters::list).post(clusters::create))
        .route(
            "/clusters/{id}",
            get(clusters::show)
                .patch(clusters::update)
                .delete(clusters::delete),
        )
        .route("/edges", get(edges::list))
        .route(
            "/edges/{id}",
            get(edges::show).patch(edges::update).delete(edges::delete),
        )
        .route("/edges/{id}/drain", post(edges::drain))
        .route("/edges/{id}/undrain", post(edges::undrain))
        .route("/edges/{id}/retire", post(edges::retire))
        .route("/edges/{id}/questions", post(edges::ask))
        .route(
            "/join-tokens",
            get(join_tokens::list).post(join_tokens::create),
        )
        .route("/join-tokens/{id}", delete(join_tokens::revoke))
}

/// What edges are told.
fn settings() -> Router<App> {
    Router::new()
        .route("/origins", get(origins::list).post(origins::create))
        .route(
            "/origins/{id}",
            get(origins::show)
                .patch(origins::update)
                .delete(origins::delete),
        )
        .route("/routes", get(routes::list).post(routes::create))
        .route(
            "/routes/{id}",
            get(routes::show)
                .patch(routes::update)
                .delete(routes::delete),
        )
        .route("/groups", get(groups::list).post(groups::create))
        .route(
            "/groups/{id}",
            get(groups::show)
                .patch(groups::update)
                .delete(groups::delete),
        )
        .route("/clients", get(clients::list).post(clients::create))
        .route(
            "/clients/{id}",
            get(clients::show)
                .patch(clients::update)
                .delete(clients::delete),
        )
        .route(
            "/clients/{id}/stream-password",
            post(clients::make_stream_password).delete(clients::remove_stream_password),
        )
        .route(
            "/assignments",
            get(assignments::list).post(assignments::create),
        )
        .route("/assignments/reassign", post(assignments::reassign))
        .route("/assignments/impact", post(assignments::impact))
        .route(
            "/assignments/{id}",
            get(assignments::show)
                .patch(assignments::update)
                .delete(assignments::delete),
        )
        .route("/rules", get(rules::list).post(rules::create))
        .route("/rules/try", post(rules::try_out))
        .route(
            "/rules/{id}",
            get(rules::show).patch(rules::update).delete(rules::delete),
        )
        .route("/rules/{id}/move", post(rules::move_before))
        .route("/play-tokens", post(play_tokens::create))
}

/// What is happening, and what can be done about it.
fn happening() -> Router<App> {
    Router::new()
        .route("/sessions", get(sessions::list))
        .route("/sessions/counts", get(sessions::counts))
        .route("/sessions/end", post(sessions::end))
        .route("/sessions/{id}", get(sessions::show))
        .route("/streams", get(streams::list))
        .route("/cache", get(cache::list))
        .route("/cache/history", get(cache::history))
        .route("/purges", post(purges::create))
        .route("/orders", get(purges::list_orders))
}
