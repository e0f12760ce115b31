//! API tokens: their SHA-256, name, role, end and last use.

use contract::id::ApiTokenId;
use contract::name::Name;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::users::Role;
use super::{Columns, During, Error, integer};

/// What is known of an API token; its secret is shown once, when it is made, and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// The token's id.
    pub id: ApiTokenId,
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends; nothing means never.
    pub expires_ms: Option<u64>,
    /// When it was last used, to the minute.
    pub used_ms: Option<u64>,
}

fn token(row: &SqliteRow) -> Result<ApiToken, Error> {
    let time = |column| {
        row.plain::<Option<i64>>(column)
            .map(|time| time.and_then(|ms| u64::try_from(ms).ok()))
    };
    Ok(ApiToken {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        role: row.parsed("role")?,
        created_ms: row.count("created_ms")?,
        expires_ms: time("expires_ms")?,
        used_ms: time("used_ms")?,
    })
}

/// Adds a token under the SHA-256 of its secret.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(conn: &mut SqliteConnection, key: &str, token: &ApiToken) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO api_tokens (key, id, name, role, created_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(key)
    .bind(token.id.to_string())
    .bind(token.name.as_str())
    .bind(token.role.as_str())
    .bind(integer(token.created_ms))
    .bind(token.expires_ms.map(integer))
    .execute(conn)
    .await
    .during("insert an API token")?;
    Ok(())
}

/// The token under this key, if it has not ended.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_key(
    conn: &mut SqliteConnection,
    key: &str,
    now_ms: u64,
) -> Result<Option<ApiToken>, Error> {
    let row = sqlx::query(
        "SELECT * FROM api_tokens WHERE key = $1 AND (expires_ms IS NULL OR expires_ms > $2)",
    )
    .bind(key)
    .bind(integer(now_ms))
    .fetch_optional(conn)
    .await
    .during("read an API token")?;
    row.as_ref().map(token).transpose()
}

/// One token by its id.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(conn: &mut SqliteConnection, id: ApiTokenId) -> Result<Option<ApiToken>, Error> {
    let row = sqlx::query("SELECT * FROM api_tokens WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read an API token")?;
    row.as_ref().map(token).transpose()
}

/// Whether a token of this name exists.
///
/// # Errors
/// [`Error::Statement`].
pub async fn name_taken(conn: &mut SqliteConnection, name: &Name) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_tokens WHERE name = $1)")
        .bind(name.as_str())
        .fetch_one(conn)
        .await
        .during("look for an API token's name")
}

/// The tokens after `after` in the order of their names, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    after: &str,
    limit: u32,
) -> Result<Vec<ApiToken>, Error> {
    let rows = sqlx::query("SELECT * FROM api_tokens WHERE name > $1 ORDER BY name LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await
        .during("list API tokens")?;
    rows.iter().map(token).collect()
}

/// Notes that a token was used.
///
/// # Errors
/// [`Error::Statement`].
pub async fn touch(conn: &mut SqliteConnection, id: ApiTokenId, used_ms: u64) -> Result<(), Error> {
    sqlx::query("UPDATE api_tokens SET used_ms = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(integer(used_ms))
        .execute(conn)
        .await
        .during("note the use of an API token")?;
    Ok(())
}

/// Removes a token: it opens nothing from now on.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete(conn: &mut SqliteConnection, id: ApiTokenId) -> Result<(), Error> {
    sqlx::query("DELETE FROM api_tokens WHERE id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .during("delete an API token")?;
    Ok(())
}
