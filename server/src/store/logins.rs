//! Logins and the set-up link: secrets are kept as their SHA-256 only.
//!
//! A login belongs to one user and ends with it. Both carry their own end; a reader gives only
//! what has not ended by `now_ms`.

use contract::id::{LoginId, UserId};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer};

/// A user's browser session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The login's id.
    pub id: LoginId,
    /// Whose it is.
    pub user_id: UserId,
    /// The address it was made from.
    pub address: String,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it was last used, to the minute.
    pub seen_ms: u64,
    /// When it ends.
    pub expires_ms: u64,
}

fn login(row: &SqliteRow) -> Result<Login, Error> {
    Ok(Login {
        id: row.parsed("id")?,
        user_id: row.parsed("user_id")?,
        address: row.plain("address")?,
        user_agent: row.plain("user_agent")?,
        created_ms: row.count("created_ms")?,
        seen_ms: row.count("seen_ms")?,
        expires_ms: row.count("expires_ms")?,
    })
}

/// Adds a login under the SHA-256 of its cookie.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(conn: &mut SqliteConnection, key: &str, login: &Login) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO logins (key, id, user_id, address, user_agent, created_ms, seen_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key)
    .bind(login.id.to_string())
    .bind(login.user_id.to_string())
    .bind(&login.address)
    .bind(&login.user_agent)
    .bind(integer(login.created_ms))
    .bind(integer(login.seen_ms))
    .bind(integer(login.expires_ms))
    .execute(conn)
    .await
    .during("insert a login")?;
    Ok(())
}

/// The login under this key, if it has not ended.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_key(
    conn: &mut SqliteConnection,
    key: &str,
    now_ms: u64,
) -> Result<Option<Login>, Error> {
    let row = sqlx::query("SELECT * FROM logins WHERE key = $1 AND expires_ms > $2")
        .bind(key)
        .bind(integer(now_ms))
        .fetch_optional(conn)
        .await
        .during("read a login")?;
    row.as_ref().map(login).transpose()
}

/// One login by its id, ended or not.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(conn: &mut SqliteConnection, id: LoginId) -> Result<Option<Login>, Error> {
    let row = sqlx::query("SELECT * FROM logins WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read a login")?;
    row.as_ref().map(login).transpose()
}

/// A user's logins that have not ended, the newest first, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn of_user(
    conn: &mut SqliteConnection,
    user_id: UserId,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<Login>, Error> {
    let rows = sqlx::query(
        "SELECT * FROM logins WHERE user_id = $1 AND expires_ms > $2
         ORDER BY created_ms DESC, id DESC LIMIT $3",
    )
    .bind(user_id.to_string())
    .bind(integer(now_ms))
    .bind(limit)
    .fetch_all(conn)
    .await
    .during("list logins")?;
    rows.iter().map(login).collect()
}

/// Notes that a login was used.
///
/// # Errors
/// [`Error::Statement`].
pub async fn touch(conn: &mut SqliteConnection, id: LoginId, seen_ms: u64) -> Result<(), Error> {
    sqlx::query("UPDATE logins SET seen_ms = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(integer(seen_ms))
        .execute(conn)
        .await
        .during("note the use of a login")?;
    Ok(())
}

/// Ends one login.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete(conn: &mut SqliteConnection, id: LoginId) -> Result<(), Error> {
    sqlx::query("DELETE FROM logins WHERE id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .during("end a login")?;
    Ok(())
}

/// Ends all logins of a user but the one named.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete_of_user(
    conn: &mut SqliteConnection,
    user_id: UserId,
    but: Option<LoginId>,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM logins WHERE user_id = $1 AND id <> $2")
        .bind(user_id.to_string())
        .bind(but.map(|id| id.to_string()).unwrap_or_default())
        .execute(conn)
        .await
        .during("end a user's logins")?;
    Ok(())
}

/// Removes logins that have ended, at most `limit` at a time; gives how many went.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete_ended(
    conn: &mut SqliteConnection,
    now_ms: u64,
    limit: u32,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "DELETE FROM logins WHERE key IN (SELECT key FROM logins WHERE expires_ms <= $1 LIMIT $2)",
    )
    .bind(integer(now_ms))
    .bind(limit)
    .execute(conn)
    .await
    .during("remove ended logins")?;
    Ok(done.rows_affected())
}

/// Makes the link under this key the only set-up link.
///
/// # Errors
/// [`Error::Statement`].
pub async fn replace_setup_link(
    conn: &mut SqliteConnection,
    key: &str,
    expires_ms: u64,
) -> Result<(), Error> {
    delete_setup_links(&mut *conn).await?;
    sqlx::query("INSERT INTO setup_links (key, expires_ms) VALUES ($1, $2)")
        .bind(key)
        .bind(integer(expires_ms))
        .execute(conn)
        .await
        .during("insert a set-up link")?;
    Ok(())
}

/// Whether this key opens the set-up now.
///
/// # Errors
/// [`Error::Statement`].
pub async fn setup_link_opens(
    conn: &mut SqliteConnection,
    key: &str,
    now_ms: u64,
) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM setup_links WHERE key = $1 AND expires_ms > $2)",
    )
    .bind(key)
    .bind(integer(now_ms))
    .fetch_one(conn)
    .await
    .during("read a set-up link")
}

/// Removes every set-up link.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete_setup_links(conn: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM setup_links")
        .execute(conn)
        .await
        .during("remove the set-up link")?;
    Ok(())
}
