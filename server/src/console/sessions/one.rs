//! One session: who, what, and why it was let in, refused or ended.

use askama::Template;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::response::Redirect;
use contract::id::SessionId;
use contract::report::{HopTarget, SessionState};
use http::StatusCode;

use crate::app::sessions::{self, Session};
use crate::app::{Error, Permission, assignments};
use crate::console::failure::{Failure, id_in};
use crate::console::names::Names;
use crate::console::page::{Frame, Section};
use crate::console::parts::{State, Tone, When, bytes, exact};
use crate::console::rules::trial_link;
use crate::console::visitor::{Answer, Visitor, part, show};

struct SessionView {
    id: SessionId,
    who: String,
    what: String,
    edge: String,
    edge_id: String,
    is_live: bool,
    state: State,
    reason: String,
    detail: Option<String>,
    client: Option<(String, String)>,
    addr: String,
    through: String,
    user_agent: String,
    ingress: &'static str,
    host: String,
    app: String,
    stream: Option<String>,
    next_hop: Option<String>,
    began: When,
    began_exact: String,
    lasted: String,
    sent: String,
    received: String,
    route: Option<(String, String)>,
    rule: Option<(String, String)>,
    assignment: Option<(String, String)>,
    decision: Option<String>,
    try_href: Option<String>,
}

#[derive(Template)]
#[template(path = "sessions/show.html", blocks = ["live"])]
struct ShowPage {
    frame: Frame,
    may_end: bool,
    session: SessionView,
}

/// One session.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let session = sessions::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let mut names = Names::read(&visitor).await?;
    names.add_clients(&visitor, session.record.client).await?;
    let assignment = governed_by(&visitor, &session, &names).await?;
    let page = ShowPage {
        frame: visitor.frame(Section::Sessions),
        may_end: visitor.may(Permission::EndSessions),
        session: view(&session, &names, assignment, visitor.now_ms()),
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

async fn governed_by(
    visitor: &Visitor,
    session: &Session,
    names: &Names,
) -> Result<Option<(String, String)>, Failure> {
    let Some(id) = session.record.assignment else {
        return Ok(None);
    };
    match assignments::show(&visitor.app, &visitor.caller, id).await {
        Ok(assignment) => {
            let said = format!(
                "{} belongs to {}",
                names.subject(&assignment.subject),
                names.target(&assignment.target)
            );
            Ok(Some((format!("/assignments#{id}"), said)))
        }
        Err(Error::NotFound { .. }) => Ok(Some((
            format!("/audit?subject_id={id}"),
            "one that was ended since".to_owned(),
        ))),
        Err(error) => Err(error.into()),
    }
}

fn state_view(state: SessionState) -> State {
    match state {
        SessionState::Connecting => State::new(Tone::Wait, "Connecting").pill(),
        SessionState::Live => State::new(Tone::Good, "Live").pill(),
        SessionState::Ended => State::new(Tone::Off, "Ended").pill(),
        SessionState::Refused => State::new(Tone::Bad, "Refused").pill(),
    }
}

fn view(
    session: &Session,
    names: &Names,
    assignment: Option<(String, String)>,
    now_ms: u64,
) -> SessionView {
    let record = &session.record;
    let line = super::row(session, names, now_ms);
    let gone = |id: String| {
        (
            format!("/audit?subject_id={id}"),
            "one that was deleted since".to_owned(),
        )
    };
    SessionView {
        id: record.id,
        who: line.who,
        what: line.what,
        edge: names.edge(session.edge),
        edge_id: session.edge.to_string(),
        is_live: matches!(record.state, SessionState::Live | SessionState::Connecting),
        state: state_view(record.state),
        reason: record
            .reason
            .map_or_else(String::new, |reason| reason.sentence().to_owned()),
        detail: record.detail.clone(),
        client: record
            .client
            .map(|id| (format!("/clients/{id}"), names.client(id))),
        addr: record.addr.to_string(),
        through: record
            .through
            .iter()
            .map(|edge| names.edge(*edge))
            .collect::<Vec<_>>()
            .join(", then "),
        user_agent: record.user_agent.clone().unwrap_or_default(),
        ingress: record.ingress.scheme(),
        host: record.host.clone(),
        app: record.app.clone(),
        stream: record.stream.clone(),
        next_hop: record
            .next_hop
            .as_ref()
            .map(|hop: &HopTarget| names.hop(hop)),
        began: When::new(record.began_ms, now_ms),
        began_exact: exact(record.began_ms),
        lasted: line.lasted,
        sent: bytes(record.sent_bytes),
        received: bytes(record.received_bytes),
        route: record
            .route
            .map(|id| (format!("/routes#{id}"), names.route(id))),
        rule: record
            .rule
            .map(|id| line.rule.clone().unwrap_or_else(|| gone(id.to_string()))),
        assignment,
        decision: record.decision.map(|id| id.to_string()),
        try_href: try_href(session),
    }
}

/// The tester with this session's facts.
fn try_href(session: &Session) -> Option<String> {
    let record = &session.record;
    if record.app.is_empty() || record.host.is_empty() {
        return None;
    }
    let stream = record
        .stream
        .as_deref()
        .map_or_else(String::new, |stream| format!("/{stream}"));
    let url = format!(
        "{}://{}/{}{stream}",
        record.ingress.scheme(),
        record.host,
        record.app
    );
    let agent = record.user_agent.as_deref().unwrap_or_default();
    Some(trial_link(
        session.edge,
        &url,
        record.addr,
        record.action,
        record.client,
        agent,
    ))
}

/// Asks before one session is ended.
pub(crate) async fn ask_end_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::EndSessions)?;
    let id: SessionId = id_in(&id)?;
    Ok(Redirect::to(&format!("/sessions/end?which=chosen&session={id}")).into_response())
}
