//! A form as it was sent: every value that was typed, and what is wrong with each.
//!
//! In: the pairs of a form's body. Out: contract types, or the same form with its faults, so that nobody
//! types anything twice. Invariant: a value leaves this module only parsed or to be shown again (escaped).
//! It does not know which fields a page has.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequest, Request};
use contract::fault::FieldFault;
use contract::secret::Secret;

use super::failure::Failure;
use crate::app::Error;

/// One choice of a field with a closed list.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// What is sent.
    pub(crate) value: String,
    /// What people read.
    pub(crate) label: String,
    /// What it means; may be empty.
    pub(crate) help: String,
}

impl Choice {
    /// A choice that needs no explanation.
    pub(crate) fn new(value: impl Display, label: impl Into<String>) -> Self {
        Self {
            value: value.to_string(),
            label: label.into(),
            help: String::new(),
        }
    }

    /// The same, with what it means.
    pub(crate) fn meaning(self, help: impl Into<String>) -> Self {
        Self {
            help: help.into(),
            ..self
        }
    }
}

/// What was typed, by field, and what is wrong with it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Form {
    values: BTreeMap<String, Vec<String>>,
    faults: Vec<FieldFault>,
    conflict: Option<String>,
}

impl Form {
    /// A form with this value in a field.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.values
            .entry(name.to_owned())
            .or_default()
            .push(value.to_string());
        self
    }

    /// A form with these values in a field, each of them chosen.
    pub(crate) fn with_all<T: Display>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let values = values.into_iter().map(|value| value.to_string());
        self.values
            .entry(name.to_owned())
            .or_default()
            .extend(values);
        self
    }

    /// The same form with this value where nothing was typed.
    pub(crate) fn or(self, name: &str, value: &str) -> Self {
        if self.value(name).is_empty() {
            self.without(name).with(name, value)
        } else {
            self
        }
    }

    /// The same form with this field empty.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.values.remove(name);
        self
    }

    /// What stands in a field; nothing typed is an empty text.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values
            .get(name)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }

    /// All that stands in a field.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The values of a list, one a line.
    pub(crate) fn lines(&self, name: &str) -> String {
        self.all(name).join("\n")
    }

    /// Whether a choice is made.
    pub(crate) fn has(&self, name: &str, value: impl Display) -> bool {
        let value = value.to_string();
        self.all(name).contains(&value)
    }

    /// All fields whose names begin so, without that beginning.
    pub(crate) fn below(&self, prefix: &str) -> BTreeMap<String, Vec<String>> {
        self.values
            .iter()
            .filter_map(|(name, values)| {
                Some((name.strip_prefix(prefix)?.to_owned(), values.clone()))
            })
            .collect()
    }

    /// What is wrong with a field.
    pub(crate) fn fault(&self, name: &str) -> Option<&str> {
        self.faults
            .iter()
            .find(|fault| fault.field == name)
            .map(|fault| fault.message.as_str())
    }

    /// All that is wrong: the field's name, the same in words, and what is wrong with it.
    pub(crate) fn faults(&self) -> Vec<(&str, String, &str)> {
        self.faults
            .iter()
            .map(|fault| {
                (
                    fault.field.as_str(),
                    fault.field.replace(['_', '.'], " "),
                    fault.message.as_str(),
                )
            })
            .collect()
    }

    /// How many fields are wrong, in words.
    pub(crate) fn faults_in_words(&self) -> &'static str {
        if self.faults.len() == 1 {
            "One field cannot be accepted"
        } else {
            "Some fields cannot be accepted"
        }
    }

    /// What it contradicts.
    pub(crate) fn conflict(&self) -> Option<&str> {
        self.conflict.as_deref()
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.conflict.is_none()
    }

    /// Marks a field as wrong.
    pub(crate) fn blame(&mut self, name: &str, message: impl Display) {
        self.faults.push(FieldFault::new(name, message));
    }

    /// Parses a field; what is wrong is marked and nothing is given.
    pub(crate) fn take<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.value(name).trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.blame(name, error);
                None
            }
        }
    }

    /// Parses a field that may be left empty.
    pub(crate) fn take_optional<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.value(name).trim().is_empty() {
            None
        } else {
            self.take(name)
        }
    }

    /// Parses a number, and says what would be accepted.
    pub(crate) fn take_number<T: FromStr>(&mut self, name: &str, accepted: &str) -> Option<T> {
        let parsed = self.value(name).trim().parse().ok();
        if parsed.is_none() {
            self.blame(name, accepted);
        }
        parsed
    }

    /// Parses each value of a list, where a value may hold several lines.
    pub(crate) fn take_list<T>(&mut self, name: &str) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let texts: Vec<String> = self
            .all(name)
            .iter()
            .flat_map(|value| value.lines())
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        let mut items = Vec::with_capacity(texts.len());
        for text in texts {
            match text.parse() {
                Ok(item) => items.push(item),
                Err(error) => self.blame(name, format!("`{text}`: {error}")),
            }
        }
        items
    }

    /// Takes a secret out of the form, so that it is not shown again.
    pub(crate) fn take_secret(&mut self, name: &str) -> Secret {
        let value = self
            .values
            .remove(name)
            .and_then(|mut values| values.pop())
            .unwrap_or_default();
        Secret::new(value)
    }

    /// Keeps what a verb says against this form. Other errors are handed back.
    pub(crate) fn answer<T>(&mut self, outcome: Result<T, Error>) -> Result<Option<T>, Error> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Error::Invalid(faults)) => {
                self.faults.extend(faults);
                Ok(None)
            }
            Err(Error::Conflict { message }) => {
                self.conflict = Some(message);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The status of the page that shows this form again.
    pub(crate) fn status(&self) -> http::StatusCode {
        if !self.faults.is_empty() {
            http::StatusCode::UNPROCESSABLE_ENTITY
        } else if self.conflict.is_some() {
            http::StatusCode::CONFLICT
        } else {
            http::StatusCode::OK
        }
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            form.values.entry(name).or_default().push(value);
        }
        form
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let axum::extract::Form(pairs) =
            axum::extract::Form::<Vec<(String, String)>>::from_request(request, state)
                .await
                .map_err(|_| Failure::malformed("the form could not be read"))?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_typed_beside_what_is_wrong_with_it() {
        let mut form = Form::default()
            .with("port", "99999")
            .with("networks", "10.0.0.1\n10.0.0.999");
        assert_eq!(form.take::<u16>("port"), None);
        assert_eq!(form.take_list::<std::net::Ipv4Addr>("networks").len(), 1);
        assert_eq!(form.value("port"), "99999");
        assert!(
            form.fault("port").is_some() && form.fault("networks").unwrap().contains("10.0.0.999")
        );
        assert_eq!(form.status(), 422);
    }

    #[test]
    fn a_conflict_keeps_the_form_and_other_errors_go_on() {
        let mut form = Form::default().with("name", "a");
        let outcome: Result<(), Error> = Err(Error::conflict("taken"));
        assert!(form.answer(outcome).unwrap().is_none());
        assert_eq!(
            (form.status().as_u16(), form.conflict()),
            (409, Some("taken"))
        );
        assert!(
            form.answer::<()>(Err(Error::NotFound { noun: "edge" }))
                .is_err()
        );
    }

    #[test]
    fn a_secret_is_not_shown_again() {
        let mut form = Form::default().with("password", "hush");
        assert_eq!(form.take_secret("password").expose(), "hush");
        assert_eq!(form.value("password"), "");
    }
}
