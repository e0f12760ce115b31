//! The page that the player stands on.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, matches_one, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::pattern::Pattern;

/// Holds when the page address (`pageUrl`, or `Referer`) matches. A client that names no page does not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// One of these must match; `*` stands for any run of characters.
    pub patterns: Vec<Pattern>,
}

impl Kind for Page {
    const LABEL: &'static str = "page address";
    const FIELDS: &'static [Field] = &[Field {
        name: "patterns",
        label: "Page addresses",
        help: "One pattern a line, for example `https://www.example.org/*`.",
        input: Input::Lines,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        matches_one(&self.patterns, facts.page_url.as_deref()).into()
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        format!("the page is {}", any_of(&self.patterns))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("patterns", &self.patterns)
    }
}
