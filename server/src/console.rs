//! The console: pages for people. One file a noun: its pages, handlers, forms and tests.
//!
//! In: requests of browsers, with or without a script. Out: whole pages, or the live part of one.
//! Invariant: a page calls only verbs of `app`, so what a role may not do there it may not do here.
//! It does not know how anything is stored, nor what the REST API looks like.

mod assets;
mod audit;
mod confirm;
mod edges;
mod failure;
mod form;
mod logins;
mod page;
mod parts;
mod secret;
mod theme;
mod tokens;
mod users;
mod visitor;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;

/// The pages and their assets.
pub(crate) fn routes(app: &App) -> Router<App> {
    access()
        .fallback(async || failure::Failure::no_page())
        .layer(from_fn_with_state(app.clone(), visitor::seat))
        .route("/static/{hash}/{*path}", get(assets::show))
        .route("/theme", post(theme::choose))
}

/// Who may use the console and the API, and what they did.
fn access() -> Router<App> {
    Router::new()
        .route("/sign-in", get(logins::ask).post(logins::sign_in))
        .route("/sign-out", post(logins::sign_out))
        .route(
            "/setup/{token}",
            get(logins::ask_set_up).post(logins::set_up),
        )
        .route("/logins", get(logins::list))
        .route("/logins/password", post(logins::change_password))
        .route("/logins/{id}/end", post(logins::end))
        .route("/users", get(users::list))
        .route("/users/new", get(users::ask_create).post(users::create))
        .route("/users/{id}", get(users::show_one).post(users::update))
        .route("/users/{id}/password", post(users::set_password))
        .route(
            "/users/{id}/delete",
            get(users::ask_delete).post(users::delete),
        )
        .route("/tokens", get(tokens::list))
        .route("/tokens/new", get(tokens::ask_create).post(tokens::create))
        .route(
            "/tokens/{id}/revoke",
            get(tokens::ask_revoke).post(tokens::revoke),
        )
        .route("/audit", get(audit::list))
        .route("/audit/{id}", get(audit::show_one))
}
