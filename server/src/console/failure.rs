//! A page that could not be shown: what happened in words, and a way back.
//!
//! In: an error of the verbs. Out: a status, and the words that `visitor::seat` draws in the frame of who asked.
//! Invariant: an internal cause goes to the log and never to the page.

use std::str::FromStr;

use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::app::Error;

/// What the error page says. It travels as an extension of the answer.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// What happened.
    pub(crate) title: String,
    /// What to do about it.
    pub(crate) text: String,
    retry_after_s: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            text: text.into(),
            retry_after_s: None,
        }
    }

    /// A request that cannot be read.
    pub(crate) fn malformed(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This request cannot be read", text)
    }

    /// An address that leads nowhere.
    pub(crate) fn no_page() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no such page",
            "The address may be old, or what it named was deleted.",
        )
    }

    /// A page that must be asked for after signing in.
    pub(crate) fn unknown() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Sign in first",
            "Your login has ended, or you have not signed in yet.",
        )
    }
}

/// An id out of an address. Anything else leads nowhere.
pub(crate) fn id_in<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::no_page())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { noun } => Self::new(
                StatusCode::NOT_FOUND,
                format!("There is no such {noun}"),
                "It may have been deleted since this address was made.",
            ),
            Error::Unknown => Self::unknown(),
            Error::Denied { needs } => Self::new(
                StatusCode::FORBIDDEN,
                "Your role may not do this",
                format!(
                    "This needs the right to {needs}. An administrator can give you a role that has it."
                ),
            ),
            Error::Conflict { message } => Self::new(
                StatusCode::CONFLICT,
                "This contradicts what is there",
                format!("{message}."),
            ),
            Error::Invalid(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "This cannot be accepted",
                    format!("{}.", faults.join("; ")),
                )
            }
            Error::Busy { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let words = super::parts::duration(seconds.saturating_mul(1_000));
                Self {
                    retry_after_s: Some(seconds),
                    ..Self::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "Too much at once",
                        format!("The same step may succeed in {words}."),
                    )
                }
            }
            Error::Internal(cause) => {
                tracing::error!(error = %crate::log::chain(cause.as_ref()), "a page failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This is a fault of ours",
                    "It has been logged. Nothing was changed unless a page said so.",
                )
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
