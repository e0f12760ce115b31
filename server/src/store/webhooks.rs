//! Webhooks: how they are kept.

use contract::webhook::Webhook;
use sqlx::sqlite::SqliteRow;

use super::Error;
use super::record::{Column, Record, document, text};

impl Record for Webhook {
    const TABLE: &'static str = "webhooks";
    const LISTED_BY: &'static str = "name";
    const IN_DIRECTORY: bool = false;

    fn id_text(&self) -> String {
        self.id.to_string()
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("name", Column::text(&self.settings.name))]
    }

    fn document(&self) -> String {
        text(self)
    }

    fn read(row: &SqliteRow) -> Result<Self, Error> {
        document(row)
    }
}
