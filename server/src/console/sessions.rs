//! Sessions: live and refused beside each other, ended ones, one session, and ending them.
//!
//! Invariant: filters live in the page's address; nothing is ended before a page has asked.

mod one;

use askama::Template;
use axum::extract::Query;
use contract::id::SessionId;
use contract::report::SessionState;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::Failure;
use super::form::{Choice, Form};
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{When, bytes, duration, plural};
use super::visitor::{Answer, Visitor, escaped, go, part, show};
use crate::app::sessions::{self, End, Filter, Session};
use crate::app::{Permission, Window};

pub(crate) use one::{ask_end_one, show_one};

/// The most sessions of one panel when several stand beside each other.
const BESIDE: u32 = 25;

/// A session as a line.
#[derive(Debug)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) who: String,
    pub(crate) under: String,
    pub(crate) what: String,
    pub(crate) edge: String,
    pub(crate) bytes: String,
    pub(crate) lasted: String,
    pub(crate) reason: String,
    pub(crate) rule: Option<(String, String)>,
    pub(crate) ended: When,
}

/// A session as a line.
pub(crate) fn row(session: &Session, names: &Names, now_ms: u64) -> SessionRow {
    let record = &session.record;
    let ended_ms = record.ended_ms.unwrap_or(now_ms);
    let agent = record.user_agent.as_deref().unwrap_or_default();
    let (who, under) = match record.client {
        Some(client) => (names.client(client), format!("{} {agent}", record.addr)),
        None => (record.addr.to_string(), agent.to_owned()),
    };
    SessionRow {
        id: record.id,
        who,
        under: under.trim().to_owned(),
        what: what(session),
        edge: match record.through.last() {
            Some(carrier) => format!(
                "{}, through {}",
                names.edge(session.edge),
                names.edge(*carrier)
            ),
            None => names.edge(session.edge),
        },
        bytes: bytes(record.sent_bytes.max(record.received_bytes)),
        lasted: duration(ended_ms.saturating_sub(record.began_ms)),
        reason: record
            .reason
            .map_or("let in", |reason| reason.sentence())
            .to_owned(),
        rule: record
            .rule
            .and_then(|id| Some((format!("/rules#{id}"), names.rule(id)?))),
        ended: When::new(ended_ms, now_ms),
    }
}

/// What a session does: `play live/camera`.
pub(crate) fn what(session: &Session) -> String {
    let record = &session.record;
    let path = match (&record.stream, record.app.is_empty()) {
        (Some(stream), true) => stream.clone(),
        (Some(stream), false) => format!("{}/{stream}", record.app),
        (None, false) => record.app.clone(),
        (None, true) => String::new(),
    };
    let verb = record.action.map_or("connect", |action| action.as_str());
    format!("{verb} {path}").trim_end().to_owned()
}

struct Tab {
    name: &'static str,
    href: String,
    current: bool,
}

struct Panel {
    id: &'static str,
    title: &'static str,
    under: String,
    empty: &'static str,
    is_live: bool,
    sessions: Vec<SessionRow>,
}

#[derive(Template)]
#[template(path = "sessions/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    may_end: bool,
    is_narrowed: bool,
    tabs: Vec<Tab>,
    edges: Vec<Choice>,
    clients: Vec<Choice>,
    form: Form,
    panels: Vec<Panel>,
    kept: Vec<(&'static str, String)>,
    first: String,
    next: Option<String>,
}

/// What the fields of the filter mean.
fn filter_of(form: &mut Form) -> Filter {
    let stream = form.value("stream").trim().to_owned();
    let (app, stream) = match stream.rsplit_once('/') {
        Some((app, stream)) => (Some(app.to_owned()), Some(stream.to_owned())),
        None => (None, Some(stream)),
    };
    Filter {
        edge: form.take_optional("edge"),
        client: form.take_optional("client"),
        app: app.filter(|app| !app.is_empty()),
        stream: stream.filter(|stream| !stream.is_empty()),
        rule: form.take_optional("rule"),
        decision: form.take_optional("decision"),
        addr: form.take_optional("addr"),
        ..Filter::default()
    }
}

/// The same, where a field that cannot be read is refused: passed over, it would narrow nothing.
fn sound_filter_of(form: &mut Form) -> Result<Filter, Failure> {
    let filter = filter_of(form);
    match form.faults().first() {
        Some((field, _, message)) => Err(Failure::malformed(&format!("{field}: {message}"))),
        None => Ok(filter),
    }
}

const KEPT: [&str; 6] = ["edge", "client", "stream", "rule", "decision", "addr"];

fn address(form: &Form, state: &str, after: Option<&str>) -> String {
    let given = KEPT
        .iter()
        .map(|name| (*name, form.value(name)))
        .filter(|(_, value)| !value.is_empty());
    let mut pairs: Vec<String> = given
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    if !state.is_empty() {
        pairs.insert(0, format!("state={state}"));
    }
    pairs.extend(after.map(|after| format!("after={}", escaped(after))));
    if pairs.is_empty() {
        "/sessions".to_owned()
    } else {
        format!("/sessions?{}", pairs.join("&"))
    }
}

async fn found(
    visitor: &Visitor,
    filter: &Filter,
    state: SessionState,
    window: &Window,
) -> Result<crate::app::Listing<Session>, Failure> {
    let filter = Filter {
        state: Some(state),
        ..filter.clone()
    };
    Ok(sessions::list(&visitor.app, &visitor.caller, &filter, window).await?)
}

