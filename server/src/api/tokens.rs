//! `/tokens`: API tokens.

use axum::Json;
use axum::extract::State;
use contract::id::ApiTokenId;
use http::StatusCode;

use super::{Answer, Body, Id, Known, Parameters};
use crate::app::tokens::{ApiToken, MadeApiToken, NewApiToken};
use crate::app::{App, Listing, Window, tokens};

/// Lists API tokens.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<ApiToken>>> {
    Ok(Json(tokens::list(&app, &caller, &window).await?))
}

/// Makes an API token; its secret is in this answer only.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(new): Body<NewApiToken>,
) -> Answer<(StatusCode, Json<MadeApiToken>)> {
    Ok((
        StatusCode::CREATED,
        Json(tokens::create(&app, &caller, new).await?),
    ))
}

/// Revokes an API token.
pub(super) async fn revoke(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ApiTokenId>,
) -> Answer<StatusCode> {
    tokens::revoke(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_token_opens_what_its_role_may_until_it_is_revoked() {
        let server = Server::start().await;
        let admin = server.administrator();
        let made = admin
            .post("/api/v1/tokens", json!({"name": "ci", "role": "auditor"}))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        let secret = made.body["secret"].as_str().unwrap();
        assert!(secret.starts_with("weir_"));
        let me = server.with_token(secret).get("/api/v1/me").await;
        assert_eq!(
            (&me.body["kind"], &me.body["role"]),
            (&json!("token"), &json!("auditor"))
        );
        let refused = server.with_token(secret).get("/api/v1/tokens").await;
        assert_eq!(refused.status, 403);

        let list = admin.get("/api/v1/tokens").await;
        assert!(!list.text.contains(secret));
        let one = format!("/api/v1/tokens/{}", made.body["id"].as_str().unwrap());
        assert_eq!(admin.delete(&one).await.status, 204);
        assert_eq!(
            server.with_token(secret).get("/api/v1/me").await.status,
            401
        );
    }

    #[tokio::test]
    async fn a_token_ends_by_itself() {
        let server = Server::start().await;
        let new = json!({"name": "short", "role": "operator", "life_s": 60});
        let made = server.administrator().post("/api/v1/tokens", new).await;
        let secret = made.body["secret"].as_str().unwrap();
        assert_eq!(
            server.with_token(secret).get("/api/v1/me").await.status,
            200
        );
        server.clock().advance(Duration::from_secs(61));
        assert_eq!(
            server.with_token(secret).get("/api/v1/me").await.status,
            401
        );
    }

    #[tokio::test]
    async fn c1_only_an_administrator_manages_tokens() {
        let server = Server::start().await;
        for other in [server.operator(), server.auditor()] {
            let new = json!({"name": "mine", "role": "administrator"});
            assert_eq!(other.post("/api/v1/tokens", new).await.status, 403);
            assert_eq!(other.get("/api/v1/tokens").await.status, 403);
        }
    }
}
