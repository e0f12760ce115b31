//! `/clients`.

use axum::Json;
use axum::extract::State;
use contract::id::ClientId;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::clients::{ClientSettings, ClientSummary, MadeStreamPassword};
use crate::app::{App, Listing, Window, clients};

/// Lists clients.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<ClientSummary>>> {
    Ok(Json(clients::list(&app, &caller, &window).await?))
}

/// One client.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<Json<ClientSummary>> {
    Ok(Json(clients::show(&app, &caller, id).await?))
}

/// Registers a client of `name`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<ClientSummary>)> {
    let wanted = laid_over(&ClientSettings::blank(required(&fields, "name")?), &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(clients::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of a client.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<ClientSummary>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(clients::update(&app, &caller, id, edit).await?))
}

/// Removes a client with its assignments.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<StatusCode> {
    clients::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a client a new stream password; it is in this answer only.
pub(super) async fn make_stream_password(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<(StatusCode, Json<MadeStreamPassword>)> {
    Ok((
        StatusCode::CREATED,
        Json(clients::make_stream_password(&app, &caller, id).await?),
    ))
}

/// Takes a client's stream password away.
pub(super) async fn remove_stream_password(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<ClientId>,
) -> Answer<StatusCode> {
    clients::remove_stream_password(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::directory::Directory;
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_stream_password_is_shown_once_and_opens_on_the_edges() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let client = server.client("camera").await;
        let admin = server.administrator();
        let one = format!("/api/v1/clients/{client}");
        let password = format!("{one}/stream-password");
        let first = admin.post(&password, json!({})).await;
        assert_eq!(first.status, 201, "{first:?}");
        let second = admin.post(&password, json!({})).await;

        let mut directory = Directory::default();
        directory
            .apply(agent.catch_up().await.0.directory.unwrap())
            .unwrap();
        let known = directory
            .client(client)
            .unwrap()
            .stream_password
            .clone()
            .unwrap();
        let opens = |made: &crate::fixture::Answer| {
            known.matches("camera", made.body["password"].as_str().unwrap())
        };
        assert!(opens(&second) && !opens(&first));

        let shown = admin.get(&one).await;
        assert_eq!(shown.body["has_stream_password"], true);
        let audit = admin.get("/api/v1/audit?noun=clients").await;
        for answer in [&shown, &audit] {
            assert!(!answer.text.contains(known.digest.expose()), "{answer:?}");
            assert!(!answer.text.contains(&known.salt), "{answer:?}");
        }
        let renamed = admin.patch(&one, json!({"name": "other"})).await;
        assert_eq!(
            (renamed.status, &renamed.body["faults"][0]["field"]),
            (422, &json!("name"))
        );
        assert_eq!(admin.delete(&password).await.status, 204);
        assert_eq!(
            admin.patch(&one, json!({"name": "other"})).await.status,
            200
        );
    }

    #[tokio::test]
    async fn a_client_goes_with_its_assignments_unless_a_rule_names_it() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let client = server.client("camera").await;
        let admin = server.administrator();
        let new = json!({
            "subject": {"kind": "client", "client": client},
            "target": {"kind": "cluster", "cluster": cluster}
        });
        assert_eq!(admin.post("/api/v1/assignments", new).await.status, 201);
        let conditions = json!([{"kind": "client", "clients": [client]}]);
        let rule = admin
            .post(
                "/api/v1/rules",
                json!({"name": "x", "conditions": conditions}),
            )
            .await;
        let one = format!("/api/v1/clients/{client}");
        assert_eq!(admin.delete(&one).await.status, 409);
        let rule = format!("/api/v1/rules/{}", rule.body["id"].as_str().unwrap());
        assert_eq!(admin.delete(&rule).await.status, 204);
        assert_eq!(admin.delete(&one).await.status, 204);
        assert_eq!(
            admin.get("/api/v1/assignments").await.body["items"],
            json!([])
        );
    }

    #[tokio::test]
    async fn faults_name_their_fields() {
        let server = Server::start().await;
        for (new, field) in [
            (json!({"name": "a/b"}), "name"),
            (json!({"name": ""}), "name"),
            (
                json!({"name": "x", "networks": ["10.0.0.0/40"]}),
                "networks",
            ),
            (
                json!({"name": "x", "groups": ["group_00000000000000000000000000"]}),
                "groups",
            ),
        ] {
            let refused = server
                .administrator()
                .post("/api/v1/clients", new.clone())
                .await;
            assert_eq!(refused.status, 422, "{new}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }
}
