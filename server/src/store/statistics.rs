//! The database of what happened, apart from the settings: ended sessions, totals, cache figures.
//!
//! It is written in batches, a report of an edge at a time, with `synchronous=NORMAL`: a power cut
//! may cost the last moments, never the file. Whatever is written twice counts once. Rows are kept
//! for a bounded time.

use std::path::Path;

use contract::counts::{CacheCounts, Totals};
use contract::id::{EdgeId, RouteId, SessionId};
use contract::report::{SessionRecord, SessionState};
use sqlx::QueryBuilder;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow, SqliteSynchronous};

use super::{Columns, During, Error, integer, json_text};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite-statistics");

/// Cache figures are kept by spans of five minutes; chosen: a day of one route is 288 rows.
pub(crate) const SPAN_MS: u64 = 5 * 60 * 1000;

/// The database of what happened.
#[derive(Debug, Clone)]
pub struct Statistics {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A session that is over, with the edge it was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The edge.
    pub edge: EdgeId,
    /// The session, as the edge reported it.
    pub record: SessionRecord,
}

/// What a list of ended sessions is narrowed to; an empty field narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct EndedFilter {
    /// Columns that must have these values.
    pub equal: Vec<(&'static str, String)>,
    /// Only sessions whose id is lower.
    pub before: Option<SessionId>,
}

impl Statistics {
    /// Opens the file, makes it where it is missing, and applies the migrations it has not seen.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Migrate`].
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let (writer, readers) =
            super::open_pools(path, SqliteSynchronous::Normal, &MIGRATIONS).await?;
        Ok(Self { writer, readers })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Keeps one report's worth of ended sessions and, where given, the edge's totals.
    ///
    /// # Errors
    /// [`Error::Statement`]; it [`Error::is_busy`] when others write too long.
    pub async fn keep(
        &self,
        ended: &[Ended],
        totals: Option<(EdgeId, &Totals)>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut tx = self
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .during("begin a batch of statistics")?;
        for session in ended {
            insert_session(&mut tx, session, now_ms).await?;
        }
        if let Some((edge, totals)) = totals {
            put_totals(&mut tx, edge, totals, now_ms).await?;
        }
        tx.commit().await.during("commit a batch of statistics")
    }

    /// Ended sessions, the newest first, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Unreadable`].
    pub async fn sessions(&self, filter: &EndedFilter, limit: u32) -> Result<Vec<Ended>, Error> {
        let mut query = QueryBuilder::new("SELECT edge_id, record FROM sessions WHERE 1 = 1");
        for (column, value) in &filter.equal {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before.to_string());
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .during("list ended sessions")?;
        rows.iter().map(ended).collect()
    }

    /// One ended session.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Unreadable`].
    pub async fn session(&self, id: SessionId) -> Result<Option<Ended>, Error> {
        let row = sqlx::query("SELECT edge_id, record FROM sessions WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await
            .during("read an ended session")?;
        row.as_ref().map(ended).transpose()
    }

    /// How many sessions were refused since a time.
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub async fn refused_since(&self, since_ms: u64) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sessions WHERE ended_ms >= $1 AND state = 'refused'",
        )
        .bind(integer(since_ms))
        .fetch_one(&self.readers)
        .await
        .during("count refused sessions")?;
        Ok(count.unsigned_abs())
    }

    /// The newest totals of every edge that ever reported any.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Unreadable`].
    pub async fn totals(&self) -> Result<Vec<(EdgeId, Totals)>, Error> {
        let rows = sqlx::query("SELECT edge_id, totals FROM totals ORDER BY edge_id")
            .fetch_all(&self.readers)
            .await
            .during("read totals")?;
        rows.iter()
            .map(|row| Ok((row.parsed("edge_id")?, row.json("totals")?)))
            .collect()
    }

    /// The cumulative cache counts of a route on an edge by span, from a time on.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Unreadable`].
    pub async fn cache_figures(
        &self,
        edge: EdgeId,
        route: RouteId,
        since_ms: u64,
        limit: u32,
    ) -> Result<Vec<(u64, CacheCounts)>, Error> {
        let rows = sqlx::query(
            "SELECT span_ms, counts FROM cache_figures
             WHERE edge_id = $1 AND route_id = $2 AND span_ms >= $3 ORDER BY span_ms LIMIT $4",
        )
        .bind(edge.to_string())
        .bind(route.to_string())
        .bind(integer(since_ms))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .during("read cache figures")?;
        rows.iter()
            .map(|row| Ok((row.count("span_ms")?, row.json("counts")?)))
            .collect()
    }

    /// Removes what ended before a time, at most `limit` rows of each kind; gives how many.
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub async fn forget_before(&self, before_ms: u64, limit: u32) -> Result<u64, Error> {
        const STATEMENTS: [&str; 2] = [
            "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE ended_ms < $1 LIMIT $2)",
            "DELETE FROM cache_figures WHERE rowid IN
             (SELECT rowid FROM cache_figures WHERE span_ms < $1 LIMIT $2)",
        ];
        let mut gone = 0;
        for statement in STATEMENTS {
            let done = sqlx::query(statement)
                .bind(integer(before_ms))
                .bind(limit)
                .execute(&self.writer)
                .await
                .during("forget old statistics")?;
            gone += done.rows_affected();
        }
        Ok(gone)
    }
}

