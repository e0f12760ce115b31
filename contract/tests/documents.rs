//! Every published document's shape, as files that must go on parsing: an edge and a server of
//! different ages speak to each other, and edges keep these documents on disk. A file here is
//! never edited to make a test pass; a new shape gets a new file.
#![allow(clippy::unwrap_used)]

use contract::control::{JoinAnswer, JoinRequest, JoinToken, Updates, UpdatesQuery};
use contract::directory::DirectoryChanges;
use contract::hop::Hop;
use contract::question::Answer;
use contract::report::{Report, ReportAnswer};
use contract::snapshot::Snapshot;
use contract::token::PlayToken;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Parses a document and finds all that stands in it when it is written again; fields that are
/// younger than the document come beside it with their defaults.
fn check<T: Serialize + DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/documents/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let document: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected: Value = serde_json::from_str(&text).unwrap();
    holds(&serde_json::to_value(&document).unwrap(), &expected, name);
    document
}

fn holds(found: &Value, expected: &Value, at: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (key, expected) in expected {
                let at = format!("{at}.{key}");
                let found = found.get(key).unwrap_or_else(|| panic!("{at} is lost"));
                holds(found, expected, &at);
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{at}");
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                holds(found, expected, &format!("{at}[{index}]"));
            }
        }
        (found, expected) => assert_eq!(found, expected, "{at}"),
    }
}

#[test]
fn every_document_reads_back_as_it_was_written() {
    let snapshot: Snapshot = check("snapshot");
    assert_eq!(snapshot.faults(), []);
    let snapshot: Snapshot = check("snapshot_identity");
    assert_eq!(snapshot.faults(), []);
    let snapshot: Snapshot = check("snapshot_limits");
    assert_eq!(snapshot.faults(), []);
    for name in ["directory_changes", "directory_changes_limits"] {
        check::<DirectoryChanges>(name);
    }
    for name in ["report", "report_limits"] {
        check::<Report>(name);
    }
    for name in ["report_answer", "report_answer_limits"] {
        check::<ReportAnswer>(name);
    }
    check::<JoinToken>("join_token");
    check::<JoinRequest>("join_request");
    check::<JoinAnswer>("join_answer");
    check::<UpdatesQuery>("updates_query");
    check::<Updates>("updates");
    check::<Vec<Answer>>("answers");
    check::<PlayToken>("play_token");
    check::<PlayToken>("play_token_uses");
    check::<Hop>("hop");
}

#[test]
fn a_snapshot_travels_as_the_bytes_that_were_hashed() {
    let text =
        r#"{"generation":1,"snapshot":{"generation":1,"hash":"x","snapshot":{"b": 1,  "a":2}}}"#;
    let updates: Updates = serde_json::from_str(text).unwrap();
    assert_eq!(
        updates.snapshot.unwrap().snapshot.get(),
        r#"{"b": 1,  "a":2}"#
    );
}

#[test]
fn a_field_that_nobody_knows_is_refused_in_settings() {
    let path = format!(
        "{}/tests/documents/snapshot.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap().replacen(
        "\"edge\":",
        "\"surprise\": 1, \"edge\":",
        1,
    );
    assert!(
        serde_json::from_str::<Snapshot>(&text)
            .unwrap_err()
            .to_string()
            .contains("surprise")
    );
}
