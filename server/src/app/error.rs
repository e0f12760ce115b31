//! The one error of the verbs: what a page or an endpoint needs to know to answer well.
//!
//! Internal causes are kept for the log and never shown.

use std::time::Duration;

use contract::fault::FieldFault;

use super::permission::Permission;
use crate::store;

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing of this kind by that id, or it is not the caller's to see.
    #[error("there is no such {noun}")]
    NotFound {
        /// What was looked for: `edge`.
        noun: &'static str,
    },
    /// Who asked is not known: no login or token, or one that has ended.
    #[error("sign in, or send a valid API token")]
    Unknown,
    /// The caller is known and may not do this.
    #[error("this needs the right to {needs}")]
    Denied {
        /// What the caller would need.
        needs: Permission,
    },
    /// It contradicts what is there: a name that is taken, an origin that is in use.
    #[error("{message}")]
    Conflict {
        /// What it contradicts and what to do about it.
        message: String,
    },
    /// Fields that cannot be accepted.
    #[error("{} of the fields cannot be accepted", .0.len())]
    Invalid(Vec<FieldFault>),
    /// Too much at once; the same call may succeed later.
    #[error("busy; try again in {} s", retry_after.as_secs().max(1))]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// A fault of ours. The cause is for the log.
    #[error("an internal fault; it has been logged under the request's id")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One field that cannot be accepted.
    #[must_use]
    pub fn field(field: &str, message: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldFault::new(field, message)])
    }

    /// A contradiction with what is there.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict {
            message: message.into(),
        }
    }

    /// A fault of ours.
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        if error.is_busy() {
            Self::Busy {
                retry_after: Duration::from_secs(1),
            }
        } else {
            Self::internal(error)
        }
    }
}

/// Turns a list of faults into an answer: nothing wrong, or all that is wrong at once.
pub(crate) fn accept(faults: Vec<FieldFault>) -> Result<(), Error> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(faults))
    }
}
