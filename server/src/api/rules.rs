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
