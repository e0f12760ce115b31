//! `/key-sets`. Keys go in as text: `keys` instead of those that are there, `add_keys` before them.
//! No answer holds one.

use axum::Json;
use axum::extract::State;
use contract::id::KeySetId;
use contract::secret::Secret;
use http::StatusCode;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::key_sets::{KeySetSettings, KeySetSummary, NewKeys};
use crate::app::{App, Error, Listing, Window, key_sets};

/// Lists key sets.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<KeySetSummary>>> {
    Ok(Json(key_sets::list(&app, &caller, &window).await?))
}

/// One key set.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<KeySetId>,
) -> Answer<Json<KeySetSummary>> {
    Ok(Json(key_sets::show(&app, &caller, id).await?))
}

/// Makes a key set of `name` and `keys`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(mut fields): Body<Fields>,
) -> Answer<(StatusCode, Json<KeySetSummary>)> {
    let blank = KeySetSettings::blank(required(&fields, "name")?);
    let keys: Secret = required(&fields, "keys")?;
    fields.remove("keys");
    let wanted = laid_over(&blank, &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(key_sets::create(&app, &caller, wanted, &keys).await?),
    ))
}

/// Changes the given fields of a key set.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<KeySetId>,
    Body(mut fields): Body<Fields>,
) -> Answer<Json<KeySetSummary>> {
    let keys = match (taken(&mut fields, "keys")?, taken(&mut fields, "add_keys")?) {
        (None, None) => NewKeys::Keep,
        (None, Some(keys)) => NewKeys::Add(keys),
        (Some(keys), None) => NewKeys::Replace(keys),
        (Some(_), Some(_)) => {
            return Err(Error::field("add_keys", "give `keys` or `add_keys`, not both").into());
        }
    };
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(key_sets::update(&app, &caller, id, edit, keys).await?))
}

fn taken(fields: &mut Fields, name: &str) -> Result<Option<Secret>, Error> {
    let given = fields.contains_key(name);
    let keys = given.then(|| required(fields, name)).transpose()?;
    fields.remove(name);
    Ok(keys)
}

/// Removes a key set.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<KeySetId>,
) -> Answer<StatusCode> {
    key_sets::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::snapshot::Snapshot;
    use serde_json::json;

    use crate::fixture::{Agent, Server};

    const SECRET: &str = "a shared secret of more than 32 bytes";
    const OTHER: &str = "another shared secret, longer than 32";

    async fn snapshot(agent: &Agent) -> Snapshot {
        let document = agent.catch_up().await.0.snapshot.unwrap();
        serde_json::from_str(document.snapshot.get()).unwrap()
    }

    #[tokio::test]
    async fn keys_reach_the_edges_of_the_cluster_and_are_never_shown() {
        let server = Server::start().await;
        let (north, south) = (server.cluster("north").await, server.cluster("south").await);
        let agent = server.agent(north, "alpha").await;
        let far = server.agent(south, "beta").await;
        let admin = server.administrator();
        let new = json!({"name": "partner", "cluster": north, "audience": "weir", "keys": SECRET});
        let made = admin.post("/api/v1/key-sets", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(
            made.body["keys"],
            json!([{"kid": null, "algorithm": "HS256", "fingerprint": null}])
        );
        let one = format!("/api/v1/key-sets/{}", made.body["id"].as_str().unwrap());
        let held = snapshot(&agent).await.key_sets;
        assert_eq!((held.len(), held[0].keys.len()), (1, 1));
        assert_eq!(held[0].audience.as_deref(), Some("weir"));
        assert_eq!(snapshot(&far).await.key_sets, []);

        // During a rotation both are valid; then the old one goes.
        let added = admin.patch(&one, json!({"add_keys": OTHER})).await;
        assert_eq!(added.body["keys"].as_array().unwrap().len(), 2);
        let both = snapshot(&agent).await.key_sets[0].keys.clone();
        assert_eq!(both[1], held[0].keys[0]);
        let replaced = admin
            .patch(&one, json!({"keys": OTHER, "issuer": "me"}))
            .await;
        assert_eq!(replaced.body["issuer"], "me", "{replaced:?}");
        assert_eq!(snapshot(&agent).await.key_sets[0].keys, both[..1]);

        let encoded = both[0].material.expose().to_owned();
        for shown in [
            admin.get("/api/v1/key-sets").await.text,
            admin.get("/api/v1/audit?noun=key_sets").await.text,
            admin.get(&one).await.text,
            made.text,
        ] {
            for secret in [SECRET, OTHER, encoded.as_str()] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(admin.delete(&one).await.status, 204);
        assert_eq!(snapshot(&agent).await.key_sets, []);
    }

    #[tokio::test]
    async fn what_an_edge_would_refuse_is_refused_with_its_field() {
        let server = Server::start().await;
        let admin = server.administrator();
        for (new, field) in [
            (json!({"name": "x"}), "keys"),
            (json!({"name": "x", "keys": "short"}), "keys"),
            (json!({"name": "x", "keys": "{}"}), "keys"),
            (json!({"keys": SECRET}), "name"),
            (
                json!({"name": "x", "keys": SECRET, "audience": " "}),
                "audience",
            ),
            (json!({"name": "x", "keys": SECRET, "colour": 1}), "colour"),
            (
                json!({"name": "x", "keys": SECRET, "cluster": "cluster_00000000000000000000000000"}),
                "cluster",
            ),
        ] {
            let refused = admin.post("/api/v1/key-sets", new.clone()).await;
            assert_eq!(refused.status, 422, "{new}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
            assert!(!refused.text.contains(SECRET));
        }
    }
}
