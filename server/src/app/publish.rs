//! Publishing: what is kept ready for the edges after each change, and how they hear of it.
//!
//! Snapshots are compiled once, when a change was committed, and kept as ready bytes; the directory
//! is held as the edges hold it, so that "what would this edge decide?" is the edge's own code on
//! the edge's own data. Everyone who waits is woken by one bell.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use contract::directory::{Directory, DirectoryChanges};
use contract::id::EdgeId;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, watch};

use super::{App, Error};
use crate::snapshot::{Compiled, Settings};
use crate::store::record::{by_position, changed_since};
use crate::store::{directory, edges, generations, keys, orders};

/// What is ready for the edges.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The newest generation.
    pub(crate) generation: u64,
    /// The generation in which the directory last changed.
    pub(crate) directory: u64,
    /// The number of the newest order.
    pub(crate) order: u64,
    /// The snapshot of each edge that is not retired.
    pub(crate) snapshots: HashMap<EdgeId, Arc<Compiled>>,
}

/// Holds what is ready, and wakes who waits for it.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Held while something is made ready, so that an older state never replaces a newer one. What
    /// it holds was committed and is not ready yet.
    turn: Mutex<Option<Reach>>,
    ready: watch::Sender<Arc<Published>>,
    directory: RwLock<Directory>,
    /// The whole directory as ready bytes, for edges that have none.
    whole: Mutex<Option<WholeDirectory>>,
}

/// The whole directory as ready bytes, as it was in one generation.
#[derive(Debug, Clone)]
pub(crate) struct WholeDirectory {
    /// The generation.
    until: u64,
    /// The JSON of its [`DirectoryChanges`].
    pub(crate) bytes: Arc<str>,
}

/// A whole directory is sent as it was up to so many generations ago, its changes after it: so a
/// storm of edges that have none costs one reading of the tables.
const OLDEST_WHOLE: u64 = 1_000;

impl Publisher {
    pub(crate) fn new() -> Self {
        Self {
            turn: Mutex::new(None),
            ready: watch::Sender::new(Arc::default()),
            directory: RwLock::default(),
            whole: Mutex::new(None),
        }
    }

    /// What is ready now.
    pub(crate) fn ready(&self) -> Arc<Published> {
        Arc::clone(&self.ready.borrow())
    }

    /// Hears of everything that is made ready, and of each [`Publisher::ring`].
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.ready.subscribe()
    }

    /// Wakes who waits, with nothing new but what they look up themselves.
    pub(crate) fn ring(&self) {
        self.ready.send_modify(|_| {});
    }

    /// Looks something up in the directory as the edges have it.
    pub(crate) fn with_directory<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(
            &self
                .directory
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// How far a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Nothing that an edge hears of.
    Server,
    /// The directory.
    Directory,
    /// The snapshots, and perhaps the directory.
    Snapshots,
}

/// Reads all settings in one transaction.
pub(super) async fn settings(conn: &mut SqliteConnection) -> Result<Settings, Error> {
    Ok(Settings {
        edges: edges::all(&mut *conn).await?,
        origins: changed_since(&mut *conn, 0).await?,
        routes: by_position(&mut *conn).await?,
        rules: by_position(&mut *conn).await?,
        key_sets: changed_since(&mut *conn, 0).await?,
        webhooks: changed_since(&mut *conn, 0).await?,
        keys: keys::all(conn).await?,
    })
}

impl App {
    /// Makes ready what was committed, and wakes who waits. Safe to repeat. What could not be made
    /// ready stays owed: the next turn makes it ready too.
    pub(crate) async fn publish(&self, reach: Reach) -> Result<(), Error> {
        let publisher = &self.0.publisher;
        let mut turn = publisher.turn.lock().await;
        let reach = (*turn).map_or(reach, |owed| owed.max(reach));
        *turn = Some(reach);
        let before = publisher.ready();
        let mut tx = self.store().read_whole().await?;
        let generation = generations::newest(&mut tx).await?;
        let mut ready = Published {
            generation,
            directory: before.directory,
            order: orders::newest(&mut tx).await?,
            snapshots: before.snapshots.clone(),
        };
        if reach >= Reach::Snapshots {
            let settings = settings(&mut tx).await?;
            ready.snapshots = settings
                .compile(generation, &before.snapshots)
                .map_err(Error::internal)?;
        }
        if reach >= Reach::Directory {
            ready.directory = directory::newest_change(&mut tx).await?;
            let held = publisher.with_directory(Directory::generation);
            let changes = directory::changes_since(&mut tx, held).await?;
            let mut directory = publisher
                .directory
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            directory.apply(changes).map_err(Error::internal)?;
        }
        drop(tx);
        publisher.ready.send_replace(Arc::new(ready));
        *turn = None;
        Ok(())
    }

    /// [`App::publish`] for a change that is kept already, and must not be called a failure any
    /// more: a publication that fails is logged, and tried again by [`App::publish_owed`].
    pub(crate) async fn publish_kept(&self, reach: Reach) {
        if let Err(error) = self.publish(reach).await {
            tracing::error!(
                error = crate::log::chain(&error),
                "a change is kept but not published yet; it is tried again"
            );
        }
    }

    /// Makes ready what an earlier publication left owed. Called once a second.
    pub(crate) async fn publish_owed(&self) {
        let owed = *self.0.publisher.turn.lock().await;
        if let Some(reach) = owed {
            self.publish_kept(reach).await;
        }
    }

    /// The whole directory for an edge that has `held`. It may be some generations old: what changed
    /// after it is sent when the edge asks again.
    pub(crate) async fn whole_directory(&self, held: u64) -> Result<WholeDirectory, Error> {
        let publisher = &self.0.publisher;
        let mut whole = publisher.whole.lock().await;
        let generation = publisher.ready().generation;
        let is_usable = |whole: &&WholeDirectory| {
            // An edge that has this very one and needs a whole one needs a newer one.
            whole.until != held && generation.saturating_sub(whole.until) <= OLDEST_WHOLE
        };
        if let Some(known) = whole.as_ref().filter(is_usable) {
            return Ok(known.clone());
        }
        let changes: DirectoryChanges = {
            let mut tx = self.store().read_whole().await?;
            directory::changes_since(&mut tx, 0).await?
        };
        let until = changes.until;
        let bytes = tokio::task::spawn_blocking(move || serde_json::to_string(&changes))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        let made = WholeDirectory {
            until,
            bytes: bytes.into(),
        };
        *whole = Some(made.clone());
        Ok(made)
    }

    /// What is ready for the edges, and how the whole stands.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.0.publisher
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::app::{Caller, rules};
    use crate::fixture::Server;
    use crate::store::READERS;

    #[tokio::test]
    async fn a_kept_change_that_could_not_be_published_is_no_failure_and_published_later() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let app = server.app();
        let served = || {
            app.publisher().ready().snapshots[&agent.edge]
                .snapshot()
                .rules
        };
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(app.store().read().await.unwrap());
        }
        let wanted = rules::blank("nobody".parse().unwrap());
        let made = rules::create(app, &Caller::server(), wanted).await.unwrap();
        assert_eq!(served(), []);
        drop(readers);
        app.publish_owed().await;
        assert_eq!(served(), [made.it]);
    }
}
