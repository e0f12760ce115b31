//! Orders: how verbs give them to edges, and the verb that lists them with their receipts.
//!
//! An order is state: it stays until an edge has carried it out, or is a day old.

use std::time::Duration;

use contract::id::EdgeId;
use contract::order::{Order, Work};

use super::change::{Subject, entry};
use super::publish::Reach;
use super::{App, Caller, Error, Listing, Permission, Window, commit};
use crate::store::{audit, orders as rows};

pub use crate::store::orders::{GivenOrder, Receipt};

/// The most orders that an edge gets in one answer.
const AT_ONCE: u32 = 500;
/// Orders are kept so long; an edge that was away longer has lost its sessions anyway.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Lists orders with their receipts, the newest first.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for an `after` that is no number.
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<GivenOrder>, Error> {
    caller.needs(Permission::Read)?;
    let before = window
        .after
        .as_deref()
        .map(|text| {
            text.parse::<u64>()
                .map_err(|fault| Error::field("after", fault))
        })
        .transpose()?
        .unwrap_or(u64::MAX);
    let limit = window.limit();
    let orders = rows::list(&mut *app.store().read().await?, before, limit + 1).await?;
    Ok(Listing::of(orders, limit, |order| order.number.to_string()))
}

/// Gives orders and audits them, all in one transaction, then wakes the edges. Gives the numbers.
pub(super) async fn give(
    app: &App,
    caller: &Caller,
    orders: Vec<(Option<EdgeId>, Work)>,
    verb: &'static str,
    subject: Subject,
) -> Result<Vec<u64>, Error> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let now_ms = app.clock().now_ms();
    let mut tx = app.store().write().await?;
    let mut numbers = Vec::with_capacity(orders.len());
    for (edge, work) in &orders {
        numbers.push(rows::insert(&mut tx, *edge, work, &caller.name, now_ms).await?);
    }
    let mut line = entry(caller, now_ms, verb, subject);
    let works: Vec<&Work> = orders.iter().map(|(_, work)| work).collect();
    line.after = Some(serde_json::to_value(works).map_err(Error::internal)?);
    audit::insert(&mut tx, &line).await?;
    let app = app.clone();
    // Committed is published, also when the one who asked has hung up.
    tokio::spawn(async move {
        commit(tx).await?;
        app.publish_kept(Reach::Server).await;
        Ok::<_, Error>(())
    })
    .await
    .map_err(Error::internal)??;
    Ok(numbers)
}

/// The orders that an edge has not carried out yet.
pub(crate) async fn waiting_for(
    app: &App,
    edge: EdgeId,
    done: u64,
    orders_from: u64,
) -> Result<Vec<Order>, Error> {
    let after = done.max(orders_from);
    if app.publisher().ready().order <= after {
        return Ok(Vec::new());
    }
    Ok(rows::after(&mut *app.store().read().await?, edge, after, AT_ONCE).await?)
}

/// Removes old orders; gives how many.
pub(crate) async fn sweep(app: &App) -> Result<u64, Error> {
    /// At a time, so that no sweep holds the writing connection long.
    const AT_A_TIME: u32 = 1_000;
    let kept_ms = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    let before_ms = app.clock().now_ms().saturating_sub(kept_ms);
    let mut tx = app.store().write().await?;
    let gone = rows::delete_before(&mut tx, before_ms, AT_A_TIME).await?;
    commit(tx).await?;
    Ok(gone)
}
