//! Assignments: how they are kept, found by whom they are about and by where they point.

use contract::assignment::{Assignment, Subject, Target};
use sqlx::sqlite::SqliteRow;

use super::Error;
use super::record::{Column, Record, document, text};

impl Record for Assignment {
    const TABLE: &'static str = "assignments";
    const LISTED_BY: &'static str = "id";
    const IN_DIRECTORY: bool = true;

    fn id_text(&self) -> String {
        self.id.to_string()
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![
            ("subject", Column::text(subject_key(&self.subject))),
            ("target", Column::text(target_key(&self.target))),
        ]
    }

    fn document(&self) -> String {
        text(self)
    }

    fn read(row: &SqliteRow) -> Result<Self, Error> {
        document(row)
    }
}

/// The text by which assignments of a subject are found.
pub(crate) fn subject_key(subject: &Subject) -> String {
    match subject {
        Subject::Client { client } => client.to_string(),
        Subject::Group { group } => group.to_string(),
        Subject::Network { network } => network.trunc().to_string(),
        Subject::Everyone => "everyone".to_owned(),
    }
}

/// The text by which assignments to a target are found.
pub(crate) fn target_key(target: &Target) -> String {
    match target {
        Target::Edge { edge } => edge.to_string(),
        Target::Cluster { cluster } => cluster.to_string(),
    }
}
