//! The one error body of the API: a problem document (RFC 9457).
//!
//! It tells what is wrong in a sentence, names faulty fields, and carries the request's id. Causes
//! of internal faults go to the log, never into the document.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::fault::FieldFault;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::app::Error;

/// A refusal, ready to be sent. The request's id is added on the way out, from the response's own
/// header, by the router's layer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    faults: Vec<FieldFault>,
    retry_after_s: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[FieldFault]>::is_empty")]
    faults: &'a [FieldFault],
}

impl Problem {
    /// A problem of this status, said in a sentence.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            faults: Vec::new(),
            retry_after_s: None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Unknown => StatusCode::UNAUTHORIZED,
            Error::Denied { .. } => StatusCode::FORBIDDEN,
            Error::Conflict { .. } => StatusCode::CONFLICT,
            Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, detail);
        match error {
            Error::Invalid(faults) => problem.faults = faults,
            Error::Busy { retry_after } => {
                problem.retry_after_s = Some(retry_after.as_secs().max(1));
            }
            Error::Internal(cause) => {
                tracing::error!(error = crate::log::chain(&*cause), "a request failed");
            }
            Error::NotFound { .. }
            | Error::Unknown
            | Error::Denied { .. }
            | Error::Conflict { .. } => {}
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            faults: &self.faults,
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer to an address that is not of the API.
pub(super) async fn no_such_address() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// The answer to a method that an address does not have.
pub(super) async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not have this method",
    )
}
