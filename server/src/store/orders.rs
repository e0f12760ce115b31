//! Orders and their receipts. Numbers only grow and are never given twice.

use contract::id::EdgeId;
use contract::order::{Order, OrderReceipt, Work};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Columns, During, Error, integer, json_text};

/// An order with who gave it and which edges have carried it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenOrder {
    /// Its number.
    pub number: u64,
    /// Which edge carries it out; nothing is every edge.
    pub edge: Option<EdgeId>,
    /// What to do.
    pub work: Work,
    /// Who gave it.
    pub author: String,
    /// When.
    pub created_ms: u64,
    /// What the edges answered.
    pub receipts: Vec<Receipt>,
}

/// What one edge answered to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The edge.
    pub edge: EdgeId,
    /// When it was done, by the edge's clock.
    pub at_ms: u64,
    /// Sessions that were ended, or objects that went.
    pub count: u64,
}

fn order(row: &SqliteRow) -> Result<Order, Error> {
    Ok(Order {
        number: row.count("number")?,
        work: row.json("work")?,
    })
}

/// Adds an order and gives its number.
///
/// # Errors
/// [`Error::Statement`].
pub async fn insert(
    conn: &mut SqliteConnection,
    edge: Option<EdgeId>,
    work: &Work,
    author: &str,
    now_ms: u64,
) -> Result<u64, Error> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO orders (edge_id, work, author, created_ms) VALUES ($1, $2, $3, $4)
         RETURNING number",
    )
    .bind(edge.map(|id| id.to_string()))
    .bind(json_text(work))
    .bind(author)
    .bind(integer(now_ms))
    .fetch_one(conn)
    .await
    .during("insert an order")?;
    Ok(number.unsigned_abs())
}

/// The orders for an edge after a number, in order, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn after(
    conn: &mut SqliteConnection,
    edge: EdgeId,
    number: u64,
    limit: u32,
) -> Result<Vec<Order>, Error> {
    let rows = sqlx::query(
        "SELECT number, work FROM orders
         WHERE number > $2 AND (edge_id = $1 OR edge_id IS NULL) ORDER BY number LIMIT $3",
    )
    .bind(edge.to_string())
    .bind(integer(number))
    .bind(limit)
    .fetch_all(conn)
    .await
    .during("read orders")?;
    rows.iter().map(order).collect()
}

/// The highest number given so far.
///
/// # Errors
/// [`Error::Statement`].
pub async fn newest(conn: &mut SqliteConnection) -> Result<u64, Error> {
    let number: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'orders'")
            .fetch_optional(conn)
            .await
            .during("read the newest order")?;
    Ok(number.unwrap_or(0).unsigned_abs())
}

/// Keeps an edge's receipt; a repeated one changes nothing, and one for an order that is not known
/// (any more) is passed over.
///
/// # Errors
/// [`Error::Statement`].
pub async fn receive(
    conn: &mut SqliteConnection,
    edge: EdgeId,
    receipt: &OrderReceipt,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO order_receipts (number, edge_id, at_ms, count)
         SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM orders WHERE number = $1)
         ON CONFLICT DO NOTHING",
    )
    .bind(integer(receipt.number))
    .bind(edge.to_string())
    .bind(integer(receipt.at_ms))
    .bind(integer(receipt.count))
    .execute(conn)
    .await
    .during("keep a receipt")?;
    Ok(())
}

/// The orders before `before` with their receipts, the newest first, at most `limit`.
///
/// # Errors
/// [`Error::Statement`], [`Error::Unreadable`].
pub async fn list(
    conn: &mut SqliteConnection,
    before: u64,
    limit: u32,
) -> Result<Vec<GivenOrder>, Error> {
    let rows = sqlx::query("SELECT * FROM orders WHERE number < $1 ORDER BY number DESC LIMIT $2")
        .bind(integer(before))
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
        .during("list orders")?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in rows {
        let number = row.count("number")?;
        let receipts =
            sqlx::query("SELECT * FROM order_receipts WHERE number = $1 ORDER BY edge_id")
                .bind(integer(number))
                .fetch_all(&mut *conn)
                .await
                .during("read receipts")?;
        orders.push(GivenOrder {
            number,
            edge: row.parsed_option("edge_id")?,
            work: row.json("work")?,
            author: row.plain("author")?,
            created_ms: row.count("created_ms")?,
            receipts: receipts.iter().map(receipt).collect::<Result<_, _>>()?,
        });
    }
    Ok(orders)
}

fn receipt(row: &SqliteRow) -> Result<Receipt, Error> {
    Ok(Receipt {
        edge: row.parsed("edge_id")?,
        at_ms: row.count("at_ms")?,
        count: row.count("count")?,
    })
}

/// Removes orders given before a time, with their receipts, at most `limit`; gives how many.
///
/// # Errors
/// [`Error::Statement`].
pub async fn delete_before(
    conn: &mut SqliteConnection,
    before_ms: u64,
    limit: u32,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "DELETE FROM orders WHERE number IN
         (SELECT number FROM orders WHERE created_ms < $1 ORDER BY number LIMIT $2)",
    )
    .bind(integer(before_ms))
    .bind(limit)
    .execute(conn)
    .await
    .during("remove old orders")?;
    Ok(done.rows_affected())
}
