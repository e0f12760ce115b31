//! The overview: what the whole system is doing now, and what needs a person.

use askama::Template;
use contract::report::SessionState;
use contract::snapshot::EdgeState;
use http::StatusCode;

use super::audit::{self, EntryRow};
use super::cache::{self, share_figure};
use super::edges::{self, EdgeRow, Figure};
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{bit_rate, count, plural, split_bit_rate};
use super::sessions::{self, SessionRow};
use super::streams::{self, StreamRow, to_viewers};
use super::visitor::{Answer, Visitor, part, show};
use crate::app::edges::EdgeStatus;
use crate::app::sessions::{Counts, Filter};
use crate::app::streams::Stream;
use crate::app::{Permission, Window};

/// The most lines of each list; chosen, because the overview must fit a screen or two.
const LINES: u32 = 6;

/// Something that a person should look at.
struct Concern {
    text: String,
    href: String,
    link: &'static str,
}

#[derive(Template)]
#[template(path = "overview/show.html", blocks = ["live"])]
struct Page {
    frame: Frame,
    may_change: bool,
    figures: Vec<Figure>,
    concerns: Vec<Concern>,
    next_steps: Vec<Step>,
    edges: Vec<EdgeRow>,
    streams: Vec<StreamRow>,
    refusals: Vec<SessionRow>,
    changes: Vec<EntryRow>,
}

/// A step of setting a server up.
struct Step {
    text: &'static str,
    href: &'static str,
    done: bool,
}

/// The overview.
pub(crate) async fn show_all(visitor: Visitor) -> Answer {
    let (app, caller, now_ms) = (&visitor.app, &visitor.caller, visitor.now_ms());
    let mut names = Names::read(&visitor).await?;
    let statuses = crate::app::edges::list(app, caller).await?.items;
    let streams = crate::app::streams::list(
        app,
        caller,
        &crate::app::streams::Filter::default(),
        &Window::whole(),
    )?
    .items;
    let counts = crate::app::sessions::counts(app, caller).await?;
    let few = Window {
        after: None,
        limit: Some(LINES),
    };
    let refused = Filter {
        state: Some(SessionState::Refused),
        ..Filter::default()
    };
    let refused = crate::app::sessions::list(app, caller, &refused, &few)
        .await?
        .items;
    let entries = crate::app::audit::list(app, caller, &crate::app::audit::Filter::default(), &few)
        .await?
        .items;
    names
        .add_clients(
            &visitor,
            refused.iter().filter_map(|session| session.record.client),
        )
        .await?;
    let (_, sum) = cache::rows(&visitor, &names, None).await?;
    let present: Vec<&EdgeStatus> = statuses
        .iter()
        .filter(|status| status.edge.state != EdgeState::Retired)
        .collect();
    let mut figures = figures(&present, &streams, counts);
    if sum.requests() > 0 {
        figures.insert(4, share_figure(&sum));
    }
    let page = Page {
        frame: visitor.frame(Section::Overview),
        may_change: visitor.may(Permission::ChangeSettings),
        figures,
        concerns: present
            .iter()
            .filter_map(|status| concern(status))
            .collect(),
        next_steps: next_steps(&visitor, &names).await?,
        edges: present
            .iter()
            .map(|status| edges::row(status, &names, &streams, now_ms))
            .collect(),
        streams: busiest(&streams)
            .into_iter()
            .map(|stream| streams::row(stream, &names, now_ms))
            .collect(),
        refusals: refused
            .iter()
            .map(|session| sessions::row(session, &names, now_ms))
            .collect(),
        changes: entries
            .iter()
            .map(|entry| audit::row(entry, now_ms))
            .collect(),
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

fn busiest(streams: &[Stream]) -> Vec<&Stream> {
    let mut streams: Vec<&Stream> = streams.iter().collect();
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.state.viewers));
    streams.truncate(LINES as usize);
    streams
}

