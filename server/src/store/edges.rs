//! Edges: what is kept of each, and the key of the credential by which it proves itself.
//!
//! An edge's state is made of four marks, so that one that drains and is lost drains again when it
//! comes back.

use contract::id::{ClusterId, EdgeId};
use contract::limit::Limits;
use contract::name::Name;
use contract::report::Listeners;
use contract::snapshot::{EdgeState, Neighbor};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer, json_text};

/// What is kept of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Its id.
    pub id: EdgeId,
    /// What people call it.
    pub name: Name,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// How it stands.
    pub state: EdgeState,
    /// The version of its agent.
    pub version: String,
    /// Where it says that it listens.
    pub listeners: Listeners,
    /// Where siblings and redirected clients reach it, where that is elsewhere.
    pub public: Listeners,
    /// What it may have at once.
    pub limits: Limits,
    /// When it joined.
    pub created_ms: u64,
    /// The marks that its state is made of.
    #[serde(skip)]
    pub marks: Marks,
    /// Orders up to this number were given before it joined.
    #[serde(skip)]
    pub orders_from: u64,
}

/// The marks that an edge's state is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// It has reported at least once.
    pub seen: bool,
    /// It takes no new sessions, because a person said so.
    pub draining: bool,
    /// It has not reported for a while.
    pub lost: bool,
    /// It was taken out for good.
    pub retired: bool,
}

impl Marks {
    /// The state they make.
    #[must_use]
    pub const fn state(self) -> EdgeState {
        if self.retired {
            EdgeState::Retired
        } else if self.lost {
            EdgeState::Lost
        } else if self.draining {
            EdgeState::Draining
        } else if self.seen {
            EdgeState::Active
        } else {
            EdgeState::Pending
        }
    }
}

impl Edge {
    /// The edge with other marks, and the state they make.
    #[must_use]
    pub fn marked(&self, marks: Marks) -> Self {
        Self {
            marks,
            state: marks.state(),
            ..self.clone()
        }
    }

    /// The edge as other edges know it.
    #[must_use]
    pub fn neighbor(&self) -> Neighbor {
        let one = |public: &Option<_>, own: &Option<_>| public.as_ref().or(own.as_ref()).cloned();
        Neighbor {
            id: self.id,
            name: self.name.clone(),
            cluster: self.cluster,
            state: self.state,
            rtmp: one(&self.public.rtmp, &self.listeners.rtmp),
            rtmps: one(&self.public.rtmps, &self.listeners.rtmps),
            http: one(&self.public.http, &self.listeners.http),
            limits: self.limits,
        }
    }
}

fn edge(row: &SqliteRow) -> Result<Edge, Error> {
    let marks = Marks {
        seen: row.plain("seen")?,
        draining: row.plain("draining")?,
        lost: row.plain("lost")?,
        retired: row.plain("retired")?,
    };
    Ok(Edge {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        cluster: row.parsed("cluster_id")?,
        state: marks.state(),
        version: row.plain("version")?,
        listeners: row.json("listeners")?,
        public: row.json("public")?,
        limits: row.json("limits")?,
        created_ms: row.count("created_ms")?,
        marks,
        orders_from: row.count("orders_from")?,
    })
}

/// Adds an edge under the SHA-256 of its credential.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(
    conn: &mut SqliteConnection,
    edge: &Edge,
    credential_key: &str,
    generation: u64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO edges (id, name, cluster_id, credential_key, version, listeners, public,
                            seen, draining, lost, retired, orders_from, created_ms, generation,
                            limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(edge.id.to_string())
    .bind(edge.name.as_str())
    .bind(edge.cluster.to_string())
    .bind(credential_key)
    .bind(&edge.version)
    .bind(json_text(&edge.listeners))
    .bind(json_text(&edge.public))
    .bind(edge.marks.seen)
    .bind(edge.marks.draining)
    .bind(edge.marks.lost)
    .bind(edge.marks.retired)
    .bind(integer(edge.orders_from))
    .bind(integer(edge.created_ms))
    .bind(integer(generation))
    .bind(json_text(&edge.limits))
    .execute(conn)
    .await
    .during("insert an edge")?;
    Ok(())
}

/// Writes all of an edge but its credential.
///
/// # Errors
/// [`Error::Statement`].
pub async fn update(
    conn: &mut SqliteConnection,
    edge: &Edge,
    generation: u64,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE edges SET name = $2, cluster_id = $3, version = $4, listeners = $5, public = $6,
                          seen = $7, draining = $8, lost = $9, retired = $10, generation = $11,
                          limits = $12
         WHERE id = $1",
    )
    .bind(edge.id.to_string())
    .bind(edge.name.as_str())
    .bind(edge.cluster.to_string())
    .bind(&edge.version)
    .bind(json_text(&edge.listeners))
    .bind(json_text(&edge.public))
    .bind(edge.marks.seen)
    .bind(edge.marks.draining)
    .bind(edge.marks.lost)
    .bind(edge.marks.retired)
    .bind(integer(generation))
    .bind(json_text(&edge.limits))
    .execute(conn)
    .await
    .during("update an edge")?;
    Ok(())
}

/// Removes an edge that was retired, with its orders and receipts.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete(conn: &mut SqliteConnection, id: EdgeId) -> Result<(), Error> {
    sqlx::query("DELETE FROM edges WHERE id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .during("delete an edge")?;
    Ok(())
}

async fn one(
    conn: &mut SqliteConnection,
    statement: &'static str,
    value: &str,
) -> Result<Option<Edge>, Error> {
    let row = sqlx::query(statement)
        .bind(value)
        .fetch_optional(conn)
        .await
        .during("read an edge")?;
    row.as_ref().map(edge).transpose()
}

/// One edge.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_id(conn: &mut SqliteConnection, id: EdgeId) -> Result<Option<Edge>, Error> {
    one(conn, "SELECT * FROM edges WHERE id = $1", &id.to_string()).await
}

/// The edge of this name.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_name(conn: &mut SqliteConnection, name: &str) -> Result<Option<Edge>, Error> {
    one(conn, "SELECT * FROM edges WHERE name = $1", name).await
}

/// The edge that proves itself by the credential under this key, retired or not.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn by_credential(conn: &mut SqliteConnection, key: &str) -> Result<Option<Edge>, Error> {
    one(conn, "SELECT * FROM edges WHERE credential_key = $1", key).await
}

/// All edges by name.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn all(conn: &mut SqliteConnection) -> Result<Vec<Edge>, Error> {
    let rows = sqlx::query("SELECT * FROM edges ORDER BY name")
        .fetch_all(conn)
        .await
        .during("read the edges")?;
    rows.iter().map(edge).collect()
}
