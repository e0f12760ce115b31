//! Join tokens: the SHA-256 of each secret, the cluster it opens and its end. Using one removes it.

use contract::id::{ClusterId, JoinTokenId};
use contract::name::Name;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer};

/// What is known of a join token; its secret is shown once and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// The cluster that an edge joins by it.
    pub cluster: ClusterId,
    /// What the edge will be called; nothing leaves it to the edge.
    pub name: Option<Name>,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends.
    pub expires_ms: u64,
}

fn token(row: &SqliteRow) -> Result<JoinToken, Error> {
    Ok(JoinToken {
        id: row.parsed("id")?,
        cluster: row.parsed("cluster_id")?,
        name: row.parsed_option("name")?,
        created_ms: row.count("created_ms")?,
        expires_ms: row.count("expires_ms")?,
    })
}

/// Adds a token under the SHA-256 of its secret.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(
    conn: &mut SqliteConnection,
    key: &str,
    token: &JoinToken,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO join_tokens (id, key, cluster_id, name, created_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.id.to_string())
    .bind(key)
    .bind(token.cluster.to_string())
    .bind(token.name.as_ref().map(Name::as_str))
    .bind(integer(token.created_ms))
    .bind(integer(token.expires_ms))
    .execute(conn)
    .await
    .during("insert a join token")?;
    Ok(())
}

/// Takes the token under this key out of the table, if it has not ended: it works once.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn take(
    conn: &mut SqliteConnection,
    key: &str,
    now_ms: u64,
) -> Result<Option<JoinToken>, Error> {
    let row = sqlx::query("DELETE FROM join_tokens WHERE key = $1 AND expires_ms > $2 RETURNING *")
        .bind(key)
        .bind(integer(now_ms))
        .fetch_optional(conn)
        .await
        .during("use a join token")?;
    row.as_ref().map(token).transpose()
}

/// One token by its id.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(
    conn: &mut SqliteConnection,
    id: JoinTokenId,
) -> Result<Option<JoinToken>, Error> {
    let row = sqlx::query("SELECT * FROM join_tokens WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read a join token")?;
    row.as_ref().map(token).transpose()
}

/// The tokens that can still be used, the newest first, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<JoinToken>, Error> {
    let rows =
        sqlx::query("SELECT * FROM join_tokens WHERE expires_ms > $1 ORDER BY id DESC LIMIT $2")
            .bind(integer(now_ms))
            .bind(limit)
            .fetch_all(conn)
            .await
            .during("list join tokens")?;
    rows.iter().map(token).collect()
}

/// Removes a token.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete(conn: &mut SqliteConnection, id: JoinTokenId) -> Result<(), Error> {
    sqlx::query("DELETE FROM join_tokens WHERE id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .during("delete a join token")?;
    Ok(())
}

/// Removes tokens that have ended.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete_ended(conn: &mut SqliteConnection, now_ms: u64) -> Result<u64, Error> {
    let done = sqlx::query("DELETE FROM join_tokens WHERE expires_ms <= $1")
        .bind(integer(now_ms))
        .execute(conn)
        .await
        .during("remove ended join tokens")?;
    Ok(done.rows_affected())
}
