//! Clusters.

use contract::id::ClusterId;
use contract::name::Name;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::Error;
use super::record::{Column, Record, document, text};

/// Edges that serve the same routes and stand in for one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// What people call it.
    pub name: Name,
}

impl Record for Cluster {
    const TABLE: &'static str = "clusters";
    const LISTED_BY: &'static str = "name";
    const IN_DIRECTORY: bool = false;

    fn id_text(&self) -> String {
        self.id.to_string()
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("name", Column::text(&self.name))]
    }

    fn document(&self) -> String {
        text(self)
    }

    fn read(row: &SqliteRow) -> Result<Self, Error> {
        document(row)
    }
}
