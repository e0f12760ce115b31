//! Users: who may sign in, with what role, and the hash of their password.
//!
//! The hash leaves the table only by [`by_name_with_hash`] and [`hash_of`]; a [`User`] never
//! carries it. Names are unique without regard to case.

use contract::id::UserId;
use contract::name::Name;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer};

/// What a user or an API token may do; the table is in `app::permission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Changes everything.
    Administrator,
    /// Watches, ends sessions, drains edges.
    Operator,
    /// Reads.
    Auditor,
}

impl Role {
    /// All roles, the strongest first.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Operator, Self::Auditor];

    /// The word for it in tables, JSON and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no role.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a role: it is one of `administrator`, `operator`, `auditor`")]
pub struct RoleError(String);

impl std::str::FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError(text.to_owned()))
    }
}

/// A person who signs in to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// What the user types to sign in.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_ms: u64,
}

fn user(row: &SqliteRow) -> Result<User, Error> {
    Ok(User {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        role: row.parsed("role")?,
        created_ms: row.count("created_ms")?,
    })
}

fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Adds a user with the PHC string of its password.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(
    conn: &mut SqliteConnection,
    user: &User,
    password_hash: &str,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO users (id, name, name_key, role, password_hash, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(user.id.to_string())
    .bind(user.name.as_str())
    .bind(name_key(user.name.as_str()))
    .bind(user.role.as_str())
    .bind(password_hash)
    .bind(integer(user.created_ms))
    .execute(conn)
    .await
    .during("insert a user")?;
    Ok(())
}

/// Changes a user's name and role.
///
/// # Errors
/// [`Error::Statement`].
pub async fn update(conn: &mut SqliteConnection, user: &User) -> Result<(), Error> {
    sqlx::query("UPDATE users SET name = $2, name_key = $3, role = $4 WHERE id = $1")
        .bind(user.id.to_string())
        .bind(user.name.as_str())
        .bind(name_key(user.name.as_str()))
        .bind(user.role.as_str())
        .execute(conn)
        .await
        .during("update a user")?;
    Ok(())
}

/// Replaces the hash of a user's password.
///
/// # Errors
/// [`Error::Statement`].
pub async fn set_hash(
    conn: &mut SqliteConnection,
    id: UserId,
    password_hash: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(password_hash)
        .execute(conn)
        .await
        .during("replace a password")?;
    Ok(())
}

/// Removes a user with all logins.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete(conn: &mut SqliteConnection, id: UserId) -> Result<(), Error> {
    sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .during("delete a user")?;
    Ok(())
}

/// One user.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(conn: &mut SqliteConnection, id: UserId) -> Result<Option<User>, Error> {
    let row = sqlx::query("SELECT * FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read a user")?;
    row.as_ref().map(user).transpose()
}

/// The user of this name, in any case of letters, with the hash of the password.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_name_with_hash(
    conn: &mut SqliteConnection,
    name: &str,
) -> Result<Option<(User, String)>, Error> {
    let row = sqlx::query("SELECT * FROM users WHERE name_key = $1")
        .bind(name_key(name))
        .fetch_optional(conn)
        .await
        .during("read a user by name")?;
    match row {
        Some(row) => Ok(Some((user(&row)?, row.plain("password_hash")?))),
        None => Ok(None),
    }
}

/// The hash of a user's password.
///
/// # Errors
/// [`Error::Statement`].
pub async fn hash_of(conn: &mut SqliteConnection, id: UserId) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read the hash of a password")
}

/// The users after `after` in the order of their names, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    after: &str,
    limit: u32,
) -> Result<Vec<User>, Error> {
    let rows = sqlx::query("SELECT * FROM users WHERE name_key > $1 ORDER BY name_key LIMIT $2")
        .bind(name_key(after))
        .bind(limit)
        .fetch_all(conn)
        .await
        .during("list users")?;
    rows.iter().map(user).collect()
}

/// How many users there are, and how many of them are administrators.
///
/// # Errors
/// [`Error::Statement`].
pub async fn counts(conn: &mut SqliteConnection) -> Result<(i64, i64), Error> {
    sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE role = 'administrator') FROM users")
        .fetch_one(conn)
        .await
        .during("count users")
}
