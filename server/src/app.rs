//! What can be done: one function a verb, a file a noun, each given the [`Caller`] who asks.
//!
//! A verb checks the right, makes one transaction with the change, its audit entry and its
//! generation, and publishes to the edges what they must hear. A page and an endpoint call the same
//! verb, so that a permission or an audit line cannot exist in one and be missing in the other. The
//! verbs do not know whether they were asked by a form or by JSON.

use std::sync::Arc;

use sqlx::{Sqlite, Transaction};
use url::Url;

use crate::store::{self, Store};

pub mod attempts;
pub mod audit;
pub mod caller;
mod change;
pub mod clock;
pub mod error;
pub mod generations;
pub mod logins;
pub mod page;
pub mod passwords;
pub mod permission;
mod random;
pub mod setup;
pub mod tokens;
pub mod users;

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
    clock: Clock,
    public_url: Url,
    passwords: passwords::Passwords,
    attempts: attempts::Attempts,
}

impl App {
    /// Puts the verbs over an open database. `public_url` is where people and edges reach the
    /// server.
    ///
    /// # Errors
    /// [`Error::Internal`] when the database cannot be read.
    pub async fn open(store: Store, clock: Clock, public_url: Url) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            public_url,
            passwords: passwords::Passwords::new(),
            attempts: attempts::Attempts::default(),
        })))
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

    /// Closes the database.
    pub async fn close(&self) {
        self.0.store.close().await;
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    async fn publish(&self) -> Result<(), Error> {
        Ok(())
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
