//! The application that is asked for.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, matches_one, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::pattern::Pattern;

/// Holds when the application (for HTTP: the path up to its last slash) matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// One of these must match; `*` stands for any run of characters.
    pub patterns: Vec<Pattern>,
}

impl Kind for App {
    const LABEL: &'static str = "application";
    const FIELDS: &'static [Field] = &[Field {
        name: "patterns",
        label: "Applications",
        help: "One pattern a line, for example `live` or `live/*`.",
        input: Input::Lines,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        match &facts.requested.app {
            Some(app) => matches_one(&self.patterns, Some(app.as_str())).into(),
            None => Holds::NotYet,
        }
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        format!("the application is {}", any_of(&self.patterns))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("patterns", &self.patterns)
    }
}
