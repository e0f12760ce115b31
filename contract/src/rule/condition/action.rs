//! What the client wants to do: play or publish.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, must_name_one};
use crate::facts::{self, Facts};
use crate::fault::FieldFault;

/// Holds when the client wants one of these. Not known at `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The actions.
    pub actions: Vec<facts::Action>,
}

impl Kind for Action {
    const LABEL: &'static str = "action";
    const FIELDS: &'static [Field] = &[Field {
        name: "actions",
        label: "Actions",
        help: "Play is receiving (HTTP: GET and HEAD), publish is sending.",
        input: Input::Choices(&[("play", "play"), ("publish", "publish")]),
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        match facts.action {
            Some(action) => self.actions.contains(&action).into(),
            None => Holds::NotYet,
        }
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        let names: Vec<&str> = self.actions.iter().map(|action| action.as_str()).collect();
        format!("the action is {}", any_of(&names))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("actions", &self.actions)
    }
}
