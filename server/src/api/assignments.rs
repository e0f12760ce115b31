//! `/assignments`.

use axum::Json;
use axum::extract::State;
use contract::id::AssignmentId;
use http::StatusCode;
use serde::Deserialize;

use super::fields::{Fields, laid_over, required};
use super::{Answer, Body, Id, Known, Parameters};
use crate::app::assignments::{Assignment, Impact, Reassigned, Reassignment, Subject};
use crate::app::{App, Listing, Window, assignments};

/// Lists assignments.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Assignment>>> {
    Ok(Json(assignments::list(&app, &caller, &window).await?))
}

/// One assignment.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
) -> Answer<Json<Assignment>> {
    Ok(Json(assignments::show(&app, &caller, id).await?))
}

/// Makes an assignment of `subject` and `target`; other fields have defaults.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(fields): Body<Fields>,
) -> Answer<(StatusCode, Json<Assignment>)> {
    let blank = assignments::blank(required(&fields, "subject")?, required(&fields, "target")?);
    let wanted = laid_over(&blank, &fields)?;
    Ok((
        StatusCode::CREATED,
        Json(assignments::assign(&app, &caller, wanted).await?),
    ))
}

/// Changes the given fields of an assignment.
pub(super) async fn update(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
    Body(fields): Body<Fields>,
) -> Answer<Json<Assignment>> {
    let edit = |before| laid_over(&before, &fields);
    Ok(Json(assignments::update(&app, &caller, id, edit).await?))
}

/// Removes an assignment.
pub(super) async fn delete(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AssignmentId>,
) -> Answer<StatusCode> {
    assignments::unassign(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes clients belong elsewhere, all in one change.
pub(super) async fn reassign(
    State(app): State<App>,
    Known(caller): Known,
    Body(wanted): Body<Reassignment>,
) -> Answer<Json<Reassigned>> {
    Ok(Json(assignments::reassign(&app, &caller, &wanted).await?))
}

/// Whom a change would be about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    subjects: Vec<Subject>,
}

/// How many live sessions a change for these subjects would touch.
pub(super) async fn impact(
    State(app): State<App>,
    Known(caller): Known,
    Body(asked): Body<Asked>,
) -> Answer<Json<Impact>> {
    Ok(Json(assignments::impact(&app, &caller, &asked.subjects)?))
}
