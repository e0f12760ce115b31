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
mod key_sets;
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
mod webhooks;

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
        .route("/key-sets", get(key_sets::list).post(key_sets::create))
        .route(
            "/key-sets/{id}",
            get(key_sets::show)
                .patch(key_sets::update)
                .delete(key_sets::delete),
        )
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/webhooks/{id}",
            get(webhooks::show)
                .patch(webhooks::update)
                .delete(webhooks::delete),
        )
        .route(
            "/webhooks/{id}/signing-key",
            post(webhooks::make_signing_key),
        )
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use crate::fixture::{Server, Someone};

    /// Who may call an operation: administrators always may.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum By {
        Everyone,
        Operators,
        Administrators,
    }

    async fn call(who: &Someone, method: &str, path: &str, body: &Value) -> u16 {
        let answer = match method {
            "GET" => who.get(path).await,
            "DELETE" => who.delete(path).await,
            "PATCH" => who.patch(path, body.clone()).await,
            "POST" => who.post(path, body.clone()).await,
            other => unreachable!("{other}"),
        };
        answer.status
    }

    #[tokio::test]
    async fn c1_every_operation_by_the_wrong_role_is_refused_and_by_the_right_one_is_not() {
        use By::{Administrators, Everyone, Operators};
        const ZERO: &str = "00000000000000000000000000";
        let one = |noun: &str, prefix: &str| format!("/api/v1/{noun}/{prefix}_{ZERO}");
        let none = Value::Null;
        let trial = json!({"edge": format!("edge_{ZERO}"), "facts": {
            "at_ms": 0, "addr": "192.0.2.1", "ingress": "rtmp", "host": "h", "port": 1935,
            "action": null, "requested": {"app": "live"}}});
        let subject = json!({"kind": "client", "client": format!("client_{ZERO}")});
        let target = json!({"kind": "edge", "edge": format!("edge_{ZERO}")});
        let play_token = json!({"app": "*", "stream": "*", "action": "play", "life_s": 0});
        let history = format!("/api/v1/cache/history?edge=edge_{ZERO}&route=route_{ZERO}");
        let mut operations: Vec<(&str, String, Value, By)> = vec![
            ("GET", "/api/v1/me".into(), none.clone(), Everyone),
            ("GET", "/api/v1/users".into(), none.clone(), Everyone),
            (
                "POST",
                "/api/v1/users".into(),
                json!({"name": "x", "role": "auditor", "password": "short"}),
                Administrators,
            ),
            ("PATCH", one("users", "user"), json!({}), Administrators),
            ("DELETE", one("users", "user"), none.clone(), Administrators),
            (
                "GET",
                format!("{}/logins", one("users", "user")),
                none.clone(),
                Administrators,
            ),
            ("GET", "/api/v1/tokens".into(), none.clone(), Administrators),
            (
                "POST",
                "/api/v1/tokens".into(),
                json!({"name": "x", "role": "auditor", "life_s": 0}),
                Administrators,
            ),
            (
                "DELETE",
                one("tokens", "token"),
                none.clone(),
                Administrators,
            ),
            ("GET", "/api/v1/audit".into(), none.clone(), Everyone),
            ("GET", one("audit", "audit"), none.clone(), Everyone),
            ("GET", "/api/v1/generations".into(), none.clone(), Everyone),
            (
                "POST",
                format!("{}/drain", one("edges", "edge")),
                json!({}),
                Operators,
            ),
            (
                "POST",
                format!("{}/undrain", one("edges", "edge")),
                json!({}),
                Operators,
            ),
            (
                "POST",
                format!("{}/retire", one("edges", "edge")),
                json!({}),
                Administrators,
            ),
            (
                "POST",
                format!("{}/questions", one("edges", "edge")),
                json!({"kind": "reach", "origin": format!("origin_{ZERO}")}),
                Operators,
            ),
            ("GET", "/api/v1/join-tokens".into(), none.clone(), Everyone),
            (
                "POST",
                "/api/v1/join-tokens".into(),
                json!({"cluster": format!("cluster_{ZERO}")}),
                Administrators,
            ),
            (
                "DELETE",
                one("join-tokens", "join"),
                none.clone(),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/clusters".into(),
                json!({"name": "x"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/groups".into(),
                json!({"name": "x"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/clients".into(),
                json!({"name": "a:b"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/origins".into(),
                json!({"name": "x", "address": "rtmp://o"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/key-sets".into(),
                json!({"name": "x", "keys": "x"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/webhooks".into(),
                json!({"name": "x", "url": "http://a/"}),
                Administrators,
            ),
            (
                "POST",
                format!("{}/signing-key", one("webhooks", "webhook")),
                json!({}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/routes".into(),
                json!({"name": "x"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/rules".into(),
                json!({"name": "x"}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/assignments".into(),
                json!({"subject": subject, "target": target}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/assignments/reassign".into(),
                json!({"clients": [], "target": target}),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/assignments/impact".into(),
                json!({"subjects": [subject]}),
                Everyone,
            ),
            ("POST", "/api/v1/rules/try".into(), trial, Everyone),
            (
                "POST",
                format!("{}/move", one("rules", "rule")),
                json!({"before": null}),
                Administrators,
            ),
            (
                "POST",
                format!("{}/stream-password", one("clients", "client")),
                json!({}),
                Administrators,
            ),
            (
                "DELETE",
                format!("{}/stream-password", one("clients", "client")),
                none.clone(),
                Administrators,
            ),
            (
                "POST",
                "/api/v1/play-tokens".into(),
                play_token,
                Administrators,
            ),
            ("GET", "/api/v1/sessions".into(), none.clone(), Everyone),
            (
                "GET",
                "/api/v1/sessions/counts".into(),
                none.clone(),
                Everyone,
            ),
            ("GET", one("sessions", "session"), none.clone(), Everyone),
            ("POST", "/api/v1/sessions/end".into(), json!({}), Operators),
            ("GET", "/api/v1/streams".into(), none.clone(), Everyone),
            ("GET", "/api/v1/cache".into(), none.clone(), Everyone),
            ("GET", history, none.clone(), Everyone),
            (
                "POST",
                "/api/v1/purges".into(),
                json!({"kind": "url", "url": "x"}),
                Operators,
            ),
            ("GET", "/api/v1/orders".into(), none.clone(), Everyone),
        ];
        for (noun, prefix) in [
            ("clusters", "cluster"),
            ("edges", "edge"),
            ("origins", "origin"),
            ("routes", "route"),
            ("groups", "group"),
            ("clients", "client"),
            ("assignments", "assignment"),
            ("rules", "rule"),
            ("key-sets", "keyset"),
            ("webhooks", "webhook"),
        ] {
            operations.push(("GET", format!("/api/v1/{noun}"), none.clone(), Everyone));
            operations.push(("GET", one(noun, prefix), none.clone(), Everyone));
            operations.push((
                "PATCH",
                one(noun, prefix),
                json!({"name": "x"}),
                Administrators,
            ));
            operations.push(("DELETE", one(noun, prefix), none.clone(), Administrators));
        }

        let server = Server::start().await;
        let callers = [
            (
                server.administrator(),
                [Everyone, Operators, Administrators].as_slice(),
            ),
            (server.operator(), [Everyone, Operators].as_slice()),
            (server.auditor(), [Everyone].as_slice()),
        ];
        for (method, path, body, by) in &operations {
            let stranger = call(&server.anonymous(), method, path, body).await;
            assert_eq!(stranger, 401, "{method} {path} by nobody");
            for (who, rights) in &callers {
                let status = call(who, method, path, body).await;
                let shown = format!("{method} {path} by one of {rights:?}: {status}");
                assert_eq!(status == 403, !rights.contains(by), "{shown}");
                // The right ones come through to the verb: what is asked for does not exist.
                assert!(
                    ![400, 401, 405].contains(&status) && status < 500,
                    "{shown}"
                );
            }
        }
    }
}