/// Sessions in one state, or live and refused ones beside each other.
pub(crate) async fn list(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let mut form: Form = pairs.into_iter().collect();
    let filter = sound_filter_of(&mut form)?;
    let state = form.value("state").to_owned();
    let after = Some(form.value("after").to_owned()).filter(|after| !after.is_empty());
    let window = Window {
        after,
        limit: if state.is_empty() { Some(BESIDE) } else { None },
    };
    let wanted: &[SessionState] = match state.as_str() {
        "live" => &[SessionState::Live],
        "refused" => &[SessionState::Refused],
        "ended" => &[SessionState::Ended],
        _ => &[SessionState::Live, SessionState::Refused],
    };
    let mut names = Names::read(&visitor).await?;
    let (mut panels, mut next) = (Vec::new(), None);
    for wanted in wanted {
        let mut listing = found(&visitor, &filter, *wanted, &window).await?;
        if *wanted == SessionState::Live && window.after.is_none() {
            let connecting = found(&visitor, &filter, SessionState::Connecting, &window).await?;
            listing.items.extend(connecting.items);
        }
        names
            .add_clients(
                &visitor,
                listing
                    .items
                    .iter()
                    .filter_map(|session| session.record.client),
            )
            .await?;
        panels.push(panel(
            *wanted,
            &listing.items,
            listing.next.is_some(),
            &names,
            visitor.now_ms(),
        ));
        next = listing
            .next
            .map(|after| address(&form, &state, Some(&after)));
    }
    let page = ListPage {
        frame: visitor.frame(Section::Sessions),
        may_end: visitor.may(Permission::EndSessions),
        is_narrowed: filter != Filter::default(),
        tabs: tabs(&form, &state),
        edges: with_any("Every edge", names.edge_choices()),
        clients: with_any("Every client", names.client_choices()),
        panels,
        kept: KEPT
            .into_iter()
            .map(|name| (name, form.value(name).to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        first: address(&form, &state, None),
        next: next.filter(|_| !state.is_empty()),
        form,
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

fn with_any(any: &str, choices: Vec<Choice>) -> Vec<Choice> {
    std::iter::once(Choice::new("", any))
        .chain(choices)
        .collect()
}

fn tabs(form: &Form, state: &str) -> Vec<Tab> {
    [
        ("", "Live and refused"),
        ("live", "Live"),
        ("refused", "Refused"),
        ("ended", "Ended"),
    ]
    .into_iter()
    .map(|(word, name)| Tab {
        name,
        href: address(form, word, None),
        current: word == state,
    })
    .collect()
}

fn panel(
    state: SessionState,
    sessions: &[Session],
    more: bool,
    names: &Names,
    now_ms: u64,
) -> Panel {
    let (id, title, empty) = match state {
        SessionState::Live | SessionState::Connecting => {
            ("live-sessions", "Live", "No live session")
        }
        SessionState::Refused => ("refused-sessions", "Refused", "Nobody was refused"),
        SessionState::Ended => ("ended-sessions", "Ended", "No session has ended yet"),
    };
    let shown = plural(sessions.len() as u64, "session", "sessions");
    Panel {
        id,
        title,
        under: if more {
            format!("the newest {}", sessions.len())
        } else {
            shown
        },
        empty,
        is_live: id == "live-sessions",
        sessions: sessions
            .iter()
            .map(|session| row(session, names, now_ms))
            .collect(),
    }
}

/// Asks before sessions are ended: those chosen, or all that the filter lets through.
pub(crate) async fn ask_end(
    visitor: Visitor,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer {
    visitor.caller.needs(Permission::EndSessions)?;
    let mut form: Form = pairs.into_iter().collect();
    let by_filter = form.has("which", "filter");
    let chosen = form.all("session").len() as u64;
    let (title, hidden): (String, Vec<(String, String)>) = if by_filter {
        let filter = sound_filter_of(&mut form)?;
        let live = found(&visitor, &filter, SessionState::Live, &Window::whole()).await?;
        let count = plural(live.items.len() as u64, "live session", "live sessions");
        let count = if live.next.is_some() {
            format!("more than {count}")
        } else {
            count
        };
        let kept = KEPT
            .into_iter()
            .map(|name| (name.to_owned(), form.value(name).to_owned()));
        let kept = kept.filter(|(_, value)| !value.is_empty());
        (
            format!("End {count} that fit the filter?"),
            kept.chain([("which".to_owned(), "filter".to_owned())])
                .collect(),
        )
    } else {
        let kept = form
            .all("session")
            .iter()
            .map(|id| ("session".to_owned(), id.clone()))
            .collect();
        (
            format!("End {}?", plural(chosen, "session", "sessions")),
            kept,
        )
    };
    if !by_filter && chosen == 0 {
        return Ok(go("/sessions", "No session was chosen, so none was ended."));
    }
    Ok(Confirm {
        frame: visitor.frame(Section::Sessions),
        title,
        lines: vec!["The edges close them within a second. The clients may connect again: to keep them out, add a rule.".to_owned()],
        button: "End them".to_owned(),
        gentle: false,
        action: "/sessions/end".to_owned(),
        hidden,
        back: address(&form, form.value("state"), None),
        back_name: "Sessions",
        conflict: None,
    }
    .respond())
}

/// Orders the edges to end sessions.
pub(crate) async fn end(visitor: Visitor, mut form: Form) -> Answer {
    let filter = if form.has("which", "filter") {
        Some(sound_filter_of(&mut form)?)
    } else {
        None
    };
    let sessions = form
        .all("session")
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let ending = sessions::end(&visitor.app, &visitor.caller, &End { sessions, filter }).await?;
    Ok(go(
        "/orders",
        format!(
            "{} to end.",
            plural(
                ending.sessions,
                "session was ordered",
                "sessions were ordered"
            )
        ),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
