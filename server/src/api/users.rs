//! `/users`.

use axum::Json;
use axum::extract::State;
use contract::id::UserId;
use http::StatusCode;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::users::{NewUser, User, UserChange};
use crate::app::{App, Listing, Window, users};

/// Lists users.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<User>>> {
    Ok(Json(users::list(&app, &caller, &window).await?))
}

/// One user.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<UserId>,
) -> Answer<Json<User>> {
    Ok(Json(users::show(&app, &caller, id).await?))
}

/// Makes a user.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(new): Body<NewUser>,
) -> Answer<(StatusCode, Json<User>)> {
    Ok((
        StatusCode::CREATED,
        Json(users::create(&app, &caller, new).await?),
    ))
}

/// Changes a user.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<UserId>,
    Body(wanted): Body<UserChange>,
) -> Answer<Json<User>> {
    Ok(Json(users::update(&app, &caller, id, wanted).await?))
}

/// Removes a user.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<UserId>,
) -> Answer<StatusCode> {
    users::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn an_administrator_makes_changes_and_removes_a_user() {
        let server = Server::start().await;
        let admin = server.administrator();
        let new = json!({"name": "Grace", "role": "operator", "password": "long enough to do"});
        let made = admin.post("/api/v1/users", new.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert!(!made.text.contains("argon2"), "{made:?}");
        let one = format!("/api/v1/users/{}", made.body["id"].as_str().unwrap());

        let again = admin.post("/api/v1/users", new).await;
        assert_eq!(again.status, 409, "{again:?}");

        let changed = admin.patch(&one, json!({"role": "auditor"})).await;
        assert_eq!(
            (changed.status, &changed.body["role"]),
            (200, &json!("auditor"))
        );
        assert_eq!(admin.get(&one).await.body, changed.body);

        assert_eq!(admin.delete(&one).await.status, 204);
        assert_eq!(admin.get(&one).await.status, 404);

        let audit = admin.get("/api/v1/audit?noun=users").await;
        let verbs: Vec<_> = audit.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["verb"])
            .collect();
        assert_eq!(verbs[..3], ["delete", "update", "create"]);
        let update = &audit.body["items"][1];
        assert_eq!(update["before"]["role"], "operator");
        assert_eq!(update["after"]["role"], "auditor");
    }

    #[tokio::test]
    async fn c1_others_only_read_users() {
        let server = Server::start().await;
        let users = server.administrator().get("/api/v1/users").await;
        let one = format!(
            "/api/v1/users/{}",
            users.body["items"][0]["id"].as_str().unwrap()
        );
        let new = json!({"name": "Eve", "role": "administrator", "password": "long enough to do"});
        for other in [server.operator(), server.auditor()] {
            assert_eq!(other.get("/api/v1/users").await.status, 200);
            assert_eq!(other.post("/api/v1/users", new.clone()).await.status, 403);
            assert_eq!(
                other.patch(&one, json!({"role": "auditor"})).await.status,
                403
            );
            assert_eq!(other.delete(&one).await.status, 403);
        }
        assert_eq!(server.anonymous().get("/api/v1/users").await.status, 401);
        assert_eq!(
            server.administrator().get("/api/v1/users").await.body,
            users.body
        );
    }

    #[tokio::test]
    async fn the_last_administrator_stays() {
        let server = Server::start().await;
        let admin = server.administrator();
        let users = admin.get("/api/v1/users").await;
        let only = users.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|user| user["role"] == "administrator")
            .unwrap();
        let one = format!("/api/v1/users/{}", only["id"].as_str().unwrap());
        assert_eq!(admin.delete(&one).await.status, 409);
        assert_eq!(
            admin.patch(&one, json!({"role": "operator"})).await.status,
            409
        );
    }

    #[tokio::test]
    async fn a_short_password_is_refused_with_its_field() {
        let server = Server::start().await;
        let new = json!({"name": "Grace", "role": "operator", "password": "short"});
        let refused = server.administrator().post("/api/v1/users", new).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.body["faults"][0]["field"], "password");
        assert_eq!(refused.body["request_id"], refused.header("x-request-id"));
    }
}
