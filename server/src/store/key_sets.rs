//! Key sets: how they are kept, each with the cluster whose it is.

use contract::key_set::KeySet;
use sqlx::sqlite::SqliteRow;

use super::Error;
use super::record::{Column, Record, Scoped, text};

impl Record for Scoped<KeySet> {
    const TABLE: &'static str = "key_sets";
    const LISTED_BY: &'static str = "name";
    const IN_DIRECTORY: bool = false;

    fn id_text(&self) -> String {
        self.it.id.to_string()
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![
            ("name", Column::text(&self.it.name)),
            (
                "cluster_id",
                Column::Text(self.cluster.map(|id| id.to_string())),
            ),
        ]
    }

    fn document(&self) -> String {
        text(&self.it)
    }

    fn read(row: &SqliteRow) -> Result<Self, Error> {
        Self::read(row)
    }
}
