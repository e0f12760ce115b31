//! The directory as rows that changed: clients, groups and assignments since a generation.

use contract::client::{Client, Group};
use contract::directory::DirectoryChanges;
use sqlx::sqlite::SqliteConnection;

use super::record::{changed_since, text};
use super::{Columns, During, Error, generations, integer};

/// How many removals are remembered for edges that were away; one that missed more gets everything.
const REMEMBERED: u64 = 100_000;

/// What changed after `since`, up to the newest generation. Everything, if `since` is 0, or not a
/// generation of this database, or so old that removals after it were forgotten.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn changes_since(
    conn: &mut SqliteConnection,
    since: u64,
) -> Result<DirectoryChanges, Error> {
    let until = generations::newest(&mut *conn).await?;
    let whole = !can_follow(&mut *conn, since).await?;
    let since = if whole { 0 } else { since };
    let mut changes = DirectoryChanges {
        since,
        until,
        whole,
        clients: changed_since::<Client>(&mut *conn, since).await?,
        groups: changed_since::<Group>(&mut *conn, since).await?,
        assignments: changed_since(&mut *conn, since).await?,
        ..DirectoryChanges::default()
    };
    if whole {
        return Ok(changes);
    }
    let rows = sqlx::query("SELECT id, noun FROM removals WHERE generation > $1")
        .bind(integer(since))
        .fetch_all(conn)
        .await
        .during("read removals")?;
    for row in rows {
        match row.plain::<&str>("noun")? {
            "clients" => changes.removed_clients.push(row.parsed("id")?),
            "groups" => changes.removed_groups.push(row.parsed("id")?),
            "assignments" => changes.removed_assignments.push(row.parsed("id")?),
            other => {
                return Err(Error::Unreadable {
                    column: "noun",
                    fault: text(&other),
                });
            }
        }
    }
    Ok(changes)
}

/// Whether what changed after `since` can be told; otherwise only everything can be.
///
/// # Errors
/// [`Error::Statement`].
pub async fn can_follow(conn: &mut SqliteConnection, since: u64) -> Result<bool, Error> {
    let newest = generations::newest(&mut *conn).await?;
    Ok(since != 0 && since <= newest && since >= horizon(conn).await?)
}

/// The generation in which the directory last changed.
///
/// # Errors
/// [`Error::Statement`].
pub async fn newest_change(conn: &mut SqliteConnection) -> Result<u64, Error> {
    let newest: i64 = sqlx::query_scalar(
        "SELECT max(coalesce((SELECT max(generation) FROM clients), 0),
                    coalesce((SELECT max(generation) FROM groups), 0),
                    coalesce((SELECT max(generation) FROM assignments), 0),
                    coalesce((SELECT max(generation) FROM removals), 0))",
    )
    .fetch_one(conn)
    .await
    .during("read the directory's generation")?;
    Ok(newest.unsigned_abs())
}

/// The generation up to which removals were forgotten.
async fn horizon(conn: &mut SqliteConnection) -> Result<u64, Error> {
    let forgotten: Option<i64> =
        sqlx::query_scalar("SELECT value FROM marks WHERE name = 'removals_forgotten'")
            .fetch_optional(conn)
            .await
            .during("read how far removals are remembered")?;
    Ok(forgotten.unwrap_or(0).unsigned_abs())
}

/// Forgets the oldest removals beyond what is remembered; gives how many.
///
/// # Errors
/// [`Error::Statement`].
pub async fn forget_removals(conn: &mut SqliteConnection) -> Result<u64, Error> {
    forget_removals_beyond(conn, REMEMBERED).await
}

async fn forget_removals_beyond(conn: &mut SqliteConnection, most: u64) -> Result<u64, Error> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT generation FROM removals ORDER BY generation DESC, id LIMIT 1 OFFSET $1",
    )
    .bind(integer(most))
    .fetch_optional(&mut *conn)
    .await
    .during("find the removals to forget")?;
    let Some(last) = last else {
        return Ok(0);
    };
    sqlx::query(
        "INSERT INTO marks (name, value) VALUES ('removals_forgotten', $1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(last)
    .execute(&mut *conn)
    .await
    .during("note how far removals are remembered")?;
    let done = sqlx::query("DELETE FROM removals WHERE generation <= $1")
        .bind(last)
        .execute(conn)
        .await
        .during("forget removals")?;
    Ok(done.rows_affected())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::id::GroupId;

    use super::*;
    use crate::store::Store;
    use crate::store::generations::Generation;
    use crate::store::record::{put, remove};

    fn group(number: u128) -> Group {
        let name = format!("group {number}").parse().unwrap();
        Group {
            id: GroupId::from_bits(number),
            name,
        }
    }

    async fn make_generation(conn: &mut SqliteConnection, number: u64) {
        let text = String::new;
        let generation = Generation {
            number,
            author: text(),
            comment: text(),
            created_ms: 0,
        };
        generations::insert(conn, &generation).await.unwrap();
    }

    #[tokio::test]
    async fn changes_are_what_changed_and_went_since() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
        let mut tx = store.write().await.unwrap();
        for number in 1..=4 {
            make_generation(&mut tx, number).await;
        }
        put(&mut tx, &group(1), 1).await.unwrap();
        put(&mut tx, &group(2), 2).await.unwrap();
        remove(&mut tx, &group(1), 3).await.unwrap();

        let changes = changes_since(&mut tx, 1).await.unwrap();
        assert!(!changes.whole);
        assert_eq!((changes.since, changes.until), (1, 4));
        assert_eq!(changes.groups, [group(2)]);
        assert_eq!(changes.removed_groups, [group(1).id]);
        assert!(changes_since(&mut tx, 3).await.unwrap().is_empty());
        assert_eq!(newest_change(&mut tx).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn who_was_away_too_long_gets_everything() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
        let mut tx = store.write().await.unwrap();
        for number in 1..=6 {
            make_generation(&mut tx, number).await;
        }
        for number in 1..=3 {
            put(&mut tx, &group(number), 1).await.unwrap();
        }
        remove(&mut tx, &group(1), 2).await.unwrap();
        remove(&mut tx, &group(2), 4).await.unwrap();
        assert_eq!(forget_removals_beyond(&mut tx, 1).await.unwrap(), 1);

        for (since, whole) in [(0, true), (1, true), (2, false), (5, false), (7, true)] {
            let changes = changes_since(&mut tx, since).await.unwrap();
            assert_eq!(changes.whole, whole, "since {since}");
            if whole {
                assert_eq!(changes.groups, [group(3)]);
            }
        }
    }
}