fn ended(row: &SqliteRow) -> Result<Ended, Error> {
    Ok(Ended {
        edge: row.parsed("edge_id")?,
        record: row.json("record")?,
    })
}

/// Keeps a session once. What its edge says of its end replaces what the server had to guess when
/// the session was missing from a whole report.
async fn insert_session(
    conn: &mut SqliteConnection,
    Ended { edge, record }: &Ended,
    now_ms: u64,
) -> Result<(), Error> {
    let state = match record.state {
        SessionState::Refused => SessionState::Refused,
        SessionState::Connecting | SessionState::Live | SessionState::Ended => SessionState::Ended,
    };
    sqlx::query(
        "INSERT INTO sessions (id, edge_id, state, client_id, addr, app, stream, route_id, rule_id,
                               decision_id, reason, began_ms, ended_ms, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, client_id = excluded.client_id, addr = excluded.addr,
             app = excluded.app, stream = excluded.stream, route_id = excluded.route_id,
             rule_id = excluded.rule_id, decision_id = excluded.decision_id,
             reason = excluded.reason, ended_ms = excluded.ended_ms, record = excluded.record
             WHERE sessions.reason IS NULL AND excluded.reason IS NOT NULL
                   AND sessions.edge_id = excluded.edge_id",
    )
    .bind(record.id.to_string())
    .bind(edge.to_string())
    .bind(state.as_str())
    .bind(record.client.map(|id| id.to_string()))
    .bind(record.addr.to_string())
    .bind(&record.app)
    .bind(&record.stream)
    .bind(record.route.map(|id| id.to_string()))
    .bind(record.rule.map(|id| id.to_string()))
    .bind(record.decision.map(|id| id.to_string()))
    .bind(record.reason.map(contract::reason::Reason::code))
    .bind(integer(record.began_ms))
    .bind(integer(record.ended_ms.unwrap_or(now_ms)))
    .bind(json_text(record))
    .execute(conn)
    .await
    .during("keep an ended session")?;
    Ok(())
}

async fn put_totals(
    conn: &mut SqliteConnection,
    edge: EdgeId,
    totals: &Totals,
    now_ms: u64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO totals (edge_id, at_ms, totals) VALUES ($1, $2, $3)
         ON CONFLICT (edge_id) DO UPDATE SET at_ms = excluded.at_ms, totals = excluded.totals",
    )
    .bind(edge.to_string())
    .bind(integer(now_ms))
    .bind(json_text(totals))
    .execute(&mut *conn)
    .await
    .during("keep totals")?;
    for (route, counts) in &totals.cache {
        sqlx::query(
            "INSERT INTO cache_figures (edge_id, route_id, span_ms, counts) VALUES ($1, $2, $3, $4)
             ON CONFLICT (edge_id, route_id, span_ms) DO UPDATE SET counts = excluded.counts",
        )
        .bind(edge.to_string())
        .bind(route.to_string())
        .bind(integer(now_ms - now_ms % SPAN_MS))
        .bind(json_text(counts))
        .execute(&mut *conn)
        .await
        .during("keep cache figures")?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::reason::Reason;

    use super::*;
    use crate::fixture::session;

    #[tokio::test]
    async fn what_an_edge_says_of_an_end_replaces_a_guess_and_then_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statistics.db");
        let statistics = Statistics::open(&path).await.unwrap();
        let (edge, other) = (EdgeId::new(), EdgeId::new());
        let guessed = SessionRecord {
            state: SessionState::Ended,
            ended_ms: Some(5_000),
            detail: Some("vanished".to_owned()),
            ..session(None, "cam")
        };
        let told = |reason| SessionRecord {
            ended_ms: Some(9_000),
            detail: None,
            reason: Some(reason),
            ..guessed.clone()
        };
        for (edge, record, expected) in [
            (edge, guessed.clone(), guessed.clone()),
            (other, told(Reason::DeniedByRule), guessed.clone()),
            (edge, told(Reason::ClientClosed), told(Reason::ClientClosed)),
            (edge, guessed.clone(), told(Reason::ClientClosed)),
            (edge, told(Reason::DeniedByRule), told(Reason::ClientClosed)),
        ] {
            statistics
                .keep(&[Ended { edge, record }], None, 9_000)
                .await
                .unwrap();
            let kept = statistics.session(guessed.id).await.unwrap().unwrap();
            assert_eq!(kept.record, expected);
        }
    }
}
