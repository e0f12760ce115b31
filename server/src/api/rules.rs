//! `/rules`. A rule in JSON is the contract's own, with `cluster` beside its fields: `null` is
//! every cluster.

use axum::Json;
use axum::extract::State;
use contract::id::RuleId;
use http::StatusCode;
use serde::Deserialize;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known};
use crate::app::rules::{Judgment, Rule, Scoped, Trial};
use crate::app::{App, Listing, rules};

/// Lists rules in the order in which they are read.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<Scoped<Rule>>>> {
    Ok(Json(rules::list(&app, &caller).await?))
}

/// One rule.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RuleId>,
) -> Answer<Json<Scoped<Rule>>> {
    Ok(Json(rules::show(&app, &caller, id).await?))
}

/// Makes a rule of `name`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<Scoped<Rule>>)> {
    let wanted = laid_over(&rules::blank(required(&fields, "name")?), &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(rules::create(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of a rule.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RuleId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<Scoped<Rule>>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(rules::update(&app, &caller, id, edit).await?))
}

/// Removes a rule.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RuleId>,
) -> Answer<StatusCode> {
    rules::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a rule shall stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    /// Right before this one; `null` is last.
    before: Option<RuleId>,
}

/// Moves a rule; answers with all rules in their new order.
pub(super) async fn move_before(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<RuleId>,
    Body(wanted): Body<Move>,
) -> Answer<Json<Listing<Scoped<Rule>>>> {
    Ok(Json(
        rules::move_before(&app, &caller, id, wanted.before).await?,
    ))
}

/// Judges a connection as an edge would; changes nothing.
pub(super) async fn try_out(
    State(app): State<App>,
    Known(caller): Known,
    Body(trial): Body<Trial>,
) -> Answer<Json<Judgment>> {
    Ok(Json(rules::try_out(&app, &caller, trial)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use crate::fixture::Server;

    async fn rule(server: &Server, name: &str, effect: &str, conditions: Value) -> String {
        let new = json!({"name": name, "effect": effect, "conditions": conditions});
        let made = server.administrator().post("/api/v1/rules", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["id"].as_str().unwrap().to_owned()
    }

    fn names(list: &Value) -> Vec<&str> {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|rule| rule["name"].as_str().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn rules_stand_in_the_order_in_which_they_were_put() {
        let server = Server::start().await;
        let first = rule(&server, "first", "allow", json!([])).await;
        rule(&server, "second", "deny", json!([])).await;
        let third = rule(&server, "third", "deny", json!([])).await;
        let admin = server.administrator();
        let moved = admin
            .post(
                &format!("/api/v1/rules/{third}/move"),
                json!({"before": first}),
            )
            .await;
        assert_eq!(names(&moved.body), ["third", "first", "second"]);
        let moved = admin
            .post(
                &format!("/api/v1/rules/{first}/move"),
                json!({"before": null}),
            )
            .await;
        assert_eq!(names(&moved.body), ["third", "second", "first"]);
        assert_eq!(server.auditor().get("/api/v1/rules").await.body, moved.body);
        let changed = admin
            .patch(&format!("/api/v1/rules/{third}"), json!({"enabled": false}))
            .await;
        assert_eq!(changed.body["order"], moved.body["items"][0]["order"]);
    }

    #[tokio::test]
    async fn conditions_are_checked_by_field() {
        let server = Server::start().await;
        let admin = server.administrator();
        let nobody = "client_00000000000000000000000000";
        for (conditions, field) in [
            (
                json!([{"kind": "client", "clients": [nobody]}]),
                "conditions.0.clients",
            ),
            (
                json!([{"kind": "client", "clients": []}]),
                "conditions.0.clients",
            ),
            (json!([{"kind": "weather"}]), "conditions"),
        ] {
            let new = json!({"name": "x", "conditions": conditions});
            let refused = admin.post("/api/v1/rules", new).await;
            assert_eq!(refused.status, 422, "{conditions}");
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_trial_tells_the_deciding_rule_as_the_edge_would() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, route) = server.route("studio").await;
        let trial = json!({"edge": agent.edge, "facts": {
            "at_ms": 0, "addr": "192.0.2.1", "ingress": "rtmp", "host": "edge.example",
            "port": 1935, "action": "play", "requested": {"app": "live", "stream": "cam"}}});
        let judge = async |trial: &Value| {
            let judged = server
                .auditor()
                .post("/api/v1/rules/try", trial.clone())
                .await;
            assert_eq!(judged.status, 200, "{judged:?}");
            judged.body
        };
        let by_default = judge(&trial).await;
        assert_eq!(by_default["verdict"], "refuse");
        assert_eq!(by_default["reason"], "denied_by_default");
        assert_eq!(by_default["route"], json!(route));

        let allowing = rule(
            &server,
            "players",
            "allow",
            json!([{"kind": "action", "actions": ["play"]}]),
        )
        .await;
        let admitted = judge(&trial).await;
        assert_eq!(
            (&admitted["verdict"], &admitted["rule"]),
            (&json!("admit"), &json!(allowing))
        );
        let stages: Vec<_> = admitted["trace"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| &step["stage"])
            .collect();
        assert_eq!(stages[0], "route");

        // A draft is tried without being made.
        let mut draft = trial.clone();
        draft["rules"] = json!([]);
        assert_eq!(judge(&draft).await["verdict"], "refuse");
        assert_eq!(judge(&trial).await["verdict"], "admit");
    }
}
