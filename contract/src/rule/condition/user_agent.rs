//! What the client calls itself.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, matches_one, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::pattern::Pattern;

/// Holds when `flashVer` or `User-Agent` matches. A client that says nothing does not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAgent {
    /// One of these must match; `*` stands for any run of characters.
    pub patterns: Vec<Pattern>,
}

impl Kind for UserAgent {
    const LABEL: &'static str = "user agent";
    const FIELDS: &'static [Field] = &[Field {
        name: "patterns",
        label: "User agents",
        help: "One pattern a line, for example `FMLE/*` or `Lavf*`.",
        input: Input::Lines,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        matches_one(&self.patterns, facts.user_agent.as_deref()).into()
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        format!("the user agent is {}", any_of(&self.patterns))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("patterns", &self.patterns)
    }
}
