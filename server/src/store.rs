//! All SQL of the settings: one SQLite file, one writing connection, many reading ones.
//!
//! Rows go in and come out, a file a noun; every function takes the connection it works on, so that
//! a verb of `app` decides what is one transaction. A write that was committed is on the disk
//! (`synchronous=FULL`), and a reader never waits for the writer (WAL). The store does not know who
//! is asking, nor what a change means to an edge.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, Sqlite, Transaction};

pub mod assignments;
pub mod audit;
mod clients;
pub mod clusters;
pub mod directory;
pub mod edges;
pub mod generations;
mod groups;
pub mod join_tokens;
mod key_sets;
pub mod keys;
pub mod logins;
pub mod orders;
mod origins;
pub mod record;
mod routes;
mod rules;
pub mod statistics;
pub mod tokens;
pub mod users;
mod webhooks;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How long a request waits for the one writing connection before it is told to come again;
/// chosen, because a change takes milliseconds: who waits longer waits for something that is wrong.
const WRITE_WAIT: Duration = Duration::from_secs(5);
/// Readers at once; chosen, because more than the machine's threads only queue in the kernel.
pub(crate) const READERS: u32 = 8;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or brought to this program's shape.
    #[error("cannot open the database `{path}`")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A migration failed.
    #[error("cannot bring the database `{path}` to the shape of this program")]
    Migrate {
        /// The file.
        path: String,
        /// Why.
        source: MigrateError,
    },
    /// A statement failed.
    #[error("cannot {operation}")]
    Statement {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// A stored value is not what this program writes.
    #[error("column `{column}` holds a value that cannot be read: {fault}")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// What its reader said.
        fault: String,
    },
}

impl Error {
    /// Whether the database was only busy, and the same call may succeed soon.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Statement {
                source: sqlx::Error::PoolTimedOut,
                ..
            }
        )
    }
}

/// Names the operation that failed.
pub(crate) trait During<T> {
    /// Says that the error came up while doing `operation`: "insert a user".
    fn during(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Statement { operation, source })
    }
}

/// Reads columns into our types.
pub(crate) trait Columns {
    /// A column that SQLite can give as it is.
    fn plain<'r, T>(&'r self, column: &'static str) -> Result<T, Error>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>;

    /// A text column that is read by `FromStr`: an id, a name, a role.
    fn parsed<T>(&self, column: &'static str) -> Result<T, Error>
    where
        T: FromStr<Err: std::fmt::Display>;

    /// A text column that may be null.
    fn parsed_option<T>(&self, column: &'static str) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: std::fmt::Display>;

    /// A text column that holds JSON.
    fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, Error>;

    /// A column of Unix milliseconds or another count that is never negative.
    fn count(&self, column: &'static str) -> Result<u64, Error>;
}

impl Columns for SqliteRow {
    fn plain<'r, T>(&'r self, column: &'static str) -> Result<T, Error>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    {
        self.try_get(column).during("read a column")
    }

    fn parsed<T>(&self, column: &'static str) -> Result<T, Error>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text: &str = self.plain(column)?;
        text.parse().map_err(|fault: T::Err| Error::Unreadable {
            column,
            fault: fault.to_string(),
        })
    }

    fn parsed_option<T>(&self, column: &'static str) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        match self.plain::<Option<&str>>(column)? {
            Some(_) => self.parsed(column).map(Some),
            None => Ok(None),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        let text: &str = self.plain(column)?;
        serde_json::from_str(text).map_err(|fault| Error::Unreadable {
            column,
            fault: fault.to_string(),
        })
    }

    fn count(&self, column: &'static str) -> Result<u64, Error> {
        let number: i64 = self.plain(column)?;
        u64::try_from(number).map_err(|fault| Error::Unreadable {
            column,
            fault: fault.to_string(),
        })
    }
}

/// A count as SQLite keeps it. Times and counts of ours stay far below 2^63; what does not is kept
/// as the largest number there is rather than as a negative one.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value as JSON text for a column.
pub(crate) fn json_text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialize: their keys are strings")
}

/// The database of settings.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the file, makes it where it is missing, and applies the migrations it has not seen.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Migrate`].
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let (writer, readers) = open_pools(path, SqliteSynchronous::Full, &MIGRATIONS).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a change. It holds the one writing connection until it is committed or dropped; what
    /// is dropped leaves no trace.
    ///
    /// # Errors
    /// [`Error::Statement`]; it [`Error::is_busy`] when others hold the connection too long.
    pub async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .during("begin a change")
    }

    /// A connection that can only read.
    ///
    /// # Errors
    /// [`Error::Statement`]; it [`Error::is_busy`] when there are too many readers.
    pub async fn read(&self) -> Result<PoolConnection<Sqlite>, Error> {
        self.readers
            .acquire()
            .await
            .during("get a reading connection")
    }

    /// A transaction that only reads: all of it sees one moment.
    ///
    /// # Errors
    /// [`Error::Statement`]; it [`Error::is_busy`] when there are too many readers.
    pub async fn read_whole(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.readers.begin().await.during("begin to read")
    }

    /// Closes the file; what was committed is on the disk before and after.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Opens one file with its writing and its reading pool, migrated. Nobody but the server's own user
/// may read it: it holds what signs and what opens.
async fn open_pools(
    path: &Path,
    synchronous: SqliteSynchronous,
    migrations: &Migrator,
) -> Result<(SqlitePool, SqlitePool), Error> {
    let open = |source| Error::Open {
        path: path.display().to_string(),
        source,
    };
    let migrate = |source| Error::Migrate {
        path: path.display().to_string(),
        source,
    };
    make_private(path).map_err(|error| open(error.into()))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(WRITE_WAIT);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WRITE_WAIT)
        .connect_with(options.clone())
        .await
        .map_err(open)?;
    back_up_before_migrating(&writer, path, migrations)
        .await
        .map_err(migrate)?;
    migrations.run(&writer).await.map_err(migrate)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(WRITE_WAIT)
        .connect_with(options.read_only(true))
        .await
        .map_err(open)?;
    Ok((writer, readers))
}

/// Makes the file where it is missing, for its owner alone; SQLite gives its companions the same
/// mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Copies a database that is about to be migrated: migrations only go forward.
async fn back_up_before_migrating(
    writer: &SqlitePool,
    path: &Path,
    migrations: &Migrator,
) -> Result<(), MigrateError> {
    let mut conn = writer.acquire().await?;
    conn.ensure_migrations_table(&migrations.table_name).await?;
    let applied = conn.list_applied_migrations(&migrations.table_name).await?;
    let Some(newest) = applied.iter().map(|migration| migration.version).max() else {
        return Ok(());
    };
    if migrations
        .iter()
        .all(|migration| migration.version <= newest)
    {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".before-{}", newest + 1));
    let copy = Path::new(&copy);
    if copy.exists() {
        // A try before this one made it, and did not get past the migration.
        return Ok(());
    }
    make_private(copy).map_err(|error| MigrateError::Execute(error.into()))?;
    sqlx::query("VACUUM INTO $1")
        .bind(copy.to_string_lossy())
        .execute(&mut *conn)
        .await?;
    tracing::info!(copy = %copy.display(), "copied the database before migrating it");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
