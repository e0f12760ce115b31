//! Settings that are kept as one JSON document each: written, found and listed in one way.
//!
//! A noun says which table it lives in and which columns stand beside its document; the statements
//! are the same for all. Of the nouns of the directory a removal is remembered, so that edges hear
//! of it.

use contract::id::ClusterId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer, json_text};

/// The value of a column beside a document.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    /// A text, or null.
    Text(Option<String>),
    /// A number.
    Number(i64),
}

impl Column {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(Some(text.to_string()))
    }
}

/// A setting that is kept as a document.
pub(crate) trait Record: Sized + Send + Sync + 'static {
    /// Its table.
    const TABLE: &'static str;
    /// The column by which it is listed.
    const LISTED_BY: &'static str;
    /// Whether it belongs to the directory.
    const IN_DIRECTORY: bool;

    /// Its id as text.
    fn id_text(&self) -> String;
    /// The columns beside id, generation and document.
    fn columns(&self) -> Vec<(&'static str, Column)>;
    /// Its document.
    fn document(&self) -> String;
    /// Reads it from a row.
    fn read(row: &SqliteRow) -> Result<Self, Error>;
}

/// Reads the document of a row.
pub(crate) fn document<T: DeserializeOwned>(row: &SqliteRow) -> Result<T, Error> {
    row.json("document")
}

/// A setting of one cluster, or of every cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoped<T> {
    /// Whose it is; nothing means every cluster's.
    pub cluster: Option<ClusterId>,
    /// The setting.
    #[serde(flatten)]
    pub it: T,
}

impl<T: DeserializeOwned> Scoped<T> {
    pub(crate) fn read(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            cluster: row.parsed_option("cluster_id")?,
            it: document(row)?,
        })
    }
}

/// The text of a document.
pub(crate) fn text<T: Serialize>(value: &T) -> String {
    json_text(value)
}

/// Adds a record, or replaces the one of its id.
pub(crate) async fn put<R: Record>(
    conn: &mut SqliteConnection,
    record: &R,
    generation: u64,
) -> Result<(), Error> {
    let columns = record.columns();
    let mut query = QueryBuilder::new(format!(
        "INSERT INTO {} (id, generation, document",
        R::TABLE
    ));
    for (name, _) in &columns {
        query.push(", ").push(*name);
    }
    query.push(") VALUES (");
    query.push_bind(record.id_text());
    query.push(", ").push_bind(integer(generation));
    query.push(", ").push_bind(record.document());
    for (_, value) in &columns {
        query.push(", ");
        match value {
            Column::Text(text) => query.push_bind(text.clone()),
            Column::Number(number) => query.push_bind(*number),
        };
    }
    query.push(
        ") ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, \
         document = excluded.document",
    );
    for (name, _) in &columns {
        query.push(format!(", {name} = excluded.{name}"));
    }
    query
        .build()
        .execute(conn)
        .await
        .during("write a setting")?;
    Ok(())
}

/// Removes a record.
pub(crate) async fn remove<R: Record>(
    conn: &mut SqliteConnection,
    record: &R,
    generation: u64,
) -> Result<(), Error> {
    let id = record.id_text();
    QueryBuilder::new(format!("DELETE FROM {} WHERE id = ", R::TABLE))
        .push_bind(&id)
        .build()
        .execute(&mut *conn)
        .await
        .during("remove a setting")?;
    if R::IN_DIRECTORY {
        sqlx::query("INSERT INTO removals (id, noun, generation) VALUES ($1, $2, $3)")
            .bind(&id)
            .bind(R::TABLE)
            .bind(integer(generation))
            .execute(conn)
            .await
            .during("remember a removal")?;
    }
    Ok(())
}

/// The record of this id.
pub(crate) async fn by_id<R: Record>(
    conn: &mut SqliteConnection,
    id: impl ToString,
) -> Result<Option<R>, Error> {
    first_where(conn, "id", &id.to_string()).await
}

/// The first record whose column has this value.
pub(crate) async fn first_where<R: Record>(
    conn: &mut SqliteConnection,
    column: &'static str,
    value: &str,
) -> Result<Option<R>, Error> {
    let row = QueryBuilder::new(format!("SELECT * FROM {} WHERE {column} = ", R::TABLE))
        .push_bind(value)
        .push(" ORDER BY id LIMIT 1")
        .build()
        .fetch_optional(conn)
        .await
        .during("read a setting")?;
    row.as_ref().map(R::read).transpose()
}

/// All records whose column has this value.
pub(crate) async fn all_where<R: Record>(
    conn: &mut SqliteConnection,
    column: &'static str,
    value: &str,
) -> Result<Vec<R>, Error> {
    let rows = QueryBuilder::new(format!("SELECT * FROM {} WHERE {column} = ", R::TABLE))
        .push_bind(value)
        .push(" ORDER BY id")
        .build()
        .fetch_all(conn)
        .await
        .during("read settings")?;
    rows.iter().map(R::read).collect()
}

/// Whether a document of this noun names an id.
pub(crate) async fn first_naming<R: Record>(
    conn: &mut SqliteConnection,
    id: impl ToString,
) -> Result<Option<R>, Error> {
    let row = QueryBuilder::new(format!("SELECT * FROM {} WHERE instr(document, ", R::TABLE))
        .push_bind(format!("\"{}\"", id.to_string()))
        .push(") > 0 ORDER BY id LIMIT 1")
        .build()
        .fetch_optional(conn)
        .await
        .during("look for what uses a setting")?;
    row.as_ref().map(R::read).transpose()
}

/// The records after `after` in the order of the list, at most `limit`.
pub(crate) async fn list<R: Record>(
    conn: &mut SqliteConnection,
    after: &str,
    limit: u32,
) -> Result<Vec<R>, Error> {
    let by = R::LISTED_BY;
    let rows = QueryBuilder::new(format!("SELECT * FROM {} WHERE {by} > ", R::TABLE))
        .push_bind(after)
        .push(format!(" ORDER BY {by} LIMIT "))
        .push_bind(limit)
        .build()
        .fetch_all(conn)
        .await
        .during("list settings")?;
    rows.iter().map(R::read).collect()
}

/// All records that have a position, in its order: routes and rules, which are few.
pub(crate) async fn by_position<R: Record>(conn: &mut SqliteConnection) -> Result<Vec<R>, Error> {
    let rows = QueryBuilder::<sqlx::Sqlite>::new(format!(
        "SELECT * FROM {} ORDER BY position, id",
        R::TABLE
    ))
    .build()
    .fetch_all(conn)
    .await
    .during("read settings in order")?;
    rows.iter().map(R::read).collect()
}

/// All records that changed after a generation.
pub(crate) async fn changed_since<R: Record>(
    conn: &mut SqliteConnection,
    generation: u64,
) -> Result<Vec<R>, Error> {
    let rows = QueryBuilder::new(format!("SELECT * FROM {} WHERE generation > ", R::TABLE))
        .push_bind(integer(generation))
        .build()
        .fetch_all(conn)
        .await
        .during("read changed settings")?;
    rows.iter().map(R::read).collect()
}
