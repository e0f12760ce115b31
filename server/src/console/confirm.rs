//! The page before a step that cannot be taken back.
//!
//! In: what would happen, in words. Out: a page with one button that does it and one way back.
//! Invariant: asking changes nothing. It does not know what the step is.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::page::Frame;
use super::visitor::show;

/// A question with one button.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct Confirm {
    /// The frame.
    pub(crate) frame: Frame,
    /// The question.
    pub(crate) title: String,
    /// What would happen, a sentence or two a line.
    pub(crate) lines: Vec<String>,
    /// What the button says.
    pub(crate) button: String,
    /// Whether the step can easily be taken back.
    pub(crate) gentle: bool,
    /// Where the form goes.
    pub(crate) action: String,
    /// What it carries.
    pub(crate) hidden: Vec<(String, String)>,
    /// The way back.
    pub(crate) back: String,
    /// The name of the way back.
    pub(crate) back_name: &'static str,
    /// Why the step was not possible when it was tried.
    pub(crate) conflict: Option<String>,
}

impl Confirm {
    /// Asks, or says why it was not possible.
    pub(crate) fn respond(self) -> Response {
        let status = if self.conflict.is_some() {
            StatusCode::CONFLICT
        } else {
            StatusCode::OK
        };
        show(status, &self)
    }
}
