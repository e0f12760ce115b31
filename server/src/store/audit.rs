//! The audit: who did what to what, when, from where, with the subject before and after. Entries
//! are only ever added.

use contract::id::AuditId;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer};

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The entry's id; later entries have higher ones.
    pub id: AuditId,
    /// When.
    pub at_ms: u64,
    /// What kind of party did it: `user`, `token`, `edge`, `server`, `nobody`.
    pub actor_kind: String,
    /// The party's id, where it has one.
    pub actor_id: Option<String>,
    /// The party's name at that time.
    pub actor_name: String,
    /// The address it came from.
    pub address: Option<String>,
    /// The request it was part of.
    pub request_id: Option<String>,
    /// What was done: `create`, `reassign`.
    pub verb: String,
    /// To what kind of thing: `edges`.
    pub noun: String,
    /// To which one.
    pub subject_id: String,
    /// What it was called at that time.
    pub subject_name: String,
    /// The subject before.
    pub before: Option<serde_json::Value>,
    /// The subject after.
    pub after: Option<serde_json::Value>,
    /// The generation that the change made.
    pub generation: Option<u64>,
}

/// What a list of entries is narrowed to; an empty field narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only what was done to this kind of thing.
    pub noun: Option<String>,
    /// Only what was done to this one.
    pub subject_id: Option<String>,
    /// Only what this party did, by its name.
    pub actor: Option<String>,
    /// Only this verb.
    pub verb: Option<String>,
}

fn entry(row: &SqliteRow) -> Result<Entry, Error> {
    let value = |column| match row.plain::<Option<&str>>(column)? {
        Some(_) => row.json(column).map(Some),
        None => Ok(None),
    };
    Ok(Entry {
        id: row.parsed("id")?,
        at_ms: row.count("at_ms")?,
        actor_kind: row.plain("actor_kind")?,
        actor_id: row.plain("actor_id")?,
        actor_name: row.plain("actor_name")?,
        address: row.plain("address")?,
        request_id: row.plain("request_id")?,
        verb: row.plain("verb")?,
        noun: row.plain("noun")?,
        subject_id: row.plain("subject_id")?,
        subject_name: row.plain("subject_name")?,
        before: value("before")?,
        after: value("after")?,
        generation: row
            .plain::<Option<i64>>("generation")?
            .map(i64::unsigned_abs),
    })
}

/// Adds an entry.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(conn: &mut SqliteConnection, entry: &Entry) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit (id, at_ms, actor_kind, actor_id, actor_name, address, request_id,
                            verb, noun, subject_id, subject_name, before, after, generation)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(entry.id.to_string())
    .bind(integer(entry.at_ms))
    .bind(&entry.actor_kind)
    .bind(&entry.actor_id)
    .bind(&entry.actor_name)
    .bind(&entry.address)
    .bind(&entry.request_id)
    .bind(&entry.verb)
    .bind(&entry.noun)
    .bind(&entry.subject_id)
    .bind(&entry.subject_name)
    .bind(entry.before.as_ref().map(ToString::to_string))
    .bind(entry.after.as_ref().map(ToString::to_string))
    .bind(entry.generation.map(integer))
    .execute(conn)
    .await
    .during("insert an audit entry")?;
    Ok(())
}

/// The entries before `before`, the newest first, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    filter: &Filter,
    before: Option<AuditId>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let mut query = QueryBuilder::new("SELECT * FROM audit WHERE 1 = 1");
    let narrowed = [
        (" AND noun = ", filter.noun.clone()),
        (" AND subject_id = ", filter.subject_id.clone()),
        (" AND actor_name = ", filter.actor.clone()),
        (" AND verb = ", filter.verb.clone()),
        (" AND id < ", before.map(|id| id.to_string())),
    ];
    for (clause, value) in narrowed {
        if let Some(value) = value {
            query.push(clause).push_bind(value);
        }
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    let rows = query
        .build()
        .fetch_all(conn)
        .await
        .during("list the audit")?;
    rows.iter().map(entry).collect()
}

/// One entry.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(conn: &mut SqliteConnection, id: AuditId) -> Result<Option<Entry>, Error> {
    let row = sqlx::query("SELECT * FROM audit WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .during("read an audit entry")?;
    row.as_ref().map(entry).transpose()
}