fn figures(edges: &[&EdgeStatus], streams: &[Stream], counts: Counts) -> Vec<Figure> {
    let in_state = |state: EdgeState| {
        edges
            .iter()
            .filter(|status| status.edge.state == state)
            .count()
    };
    let others: Vec<String> = [
        (EdgeState::Draining, "draining"),
        (EdgeState::Lost, "lost"),
        (EdgeState::Pending, "pending"),
    ]
    .into_iter()
    .map(|(state, word)| (in_state(state), word))
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    let publishers = streams
        .iter()
        .filter(|stream| stream.state.publisher.is_some())
        .count() as u64;
    let viewers: u64 = streams.iter().map(|stream| stream.state.viewers).sum();
    let from_origins: u64 = streams
        .iter()
        .filter(|stream| stream.state.publisher.is_none())
        .map(|stream| stream.state.bits_per_second)
        .sum();
    let (value, unit) = split_bit_rate(to_viewers(streams) / 8);
    let figure = |name, href: &str, value: String, under: String| Figure {
        name,
        href: href.to_owned(),
        value,
        unit: "",
        under,
        alarming: false,
    };
    vec![
        Figure {
            alarming: in_state(EdgeState::Lost) > 0,
            ..figure(
                "Edges serving",
                "/edges",
                format!("{}/{}", in_state(EdgeState::Active), edges.len()),
                if others.is_empty() {
                    "all active".to_owned()
                } else {
                    others.join(", ")
                },
            )
        },
        figure(
            "Live sessions",
            "/sessions?state=live",
            count(counts.live),
            format!(
                "{}, {}",
                plural(viewers, "viewer", "viewers"),
                plural(publishers, "publisher", "publishers")
            ),
        ),
        figure(
            "Streams",
            "/streams",
            count(streams.len() as u64),
            plural(publishers, "published here", "published here"),
        ),
        Figure {
            unit,
            ..figure(
                "To viewers, RTMP",
                "/streams",
                value,
                format!("{} from origins", bit_rate(from_origins / 8)),
            )
        },
        figure(
            "Refused, 5 minutes",
            "/sessions?state=refused",
            count(counts.recently_refused),
            if counts.recently_refused == 0 {
                "nobody".to_owned()
            } else {
                "each with its reason".to_owned()
            },
        ),
    ]
}

fn concern(status: &EdgeStatus) -> Option<Concern> {
    let (name, href) = (&status.edge.name, format!("/edges/{}", status.edge.id));
    let said = |text: String| {
        Some(Concern {
            text,
            href: href.clone(),
            link: "Look at the edge",
        })
    };
    if status.edge.state == EdgeState::Lost {
        return said(format!("Edge {name} has not reported for a while."));
    }
    let report = status.report.as_ref()?;
    if let Some(fault) = report.settings.faults.first() {
        return said(format!(
            "Edge {name} refused its newest settings and goes on with the last good ones: {fault}."
        ));
    }
    // laws.md 2.9: rules with time windows need clocks that agree.
    if report.clock_ahead_ms.abs() > 2_000 {
        return said(format!(
            "The clock of edge {name} differs from the server’s by {} s.",
            report.clock_ahead_ms / 1_000
        ));
    }
    let lost: Vec<_> = report
        .origins
        .values()
        .filter(|origin| !origin.reachable)
        .collect();
    if !lost.is_empty() {
        return said(format!(
            "Edge {name} cannot reach {}.",
            plural(lost.len() as u64, "origin", "origins")
        ));
    }
    None
}

/// What is still to be done on a new server; nothing once it serves.
async fn next_steps(visitor: &Visitor, names: &Names) -> Result<Vec<Step>, crate::app::Error> {
    let (app, caller, one) = (
        &visitor.app,
        &visitor.caller,
        Window {
            after: None,
            limit: Some(1),
        },
    );
    let steps = vec![
        Step {
            text: "Make a cluster",
            href: "/clusters/new",
            done: !names.cluster_choices().is_empty(),
        },
        Step {
            text: "Let an edge join it",
            href: "/edges/join",
            done: !names.edges.is_empty(),
        },
        Step {
            text: "Add an origin",
            href: "/origins/new",
            done: !crate::app::origins::list(app, caller, &one)
                .await?
                .items
                .is_empty(),
        },
        Step {
            text: "Add a route that leads to it",
            href: "/routes/new",
            done: !crate::app::routes::list(app, caller)
                .await?
                .items
                .is_empty(),
        },
        Step {
            text: "Say by a rule who may come in",
            href: "/rules/new",
            done: !crate::app::rules::list(app, caller).await?.items.is_empty(),
        },
    ];
    Ok(if steps.iter().all(|step| step.done) {
        Vec::new()
    } else {
        steps
    })
}
