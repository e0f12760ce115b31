//! Edges: the list, one edge, joining, changing, draining, retiring.
//!
//! Invariant: what an edge serves is said in four facts (received, validated, applied, serving), never as one.

mod verbs;

use askama::Template;
use axum::extract::Path;
use contract::report::{SettingsState, Stamp};
use contract::snapshot::EdgeState;
use http::StatusCode;

use super::cache::{self, CacheRow, share_figure};
use super::failure::id_in;
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{
    NAMES_OF_STEPS, State, Steps, Tone, When, bit_rate, bytes, count, split_bit_rate,
};
use super::streams::{self, StreamRow, to_viewers};
use super::visitor::{Answer, Visitor, part, show};
use crate::app::edges::{self, EdgeStatus};
use crate::app::streams::{Filter, Stream};
use crate::app::{Permission, Window, generations, join_tokens};

pub(crate) use verbs::{
    ask_delete, ask_drain, ask_join, ask_retire, ask_update, delete, drain, join, retire, undrain,
    update, withdraw,
};

/// One large number that leads to its list.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) value: String,
    pub(crate) unit: &'static str,
    pub(crate) under: String,
    pub(crate) alarming: bool,
}

/// A line of the table of edges.
#[derive(Debug)]
pub(crate) struct EdgeRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) addresses: String,
    pub(crate) state: State,
    pub(crate) cluster: String,
    pub(crate) steps: Option<Steps>,
    pub(crate) sessions: String,
    pub(crate) streams: String,
    pub(crate) rate: String,
    pub(crate) heard: Option<When>,
}

/// A state as a shape and a word.
pub(crate) fn state_view(state: EdgeState) -> State {
    match state {
        EdgeState::Pending => State::new(Tone::Wait, "Pending"),
        EdgeState::Active => State::new(Tone::Good, "Active"),
        EdgeState::Draining => State::new(Tone::Warn, "Draining"),
        EdgeState::Lost => State::new(Tone::Bad, "Lost"),
        EdgeState::Retired => State::new(Tone::Off, "Retired"),
    }
}

fn state_words(state: EdgeState) -> &'static str {
    match state {
        EdgeState::Pending => "It has joined and not reported yet.",
        EdgeState::Active => "It takes clients.",
        EdgeState::Draining => "It takes no new sessions; present ones go on.",
        EdgeState::Lost => {
            "It has not reported for a while. It goes on serving by its last settings if it runs."
        }
        EdgeState::Retired => "It was taken out for good.",
    }
}

/// The four facts in their order.
fn facts(settings: &SettingsState) -> [Option<&Stamp>; 4] {
    [
        settings.received.as_ref(),
        settings.validated.as_ref(),
        settings.applied.as_ref(),
        settings.serving.as_ref(),
    ]
}

/// How far the wanted snapshot has come on an edge.
pub(crate) fn steps(status: &EdgeStatus) -> Option<Steps> {
    let wanted = status.wanted.as_ref()?;
    let Some(report) = &status.report else {
        return Some(Steps::some(wanted.generation, 0, false));
    };
    let is_wanted = |stamp: &Option<&Stamp>| stamp.is_some_and(|stamp| stamp.hash == wanted.hash);
    let reached = facts(&report.settings)
        .iter()
        .take_while(|stamp| is_wanted(stamp))
        .count();
    if reached == NAMES_OF_STEPS.len() {
        return Some(Steps::all(wanted.generation));
    }
    Some(Steps::some(
        wanted.generation,
        reached,
        !report.settings.faults.is_empty(),
    ))
}

fn addresses(status: &EdgeStatus) -> Vec<String> {
    let neighbor = status.edge.neighbor();
    let rtmp = neighbor.rtmp.map(|at| format!("rtmp://{at}"));
    let rtmps = neighbor.rtmps.map(|at| format!("rtmps://{at}"));
    let http = neighbor.http.map(|at| format!("http://{at}"));
    rtmp.into_iter().chain(rtmps).chain(http).collect()
}

