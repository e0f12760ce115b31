//! What can be done: one function a verb, a file a noun, each given the [`Caller`] who asks.
//!
//! A verb checks the right, makes one transaction with the change, its audit entry and its
//! generation, and publishes to the edges what they must hear. A page and an endpoint call the same
//! verb, so that a permission or an audit line cannot exist in one and be missing in the other. The
//! verbs do not know whether they were asked by a form or by JSON.

use std::sync::Arc;

use contract::id::KeyId;
use contract::token::SigningKey;
use sqlx::{Sqlite, Transaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::store::statistics::Statistics;
use crate::store::{self, Store};

pub mod assignments;
pub mod attempts;
pub mod audit;
pub mod cache;
pub mod caller;
mod change;
pub mod clients;
pub mod clock;
pub mod clusters;
pub(crate) mod directory;
pub mod edges;
pub mod error;
pub mod generations;
pub mod groups;
pub mod join_tokens;
pub mod key_sets;
pub mod limits;
mod live;
pub mod logins;
pub mod orders;
pub mod origins;
pub mod page;
pub mod passwords;
pub mod permission;
pub mod play_tokens;
mod publish;
pub mod purges;
pub mod questions;
mod random;
mod record;
pub mod routes;
pub mod rules;
pub mod sessions;
pub mod setup;
pub mod streams;
pub mod tokens;
pub(crate) mod updates;
pub mod users;
pub mod webhooks;

pub use caller::{Caller, From, Party};
pub use error::Error;
pub use page::{Listing, Window};
pub use permission::Permission;

pub use clock::Clock;

/// All that the verbs work on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    statistics: Statistics,
    clock: Clock,
    public_url: Url,
    started_ms: u64,
    passwords: passwords::Passwords,
    attempts: attempts::Attempts,
    publisher: publish::Publisher,
    live: live::Live,
    limits: limits::Shared,
    questions: questions::Questions,
    stopping: CancellationToken,
}

impl App {
    /// Puts the verbs over open databases, and makes ready what the edges will ask for.
    /// `public_url` is where people and edges reach the server.
    ///
    /// # Errors
    /// [`Error::Internal`] when the database cannot be read.
    pub async fn open(
        store: Store,
        statistics: Statistics,
        clock: Clock,
        public_url: Url,
    ) -> Result<Self, Error> {
        let app = Self(Arc::new(Inner {
            store,
            statistics,
            started_ms: clock.now_ms(),
            clock,
            public_url,
            passwords: passwords::Passwords::new(),
            attempts: attempts::Attempts::default(),
            publisher: publish::Publisher::new(),
            live: live::Live::new(),
            limits: limits::Shared::default(),
            questions: questions::Questions::default(),
            stopping: CancellationToken::new(),
        }));
        app.have_a_signing_key().await?;
        app.publish(publish::Reach::Snapshots).await?;
        Ok(app)
    }

    /// Edges check play tokens and each other's hops by a key; a new database gets its first.
    async fn have_a_signing_key(&self) -> Result<(), Error> {
        let mut tx = self.store().write().await?;
        if store::keys::all(&mut tx).await?.is_empty() {
            let key = SigningKey {
                id: KeyId::new(),
                secret: random::secret(""),
            };
            store::keys::insert(&mut tx, &key, self.clock().now_ms()).await?;
        }
        commit(tx).await
    }

    /// Hears at most once a second that sessions, streams or edges moved: for pages that show what
    /// is happening now.
    #[must_use]
    pub fn live_changes(&self) -> watch::Receiver<u64> {
        self.0.live.subscribe()
    }

    /// Tells who listens that something moved, if it did. Called once a second.
    pub(crate) fn tell_live_changes(&self) {
        self.0.live.tell();
    }

    /// Ends everything that waits, so that a stop is not held up by long-polls.
    pub fn stop_waiting(&self) {
        self.0.stopping.cancel();
    }

    /// Cancelled when the server stops: for answers that wait.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// The time by which everything here is judged.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where people and edges reach the server.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        &self.0.public_url
    }

    /// Whether the database answers: the server is ready for requests.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Internal`].
    pub async fn ready(&self) -> Result<(), Error> {
        let mut conn = self.0.store.read().await?;
        store::generations::newest(&mut conn).await?;
        Ok(())
    }

    /// Closes the databases.
    pub async fn close(&self) {
        self.0.store.close().await;
        self.0.statistics.close().await;
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn statistics(&self) -> &Statistics {
        &self.0.statistics
    }

    fn live(&self) -> &live::Live {
        &self.0.live
    }

    fn limits(&self) -> &limits::Shared {
        &self.0.limits
    }
}

/// Commits a transaction that makes no generation.
async fn commit(tx: Transaction<'static, Sqlite>) -> Result<(), Error> {
    tx.commit().await.map_err(|source| {
        Error::from(store::Error::Statement {
            operation: "commit a change",
            source,
        })
    })
}
