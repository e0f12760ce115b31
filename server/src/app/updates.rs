//! What an edge is told when it asks for news: its snapshot, changes of the directory, orders,
//! questions. It waits here until there is something.

use std::sync::Arc;
use std::time::Duration;

use contract::control::{HOLD_MS, UpdatesQuery};
use contract::directory::DirectoryChanges;
use contract::order::Order;
use contract::question::Question;
use tokio::time::Instant;

use super::edges::Edge;
use super::publish::{Published, WholeDirectory};
use super::{App, Error, orders};
use crate::snapshot::Compiled;
use crate::store::directory;

/// News for an edge: in JSON it is [`contract::control::Updates`], put together from ready bytes.
#[derive(Debug)]
pub(crate) struct News {
    generation: u64,
    snapshot: Option<Arc<Compiled>>,
    directory: Option<DirectoryNews>,
    orders: Vec<Order>,
    questions: Vec<Question>,
}

#[derive(Debug)]
enum DirectoryNews {
    Changes(DirectoryChanges),
    Whole(WholeDirectory),
}

impl News {
    /// The JSON of it.
    ///
    /// # Errors
    /// None that our own types can make.
    pub(crate) fn into_json(self) -> Result<String, serde_json::Error> {
        let mut json = format!("{{\"generation\":{}", self.generation);
        if let Some(compiled) = &self.snapshot {
            json.push_str(",\"snapshot\":");
            json.push_str(&compiled.document());
        }
        match &self.directory {
            None => {}
            Some(DirectoryNews::Changes(changes)) => {
                json.push_str(",\"directory\":");
                json.push_str(&serde_json::to_string(changes)?);
            }
            Some(DirectoryNews::Whole(whole)) => {
                json.push_str(",\"directory\":");
                json.push_str(&whole.bytes);
            }
        }
        json.push_str(",\"orders\":");
        json.push_str(&serde_json::to_string(&self.orders)?);
        json.push_str(",\"questions\":");
        json.push_str(&serde_json::to_string(&self.questions)?);
        json.push('}');
        Ok(json)
    }
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
        .filter(|compiled| compiled.hash() != query.hash)
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
) -> Result<Option<DirectoryNews>, Error> {
    let held = query.directory;
    if held >= ready.directory.max(1) && held <= ready.generation {
        return Ok(None);
    }
    let changes = {
        let mut tx = app.store().read_whole().await?;
        if directory::can_follow(&mut tx, held).await? {
            Some(directory::changes_since(&mut tx, held).await?)
        } else {
            None
        }
    };
    match changes {
        Some(changes) if changes.is_empty() => Ok(None),
        Some(changes) => Ok(Some(DirectoryNews::Changes(changes))),
        None => Ok(Some(DirectoryNews::Whole(app.whole_directory(held).await?))),
    }
}
