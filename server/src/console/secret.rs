//! The page that shows a secret once.
//!
//! In: a secret that was just made, and the commands that use it. Out: a page to copy them from.
//! Invariant: the page is the answer to the form that made the secret; it has no address of its own.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::page::Frame;
use super::visitor::show;

/// Something to copy.
pub(crate) struct Line {
    /// What it is.
    pub(crate) label: &'static str,
    /// The text itself.
    pub(crate) text: String,
    /// What to do with it.
    pub(crate) help: String,
}

/// A secret that is shown once.
#[derive(Template)]
#[template(path = "secret.html")]
pub(crate) struct SecretPage {
    /// The frame.
    pub(crate) frame: Frame,
    /// What was made.
    pub(crate) title: String,
    /// Why it must be copied now.
    pub(crate) warning: &'static str,
    /// What to copy.
    pub(crate) lines: Vec<Line>,
    /// The way on.
    pub(crate) back: String,
    /// The name of the section it leads to.
    pub(crate) back_name: &'static str,
    /// What the button that leads on says.
    pub(crate) done: &'static str,
}

impl SecretPage {
    /// Shows it.
    pub(crate) fn respond(self) -> Response {
        show(StatusCode::CREATED, &self)
    }
}