/// An edge as a line.
pub(crate) fn row(status: &EdgeStatus, names: &Names, streams: &[Stream], now_ms: u64) -> EdgeRow {
    let report = status.report.as_ref();
    let here = streams
        .iter()
        .filter(|stream| stream.edge == status.edge.id);
    EdgeRow {
        id: status.edge.id.to_string(),
        name: status.edge.name.to_string(),
        addresses: addresses(status).join("  "),
        state: state_view(status.edge.state),
        cluster: names.cluster(status.edge.cluster),
        steps: steps(status),
        sessions: count(report.map_or(0, |report| report.sessions)),
        streams: count(report.map_or(0, |report| report.streams)),
        rate: bit_rate(to_viewers(here) / 8),
        heard: report.map(|report| When::new(report.reported_ms, now_ms)),
    }
}

struct JoinTokenRow {
    id: String,
    name: Option<String>,
    cluster: String,
    created: When,
    expires: When,
}

#[derive(Template)]
#[template(path = "edges/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    may_change: bool,
    edges: Vec<EdgeRow>,
    join_tokens: Vec<JoinTokenRow>,
}

/// All edges, and tokens that wait for one.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let now_ms = visitor.now_ms();
    let streams = crate::app::streams::list(
        &visitor.app,
        &visitor.caller,
        &Filter::default(),
        &Window::whole(),
    )?
    .items;
    let found = edges::list(&visitor.app, &visitor.caller).await?.items;
    let tokens = join_tokens::list(&visitor.app, &visitor.caller)
        .await?
        .items;
    let page = ListPage {
        frame: visitor.frame(Section::Edges),
        may_change: visitor.may(Permission::MakeSecrets),
        edges: found
            .iter()
            .map(|status| row(status, &names, &streams, now_ms))
            .collect(),
        join_tokens: tokens
            .into_iter()
            .map(|token| JoinTokenRow {
                id: token.id.to_string(),
                name: token.name.map(|name| name.to_string()),
                cluster: names.cluster(token.cluster),
                created: When::new(token.created_ms, now_ms),
                expires: When::new(token.expires_ms, now_ms),
            })
            .collect(),
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

struct LadderStep {
    name: &'static str,
    class: &'static str,
    generation: Option<u64>,
    note: String,
}

struct OriginView {
    name: String,
    state: State,
    since: When,
}

struct EdgeView {
    id: String,
    name: String,
    state: State,
    state_words: &'static str,
    is_retired: bool,
    can_drain: bool,
    can_undrain: bool,
    cluster: String,
    addresses: Vec<String>,
    heard: Option<When>,
    version: String,
    created: When,
}

#[derive(Template)]
#[template(path = "edges/show.html", blocks = ["live"])]
struct ShowPage {
    frame: Frame,
    may_change: bool,
    may_drain: bool,
    edge: EdgeView,
    published: u64,
    ladder: Vec<LadderStep>,
    faults: Vec<String>,
    /// What is wrong on its own machine.
    troubles: Vec<String>,
    figures: Vec<Figure>,
    streams: Vec<StreamRow>,
    origins: Vec<OriginView>,
    caches: Vec<CacheRow>,
    with_edge: bool,
}

/// One edge.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let status = edges::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let names = Names::read(&visitor).await?;
    let now_ms = visitor.now_ms();
    let filter = Filter {
        edge: Some(status.edge.id),
        ..Filter::default()
    };
    let here =
        crate::app::streams::list(&visitor.app, &visitor.caller, &filter, &Window::whole())?.items;
    let newest = generations::list(
        &visitor.app,
        &visitor.caller,
        &Window {
            after: None,
            limit: Some(1),
        },
    )
    .await?;
    let (caches, sum) = cache::rows(&visitor, &names, Some(status.edge.id)).await?;
    let mut figures = figures(&status, &here);
    if sum.requests() > 0 {
        figures.push(share_figure(&sum));
    }
    let page = ShowPage {
        frame: visitor.frame(Section::Edges),
        may_change: visitor.may(Permission::ChangeSettings),
        may_drain: visitor.may(Permission::DrainEdges),
        published: newest
            .items
            .first()
            .map_or(0, |generation| generation.number),
        ladder: ladder(&status),
        faults: status
            .report
            .iter()
            .flat_map(|report| report.settings.faults.iter().map(ToString::to_string))
            .collect(),
        troubles: status
            .report
            .iter()
            .flat_map(|report| report.faults.iter().map(ToString::to_string))
            .collect(),
        figures,
        streams: here
            .iter()
            .map(|stream| streams::row(stream, &names, now_ms))
            .collect(),
        origins: origins(&status, &names, now_ms),
        caches,
        with_edge: false,
        edge: view(&status, &names, now_ms),
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

fn view(status: &EdgeStatus, names: &Names, now_ms: u64) -> EdgeView {
    let edge = &status.edge;
    EdgeView {
        id: edge.id.to_string(),
        name: edge.name.to_string(),
        state: state_view(edge.state).pill(),
        state_words: state_words(edge.state),
        is_retired: edge.marks.retired,
        can_drain: !edge.marks.retired && !edge.marks.draining,
        can_undrain: !edge.marks.retired && edge.marks.draining,
        cluster: names.cluster(edge.cluster),
        addresses: addresses(status),
        heard: status
            .report
            .as_ref()
            .map(|report| When::new(report.reported_ms, now_ms)),
        version: edge.version.clone(),
        created: When::new(edge.created_ms, now_ms),
    }
}

fn ladder(status: &EdgeStatus) -> Vec<LadderStep> {
    let empty = SettingsState::default();
    let settings = status
        .report
        .as_ref()
        .map_or(&empty, |report| &report.settings);
    let wanted = status.wanted.as_ref();
    let said = facts(settings);
    let reached = said
        .iter()
        .take_while(|stamp| stamp.map(|stamp| &stamp.hash) == wanted.map(|wanted| &wanted.hash))
        .count();
    NAMES_OF_STEPS
        .into_iter()
        .zip(said)
        .enumerate()
        .map(|(place, (name, stamp))| {
            let is_on = place < reached && stamp.is_some();
            let failed = place == reached && !settings.faults.is_empty();
            LadderStep {
                name,
                class: match (is_on, failed) {
                    (true, _) => "on",
                    (false, true) => "failed",
                    (false, false) => "",
                },
                generation: stamp.map(|stamp| stamp.generation),
                note: match (is_on, failed, wanted) {
                    (true, _, _) => "as published for this edge".to_owned(),
                    (false, true, _) => "refused; what serves goes on".to_owned(),
                    (false, false, Some(wanted)) => format!("waiting for {}", wanted.generation),
                    (false, false, None) => String::new(),
                },
            }
        })
        .collect()
}

fn figures(status: &EdgeStatus, here: &[Stream]) -> Vec<Figure> {
    let Some(report) = &status.report else {
        return Vec::new();
    };
    let id = status.edge.id;
    let refused: u64 = report.totals.sessions_refused.values().sum();
    let viewers: u64 = here.iter().map(|stream| stream.state.viewers).sum();
    let figure = |name, href: String, value: String, under: String| Figure {
        name,
        href,
        value,
        unit: "",
        under,
        alarming: false,
    };
    let (rate, rate_unit) = split_bit_rate(to_viewers(here) / 8);
    let behind = status.wanted_directory.saturating_sub(report.directory);
    vec![
        figure(
            "Sessions",
            format!("/sessions?state=live&edge={id}"),
            count(report.sessions),
            format!("{} let in so far", count(report.totals.sessions_admitted)),
        ),
        figure(
            "Streams",
            "/streams".to_owned(),
            count(report.streams),
            format!("{} viewers", count(viewers)),
        ),
        Figure {
            unit: rate_unit,
            ..figure(
                "To viewers, RTMP",
                "/streams".to_owned(),
                rate,
                format!("{} sent so far", bytes(report.totals.sent_bytes)),
            )
        },
        figure(
            "Refused",
            format!("/sessions?state=refused&edge={id}"),
            count(refused),
            "since it was first started".to_owned(),
        ),
        figure(
            "Directory",
            "/clients".to_owned(),
            report.directory.to_string(),
            if behind == 0 {
                "clients and assignments as published".to_owned()
            } else {
                format!("waiting for generation {}", status.wanted_directory)
            },
        ),
    ]
}

fn origins(status: &EdgeStatus, names: &Names, now_ms: u64) -> Vec<OriginView> {
    let said = status
        .report
        .iter()
        .flat_map(|report| report.origins.iter());
    said.map(|(id, reach)| OriginView {
        name: names.origin(*id),
        state: if reach.reachable {
            State::new(Tone::Good, "Reached")
        } else {
            State::new(Tone::Bad, "Not reached")
        },
        since: When::new(reach.since_ms, now_ms),
    })
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
