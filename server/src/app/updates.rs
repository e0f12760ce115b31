//! What an edge is told when it asks for news: its snapshot, changes of the directory, orders,
//! questions. It waits here until there is something.

use std::sync::Arc;
use std::time::Duration;

use contract::control::{HOLD_MS, UpdatesQuery};
use contract::directory::DirectoryChanges;
use contract::order::Order;
use contract::question::Question;
use serde::Serialize;
use tokio::time::Instant;

use super::edges::Edge;
use super::publish::Published;
use super::{App, Error, orders};
use crate::snapshot::Compiled;
use crate::store::directory;

/// News for an edge, its snapshot being ready bytes: in JSON it is [`contract::control::Updates`].
#[derive(Debug, Serialize)]
pub(crate) struct News {
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_ready")]
    snapshot: Option<Arc<Compiled>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<DirectoryChanges>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Order>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    questions: Vec<Question>,
}

fn as_ready<S: serde::Serializer>(
    compiled: &Option<Arc<Compiled>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    compiled
        .as_ref()
        .map(|compiled| &compiled.document)
        .serialize(serializer)
}

/// Waits until there is news for an edge that has what `query` says; nothing when the time is over
/// or the server stops.
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`].
pub(crate) async fn wait(
    app: &App,
    edge: &Edge,
    query: &UpdatesQuery,
) -> Result<Option<News>, Error> {
    let end = Instant::now() + Duration::from_millis(query.hold_ms.min(HOLD_MS));
    let mut bell = app.publisher().subscribe();
    loop {
        let ready = Arc::clone(&bell.borrow_and_update());
        if let Some(news) = news(app, edge, query, &ready).await? {
            return Ok(Some(news));
        }
        tokio::select! {
            rung = bell.changed() => {
                if rung.is_err() {
                    return Ok(None);
                }
            }
            () = tokio::time::sleep_until(end) => return Ok(None),
            () = app.stopping().cancelled() => return Ok(None),
        }
    }
}

async fn news(
    app: &App,
    edge: &Edge,
    query: &UpdatesQuery,
    ready: &Published,
) -> Result<Option<News>, Error> {
    let snapshot = ready
        .snapshots
        .get(&edge.id)
        .filter(|compiled| compiled.hash != query.hash)
        .cloned();
    let directory = directory_news(app, query, ready).await?;
    let orders = orders::waiting_for(app, edge.id, query.order, edge.orders_from).await?;
    let questions = app.0.questions.hand_out(edge.id);
    if snapshot.is_none() && directory.is_none() && orders.is_empty() && questions.is_empty() {
        return Ok(None);
    }
    Ok(Some(News {
        generation: ready.generation,
        snapshot,
        directory,
        orders,
        questions,
    }))
}

/// What changed in the directory since the edge's. An edge whose directory is ahead of ours has
/// one of another database: it gets everything.
async fn directory_news(
    app: &App,
    query: &UpdatesQuery,
    ready: &Published,
) -> Result<Option<DirectoryChanges>, Error> {
    let is_current =
        query.directory >= ready.directory.max(1) && query.directory <= ready.generation;
    if is_current {
        return Ok(None);
    }
    let mut tx = app.store().read_whole().await?;
    let changes = directory::changes_since(&mut tx, query.directory).await?;
    Ok(Some(changes).filter(|changes| changes.whole || !changes.is_empty()))
}
