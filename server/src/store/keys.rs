//! The keys that sign play tokens and hops.

use contract::secret::Secret;
use contract::token::SigningKey;
use sqlx::sqlite::SqliteConnection;

use super::{Columns, During, Error, integer};

/// All keys, the newest first: that one signs.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn all(conn: &mut SqliteConnection) -> Result<Vec<SigningKey>, Error> {
    let rows = sqlx::query("SELECT * FROM signing_keys ORDER BY created_ms DESC, id DESC")
        .fetch_all(conn)
        .await
        .during("read the signing keys")?;
    rows.iter()
        .map(|row| {
            let secret = Secret::new(row.plain::<&str>("secret")?);
            Ok(SigningKey {
                id: row.parsed("id")?,
                secret,
            })
        })
        .collect()
}

/// Adds a key.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(
    conn: &mut SqliteConnection,
    key: &SigningKey,
    created_ms: u64,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO signing_keys (id, secret, created_ms) VALUES ($1, $2, $3)")
        .bind(key.id.to_string())
        .bind(key.secret.expose())
        .bind(integer(created_ms))
        .execute(conn)
        .await
        .during("insert a signing key")?;
    Ok(())
}
