//! The form of a thing that has a name and nothing else: clusters and groups.

use askama::Template;
use axum::response::Response;

use super::form::Form;
use super::page::Frame;
use super::visitor::show;

/// A form with one field.
#[derive(Template)]
#[template(path = "named.html")]
pub(crate) struct NamedPage {
    /// The frame.
    pub(crate) frame: Frame,
    /// What the page is called.
    pub(crate) title: String,
    /// What the name is for.
    pub(crate) help: &'static str,
    /// Where the form goes.
    pub(crate) action: String,
    /// The way back.
    pub(crate) back: &'static str,
    /// The name of the way back.
    pub(crate) back_name: &'static str,
    /// Where deleting is asked, if there is something to delete.
    pub(crate) delete: Option<String>,
    /// What was typed.
    pub(crate) form: Form,
}

impl NamedPage {
    /// Shows the form, with its faults if it has any.
    pub(crate) fn respond(self) -> Response {
        show(self.form.status(), &self)
    }
}
