//! Generations: the number of every published change, who made it and why. A number is given
//! once and only grows.

use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer};

/// One published change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// Who made it.
    pub author: String,
    /// What it was about.
    pub comment: String,
    /// When.
    pub created_ms: u64,
}

fn generation(row: &SqliteRow) -> Result<Generation, Error> {
    Ok(Generation {
        number: row.count("number")?,
        author: row.plain("author")?,
        comment: row.plain("comment")?,
        created_ms: row.count("created_ms")?,
    })
}

/// The highest number given so far; 0 before the first.
///
/// # Errors
/// [`Error::Statement`].
pub async fn newest(conn: &mut SqliteConnection) -> Result<u64, Error> {
    let number: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM generations")
        .fetch_one(conn)
        .await
        .during("read the newest generation")?;
    Ok(number.unsigned_abs())
}

/// Adds a generation.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(conn: &mut SqliteConnection, generation: &Generation) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO generations (number, author, comment, created_ms) VALUES ($1, $2, $3, $4)",
    )
    .bind(integer(generation.number))
    .bind(&generation.author)
    .bind(&generation.comment)
    .bind(integer(generation.created_ms))
    .execute(conn)
    .await
    .during("insert a generation")?;
    Ok(())
}

/// The generations before `before`, the newest first, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    before: u64,
    limit: u32,
) -> Result<Vec<Generation>, Error> {
    let rows =
        sqlx::query("SELECT * FROM generations WHERE number < $1 ORDER BY number DESC LIMIT $2")
            .bind(integer(before))
            .bind(limit)
            .fetch_all(conn)
            .await
            .during("list generations")?;
    rows.iter().map(generation).collect()
}
