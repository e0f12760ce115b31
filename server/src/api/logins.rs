//! `/logins`, `/users/{id}/logins`, `/me`: signing in, listing and ending logins, who I am.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{AppendHeaders, IntoResponse};
use contract::id::{LoginId, UserId};
use contract::secret::Secret;
use http::StatusCode;
use http::header::{SET_COOKIE, USER_AGENT};
use serde::{Deserialize, Serialize};

use super::{Answer, Body, Id, Known};
use crate::app::logins::Login;
use crate::app::users::Role;
use crate::app::{App, Error, Listing, logins};
use crate::auth;

/// A name and a password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    name: String,
    password: Secret,
}

/// Who the caller is.
#[derive(Debug, Serialize)]
pub(super) struct Me {
    kind: &'static str,
    id: Option<String>,
    name: String,
    role: Role,
}

/// Signs in: the cookie of the answer opens the API and the console.
pub(super) async fn sign_in(State(app): State<App>, request: Request) -> Answer<impl IntoResponse> {
    let (parts, body) = request.into_parts();
    let from = auth::origin_of(&parts);
    let agent = parts
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let Body(wanted) = Body::<SignIn>::from_request(Request::from_parts(parts, body), &app).await?;
    let (secret, login) =
        logins::sign_in(&app, &wanted.name, wanted.password, &agent, from).await?;
    let cookie = AppendHeaders([(SET_COOKIE, auth::login_cookie(&app, &secret))]);
    Ok((StatusCode::CREATED, cookie, Json(login)))
}

/// Who I am.
pub(super) async fn me(Known(caller): Known) -> Json<Me> {
    Json(Me {
        kind: caller.party.kind(),
        id: caller.party.id(),
        name: caller.name,
        role: caller.role,
    })
}

/// Lists the caller's own logins.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<Login>>> {
    let id = caller.user_id().ok_or(Error::NotFound {
        noun: "user behind this token",
    })?;
    let items = logins::list(&app, &caller, id).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Lists a user's logins.
pub(super) async fn list_of_user(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<UserId>,
) -> Answer<Json<Listing<Login>>> {
    let items = logins::list(&app, &caller, id).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Ends a login.
pub(super) async fn end(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<LoginId>,
) -> Answer<StatusCode> {
    logins::end(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::app::attempts;
    use crate::fixture::Server;

    #[tokio::test]
    async fn signs_in_and_out_with_a_cookie() {
        let server = Server::start().await;
        let answer = server
            .anonymous()
            .post(
                "/api/v1/logins",
                json!({"name": "Administrator", "password": Server::PASSWORD}),
            )
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
        let me = server.with_cookie(cookie).get("/api/v1/me").await;
        assert_eq!(me.body["role"], "administrator");

        let id = answer.body["id"].as_str().unwrap();
        let ended = server
            .with_cookie(cookie)
            .delete(&format!("/api/v1/logins/{id}"))
            .await;
        assert_eq!(ended.status, 204);
        assert_eq!(
            server.with_cookie(cookie).get("/api/v1/me").await.status,
            401
        );
    }

    #[tokio::test]
    async fn a_wrong_name_and_a_wrong_password_look_alike() {
        let server = Server::start().await;
        let wrong = async |name: &str| {
            let body = json!({"name": name, "password": "not the password"});
            let answer = server.anonymous().post("/api/v1/logins", body).await;
            (answer.status, answer.body["detail"].clone())
        };
        let known = wrong("administrator").await;
        assert_eq!(known.0, 401);
        assert_eq!(known, wrong("nobody of this name").await);
    }

    #[tokio::test]
    async fn c2_tries_to_sign_in_are_limited_and_the_lock_ends_by_itself() {
        let server = Server::start().await;
        let sign_in = async |password: &str| {
            let body = json!({"name": "administrator", "password": password});
            server.anonymous().post("/api/v1/logins", body).await
        };
        for _ in 0..attempts::BY_NAME {
            assert_eq!(sign_in("not the password").await.status, 401);
        }
        let locked = sign_in(Server::PASSWORD).await;
        assert_eq!(locked.status, 429);
        let wait: u64 = locked.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        server.clock().advance(Duration::from_secs(wait + 1));
        assert_eq!(sign_in(Server::PASSWORD).await.status, 201);
    }

    #[tokio::test]
    async fn a_login_ends_by_itself() {
        let server = Server::start().await;
        let body = json!({"name": "auditor", "password": Server::PASSWORD});
        let answer = server.anonymous().post("/api/v1/logins", body).await;
        let cookie = answer.header("set-cookie").to_owned();
        assert_eq!(
            server.with_cookie(&cookie).get("/api/v1/me").await.status,
            200
        );
        server.clock().advance(crate::app::logins::LIFE);
        assert_eq!(
            server.with_cookie(&cookie).get("/api/v1/me").await.status,
            401
        );
    }

    #[tokio::test]
    async fn only_who_manages_access_sees_and_ends_the_logins_of_others() {
        let server = Server::start().await;
        let body = json!({"name": "auditor", "password": Server::PASSWORD});
        let login = server.anonymous().post("/api/v1/logins", body).await;
        let list = format!(
            "/api/v1/users/{}/logins",
            login.body["user_id"].as_str().unwrap()
        );
        let one = format!("/api/v1/logins/{}", login.body["id"].as_str().unwrap());
        assert_eq!(server.operator().get(&list).await.status, 403);
        assert_eq!(server.operator().delete(&one).await.status, 403);
        let own = server
            .with_cookie(login.header("set-cookie"))
            .get("/api/v1/logins")
            .await;
        assert_eq!(own.body["items"].as_array().unwrap().len(), 1);
        assert_eq!(server.administrator().get(&list).await.body, own.body);
        assert_eq!(server.administrator().delete(&one).await.status, 204);
    }
}
