//! The stream that is asked for.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, matches_one, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::pattern::Pattern;

/// Holds when the stream (for HTTP: what follows the last slash) matches. Not known at `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// One of these must match; `*` stands for any run of characters.
    pub patterns: Vec<Pattern>,
}

impl Kind for Stream {
    const LABEL: &'static str = "stream";
    const FIELDS: &'static [Field] = &[Field {
        name: "patterns",
        label: "Streams",
        help: "One pattern a line, for example `cam*`.",
        input: Input::Lines,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        match &facts.requested.stream {
            Some(stream) => matches_one(&self.patterns, Some(stream.as_str())).into(),
            None => Holds::NotYet,
        }
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        format!("the stream is {}", any_of(&self.patterns))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("patterns", &self.patterns)
    }
}
