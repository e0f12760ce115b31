//! Cache figures per edge and route.

use askama::Template;
use contract::counts::CacheCounts;
use contract::id::EdgeId;
use http::StatusCode;

use super::edges::Figure;
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{Mix, bytes, count, share};
use super::visitor::{Answer, Visitor, part, show};
use crate::app::{Permission, cache};

/// A line of the table of cache figures.
#[derive(Debug)]
pub(crate) struct CacheRow {
    pub(crate) route: String,
    pub(crate) edge: String,
    pub(crate) mix: Mix,
    pub(crate) share: Option<String>,
    pub(crate) hits: String,
    pub(crate) joined: String,
    pub(crate) revalidated: String,
    pub(crate) stale: String,
    pub(crate) misses: String,
    pub(crate) bypasses: String,
    pub(crate) sent: String,
    pub(crate) fetched: String,
}

/// Answers that came from the store.
fn stored(counts: &CacheCounts) -> u64 {
    counts.hits + counts.revalidated + counts.stale
}

fn row(route: String, edge: String, counts: &CacheCounts) -> CacheRow {
    CacheRow {
        route,
        edge,
        mix: Mix {
            parts: [
                (stored(counts), "hit"),
                (counts.joined, "joined"),
                (counts.misses + counts.bypasses, "miss"),
            ],
        },
        share: share(stored(counts) + counts.joined, counts.requests()),
        hits: count(counts.hits),
        joined: count(counts.joined),
        revalidated: count(counts.revalidated),
        stale: count(counts.stale),
        misses: count(counts.misses),
        bypasses: count(counts.bypasses),
        sent: bytes(counts.sent_bytes),
        fetched: bytes(counts.fetched_bytes),
    }
}

/// The lines of all edges, or of one, and their sum.
pub(crate) async fn rows(
    visitor: &Visitor,
    names: &Names,
    only: Option<EdgeId>,
) -> Result<(Vec<CacheRow>, CacheCounts), crate::app::Error> {
    let mut sum = CacheCounts::default();
    let mut rows = Vec::new();
    for figures in cache::list(&visitor.app, &visitor.caller).await?.items {
        if only.is_some_and(|only| only != figures.edge) || figures.requests == 0 {
            continue;
        }
        sum.add(&figures.counts);
        rows.push(row(
            names.route(figures.route),
            names.edge(figures.edge),
            &figures.counts,
        ));
    }
    rows.sort_by(|one, other| (&one.route, &one.edge).cmp(&(&other.route, &other.edge)));
    Ok((rows, sum))
}

/// The share of requests that no origin had to answer.
pub(crate) fn share_figure(sum: &CacheCounts) -> Figure {
    let served = stored(sum) + sum.joined;
    let value = share(served, sum.requests());
    Figure {
        name: "Served from cache",
        href: "/cache".to_owned(),
        unit: if value.is_some() { "%" } else { "" },
        value: value.map_or_else(
            || "–".to_owned(),
            |text| text.trim_end_matches(" %").to_owned(),
        ),
        under: format!("{} of {} requests", count(served), count(sum.requests())),
        alarming: false,
    }
}

#[derive(Template)]
#[template(path = "cache/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    may_purge: bool,
    figures: Vec<Figure>,
    caches: Vec<CacheRow>,
    with_edge: bool,
}

/// All figures.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let (caches, sum) = rows(&visitor, &names, None).await?;
    let figure = |name, value: String, under: String| Figure {
        name,
        href: "/cache".to_owned(),
        value,
        unit: "",
        under,
        alarming: false,
    };
    let saved = sum.sent_bytes.saturating_sub(sum.fetched_bytes);
    let figures = vec![
        share_figure(&sum),
        figure(
            "Requests",
            count(sum.requests()),
            format!("{} bypassed the cache", count(sum.bypasses)),
        ),
        figure(
            "Joined a fill",
            count(sum.joined),
            "waited for one fetch together".to_owned(),
        ),
        figure(
            "Sent to clients",
            bytes(sum.sent_bytes),
            format!("{} fetched from origins", bytes(sum.fetched_bytes)),
        ),
        figure(
            "Origins were spared",
            bytes(saved),
            "sent but not fetched".to_owned(),
        ),
    ];
    let page = ListPage {
        frame: visitor.frame(Section::Cache),
        may_purge: visitor.may(Permission::Purge),
        figures,
        caches,
        with_edge: true,
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}
