//! An entry as a line of JSON: every field of it, the session's record as reports and the API say it.

use super::entry::Entry;

/// The line, with its end.
pub(super) fn line(entry: &Entry) -> String {
    let mut line = serde_json::to_string(entry).expect("an entry has only text keys");
    line.push('\n');
    line
}
