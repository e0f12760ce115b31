//! What is wrong with a setting, and in which field: the form marks it, the API lists it, an edge
//! that refuses a snapshot reports it.

use serde::{Deserialize, Serialize};

/// One field that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// Where: a dotted path such as `routes.live.app` or, in a form, the field's own name.
    pub field: String,
    /// What is wrong and what would be accepted, as a sentence without a full stop.
    pub message: String,
}

impl FieldFault {
    /// A fault in `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self {
            field: field.into(),
            message: message.to_string(),
        }
    }

    /// The same fault, seen from one level further out.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        Self {
            field: format!("{parent}.{}", self.field),
            message: self.message,
        }
    }
}

impl std::fmt::Display for FieldFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.field, self.message)
    }
}
