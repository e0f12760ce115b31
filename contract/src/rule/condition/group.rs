//! Which group the client belongs to.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::id::GroupId;

/// Holds when the client belongs to one of these. A client that nothing identifies belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The groups.
    pub groups: Vec<GroupId>,
}

impl Kind for Group {
    const LABEL: &'static str = "group";
    const FIELDS: &'static [Field] = &[Field {
        name: "groups",
        label: "Groups",
        help: "Clients that nothing identifies belong to none.",
        input: Input::Groups,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        facts
            .groups
            .iter()
            .any(|group| self.groups.contains(group))
            .into()
    }

    fn sentence(&self, name_of: &dyn Fn(&str) -> Option<String>) -> String {
        let names: Vec<String> = self
            .groups
            .iter()
            .map(|group| name_of(&group.to_string()).unwrap_or_else(|| group.to_string()))
            .collect();
        format!("the group is {}", any_of(&names))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("groups", &self.groups)
    }
}
