//! `/webhooks`.

use axum::Json;
use axum::extract::State;
use contract::id::WebhookId;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::webhooks::{MadeSigningKey, WebhookSettings, WebhookSummary};
use crate::app::{App, Listing, Window, webhooks};

/// Lists webhooks.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<WebhookSummary>>> {
    Ok(Json(webhooks::list(&app, &caller, &window).await?))
}

/// One webhook.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<WebhookId>,
) -> Answer<Json<WebhookSummary>> {
    Ok(Json(webhooks::show(&app, &caller, id).await?))
}

/// Makes a webhook of `name` and `url`; other fields have defaults. Its `signing_key` is in this
/// answer only.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<MadeSigningKey>)> {
    let blank = WebhookSettings::blank(required(&fields, "name")?, required(&fields, "url")?);
    let wanted = laid_over(&blank, &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(webhooks::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of a webhook.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<WebhookId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<WebhookSummary>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(webhooks::update(&app, &caller, id, edit).await?))
}

/// Makes another key; it is in this answer only.
pub(super) async fn make_signing_key(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<WebhookId>,
) -> Answer<(StatusCode, Json<MadeSigningKey>)> {
    Ok((
        StatusCode::CREATED,
        Json(webhooks::make_signing_key(&app, &caller, id).await?),
    ))
}

/// Removes a webhook.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<WebhookId>,
) -> Answer<StatusCode> {
    webhooks::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::snapshot::Snapshot;
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_webhook_reaches_the_edges_whose_routes_name_it_and_stays_while_they_do() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let admin = server.administrator();
        let new = json!({"name": "gate", "url": "https://app.example/hook", "silent": "allow"});
        let made = admin.post("/api/v1/webhooks", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.body["events"], json!(["play", "publish"]));
        let key = made.body["signing_key"].as_str().unwrap().to_owned();
        let id = made.body["id"].as_str().unwrap().to_owned();
        let (one, route) = (
            format!("/api/v1/webhooks/{id}"),
            format!("/api/v1/routes/{route}"),
        );
        let named = admin.patch(&route, json!({"webhook": id})).await;
        assert_eq!(named.status, 200, "{named:?}");
        let document = agent.catch_up().await.0.snapshot.unwrap();
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        assert_eq!(snapshot.webhooks.len(), 1);
        assert_eq!(snapshot.webhooks[0].secret.expose(), key);

        assert_eq!(admin.delete(&one).await.status, 409);
        let another = admin.post(&format!("{one}/signing-key"), json!({})).await;
        assert_ne!(another.body["signing_key"], json!(key));
        let changed = admin.patch(&one, json!({"reach": {"private": true}})).await;
        assert_eq!(
            changed.body["reach"],
            json!({"private": true, "loopback": false})
        );
        for shown in [
            changed.text,
            admin.get("/api/v1/webhooks").await.text,
            admin.get("/api/v1/audit?noun=webhooks").await.text,
        ] {
            assert!(!shown.contains("weirhook_"), "{shown}");
        }
        admin.patch(&route, json!({"webhook": null})).await;
        assert_eq!(admin.delete(&one).await.status, 204);
        let refused = admin.patch(&route, json!({"webhook": id})).await;
        assert_eq!(refused.body["faults"][0]["field"], "webhook", "{refused:?}");
    }

    #[tokio::test]
    async fn faults_name_their_fields() {
        let server = Server::start().await;
        let admin = server.administrator();
        for (change, field) in [
            (json!({"url": "nowhere"}), "url"),
            (json!({"url": "ftp://a/"}), "url"),
            (json!({"events": []}), "events"),
            (json!({"timeout_ms": 9_000}), "timeout_ms"),
            (json!({"max_at_once": 0}), "max_at_once"),
            (json!({"silent": "perhaps"}), "silent"),
        ] {
            let mut new = json!({"name": "gate", "url": "https://app.example/"});
            new.as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            let refused = admin.post("/api/v1/webhooks", new.clone()).await;
            assert_eq!(refused.status, 422, "{new}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }
}
