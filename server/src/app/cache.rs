//! Verbs on cache figures: list per edge and route; history of one.
//!
//! Edges count cumulatively since they were first started, so that no lost or repeated report
//! changes a sum. Of an edge that does not report now, the last figures kept are shown.

use std::collections::BTreeMap;

use contract::counts::{CacheCounts, Totals};
use contract::id::{EdgeId, RouteId};
use serde::Serialize;

use super::{App, Caller, Error, Listing, Permission};

/// The longest history that is read at once: a week of five-minute spans.
const MOST_SPANS: u32 = 7 * 288;

/// What one edge counted of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CacheFigures {
    /// The edge.
    pub edge: EdgeId,
    /// The route.
    pub route: RouteId,
    /// All answers.
    pub requests: u64,
    /// The counts, cumulative.
    #[serde(flatten)]
    pub counts: CacheCounts,
}

/// What was counted within one span of five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// When it begins, in Unix milliseconds.
    pub from_ms: u64,
    /// The counts within it.
    pub counts: CacheCounts,
}

/// Lists the figures of every edge and route.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller) -> Result<Listing<CacheFigures>, Error> {
    let items = totals(app, caller)
        .await?
        .into_iter()
        .flat_map(|(edge, totals)| {
            totals
                .cache
                .into_iter()
                .map(move |(route, counts)| CacheFigures {
                    edge,
                    route,
                    requests: counts.requests(),
                    counts,
                })
        })
        .collect();
    Ok(Listing { items, next: None })
}

/// The totals of every edge, by edge: of those that report now, and the last kept of the others.
///
/// # Errors
/// [`Error::Denied`].
pub async fn totals(app: &App, caller: &Caller) -> Result<BTreeMap<EdgeId, Totals>, Error> {
    caller.needs(Permission::Read)?;
    let mut totals: BTreeMap<EdgeId, Totals> =
        app.statistics().totals().await?.into_iter().collect();
    totals.extend(app.live().totals());
    Ok(totals)
}

/// What one edge counted of one route from a time on, by spans of five minutes. The first span has
/// nothing before it to be compared with, so it only serves as that.
///
/// # Errors
/// [`Error::Denied`].
pub async fn history(
    app: &App,
    caller: &Caller,
    edge: EdgeId,
    route: RouteId,
    since_ms: u64,
) -> Result<Listing<Span>, Error> {
    caller.needs(Permission::Read)?;
    let rows = app
        .statistics()
        .cache_figures(edge, route, since_ms, MOST_SPANS)
        .await?;
    let items = rows
        .windows(2)
        .filter_map(|pair| match pair {
            [(_, before), (from_ms, after)] => Some(Span {
                from_ms: *from_ms,
                counts: difference(after, before),
            }),
            _ => None,
        })
        .collect();
    Ok(Listing { items, next: None })
}

/// What was counted between two readings. An edge that lost its disk begins from 0: then all that
/// it has counted since is what was counted.
fn difference(after: &CacheCounts, before: &CacheCounts) -> CacheCounts {
    if after.requests() < before.requests() {
        return *after;
    }
    CacheCounts {
        hits: after.hits.saturating_sub(before.hits),
        revalidated: after.revalidated.saturating_sub(before.revalidated),
        stale: after.stale.saturating_sub(before.stale),
        joined: after.joined.saturating_sub(before.joined),
        misses: after.misses.saturating_sub(before.misses),
        bypasses: after.bypasses.saturating_sub(before.bypasses),
        sent_bytes: after.sent_bytes.saturating_sub(before.sent_bytes),
        fetched_bytes: after.fetched_bytes.saturating_sub(before.fetched_bytes),
    }
}
