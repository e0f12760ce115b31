//! The console: pages for people. One file a noun: its pages, handlers, forms and tests.
//!
//! In: requests of browsers, with or without a script. Out: whole pages, or the live part of one.
//! Invariant: a page calls only verbs of `app`, so what a role may not do there it may not do here.
//! It does not know how anything is stored, nor what the REST API looks like.

mod assets;
mod assignments;
mod audit;
mod cache;
mod clients;
mod clusters;
mod confirm;
mod edges;
mod failure;
mod form;
mod groups;
mod key_sets;
mod limits;
mod logins;
mod named;
mod names;
mod orders;
mod origins;
mod overview;
mod page;
mod parts;
mod play_tokens;
mod prose;
mod purges;
mod routes;
mod rules;
mod secret;
mod sessions;
mod streams;
mod theme;
mod tokens;
mod users;
mod visitor;
mod webhooks;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;

/// The pages and their assets.
pub(crate) fn routes(app: &App) -> Router<App> {
    now()
        .merge(who())
        .merge(fleet())
        .merge(access())
        .fallback(async || failure::Failure::no_page())
        .layer(from_fn_with_state(app.clone(), visitor::seat))
        .route("/static/{hash}/{*path}", get(assets::show))
        .route("/favicon.ico", get(assets::icon))
        .route("/theme", post(theme::choose))
}

/// What is happening.
fn now() -> Router<App> {
    Router::new()
        .route("/", get(overview::show_all))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", get(sessions::ask_end).post(sessions::end))
        .route("/sessions/{id}", get(sessions::show_one))
        .route("/sessions/{id}/end", get(sessions::ask_end_one))
        .route("/streams", get(streams::list))
        .route("/cache", get(cache::list))
        .route("/orders", get(orders::list))
        .route("/purges/new", get(purges::ask_create).post(purges::create))
}

/// Who may come in, and where each belongs.
fn who() -> Router<App> {
    Router::new()
        .route("/clients", get(clients::list))
        .route(
            "/clients/new",
            get(clients::ask_create).post(clients::create),
        )
        .route("/clients/{id}", get(clients::show_one))
        .route(
            "/clients/{id}/edit",
            get(clients::ask_update).post(clients::update),
        )
        .route(
            "/clients/{id}/stream-password",
            get(clients::ask_password).post(clients::make_password),
        )
        .route(
            "/clients/{id}/delete",
            get(clients::ask_delete).post(clients::delete),
        )
        .route(
            "/play-tokens/new",
            get(play_tokens::ask_create).post(play_tokens::create),
        )
        .route("/key-sets", get(key_sets::list))
        .route(
            "/key-sets/new",
            get(key_sets::ask_create).post(key_sets::create),
        )
        .route(
            "/key-sets/{id}",
            get(key_sets::show_one).post(key_sets::update),
        )
        .route(
            "/key-sets/{id}/delete",
            get(key_sets::ask_delete).post(key_sets::delete),
        )
        .route("/webhooks", get(webhooks::list))
        .route(
            "/webhooks/new",
            get(webhooks::ask_create).post(webhooks::create),
        )
        .route(
            "/webhooks/{id}",
            get(webhooks::show_one).post(webhooks::update),
        )
        .route(
            "/webhooks/{id}/signing-key",
            get(webhooks::ask_key).post(webhooks::make_key),
        )
        .route(
            "/webhooks/{id}/delete",
            get(webhooks::ask_delete).post(webhooks::delete),
        )
        .route("/groups", get(groups::list))
        .route("/groups/new", get(groups::ask_create).post(groups::create))
        .route("/groups/{id}", get(groups::show_one).post(groups::update))
        .route(
            "/groups/{id}/delete",
            get(groups::ask_delete).post(groups::delete),
        )
        .route("/assignments", get(assignments::list))
        .route(
            "/assignments/new",
            get(assignments::ask_create).post(assignments::create),
        )
        .route(
            "/assignments/move",
            get(assignments::ask_move).post(assignments::move_all),
        )
        .route(
            "/assignments/{id}",
            get(assignments::show_one).post(assignments::update),
        )
        .route(
            "/assignments/{id}/delete",
            get(assignments::ask_delete).post(assignments::delete),
        )
        .route("/rules", get(rules::list))
        .route("/rules/try", get(rules::try_out))
        .route("/rules/new", get(rules::ask_create).post(rules::create))
        .route("/rules/{id}", get(rules::show_one).post(rules::update))
        .route("/rules/{id}/move", post(rules::move_one))
        .route(
            "/rules/{id}/delete",
            get(rules::ask_delete).post(rules::delete),
        )
}

/// The edges, and where they lead.
fn fleet() -> Router<App> {
    Router::new()
        .route("/edges", get(edges::list))
        .route("/edges/join", get(edges::ask_join).post(edges::join))
        .route("/edges/join/{id}/withdraw", post(edges::withdraw))
        .route("/edges/{id}", get(edges::show_one))
        .route(
            "/edges/{id}/edit",
            get(edges::ask_update).post(edges::update),
        )
        .route(
            "/edges/{id}/drain",
            get(edges::ask_drain).post(edges::drain),
        )
        .route("/edges/{id}/undrain", post(edges::undrain))
        .route(
            "/edges/{id}/retire",
            get(edges::ask_retire).post(edges::retire),
        )
        .route(
            "/edges/{id}/delete",
            get(edges::ask_delete).post(edges::delete),
        )
        .route("/clusters", get(clusters::list))
        .route(
            "/clusters/new",
            get(clusters::ask_create).post(clusters::create),
        )
        .route(
            "/clusters/{id}",
            get(clusters::show_one).post(clusters::update),
        )
        .route(
            "/clusters/{id}/delete",
            get(clusters::ask_delete).post(clusters::delete),
        )
        .route("/origins", get(origins::list))
        .route(
            "/origins/new",
            get(origins::ask_create).post(origins::create),
        )
        .route(
            "/origins/{id}",
            get(origins::show_one).post(origins::update),
        )
        .route(
            "/origins/{id}/delete",
            get(origins::ask_delete).post(origins::delete),
        )
        .route("/routes", get(routes::list))
        .route("/routes/new", get(routes::ask_create).post(routes::create))
        .route("/routes/{id}", get(routes::show_one).post(routes::update))
        .route(
            "/routes/{id}/delete",
            get(routes::ask_delete).post(routes::delete),
        )
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
