//! The conditions of a rule: a file a kind, with its fields, its form, its meaning and its
//! sentence. Stored and sent as JSON tagged by `kind`, so that a new kind is its file and one line
//! in the list below.

mod action;
mod app;
mod client;
mod group;
mod ingress;
mod network;
mod page;
mod stream;
mod time_window;
mod user_agent;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::pattern::Pattern;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It is about something that this connection has not said yet.
    NotYet,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// One field of a condition, as a form shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What stands beside it.
    pub label: &'static str,
    /// What is accepted, with an example.
    pub help: &'static str,
    /// What is typed or chosen.
    pub input: Input,
}

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A list, one a line.
    Lines,
    /// Any number of these: (value, what people read).
    Choices(&'static [(&'static str, &'static str)]),
    /// Any number of registered clients, by id.
    Clients,
    /// Any number of groups, by id.
    Groups,
    /// One short text.
    Text,
}

/// What each kind of condition must tell of itself.
trait Kind {
    /// What people call it.
    const LABEL: &'static str;
    /// Its form.
    const FIELDS: &'static [Field];
    /// Its meaning.
    fn holds(&self, facts: &Facts) -> Holds;
    /// How it is read aloud, after "when". `name_of` turns an id into a name.
    fn sentence(&self, name_of: &dyn Fn(&str) -> Option<String>) -> String;
    /// What is wrong with its values.
    fn faults(&self) -> Vec<FieldFault>;
}

macro_rules! kinds {
    ($($name:ident = $tag:literal in $module:ident;)*) => {
        $(pub use $module::$name;)*

        /// One condition of a rule.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum Condition {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] #[serde(rename = $tag)] $name($name),)*
        }

        impl Condition {
            /// Every kind: its tag, what people call it, its form.
            pub const KINDS: &'static [(&'static str, &'static str, &'static [Field])] =
                &[$(($tag, <$name as Kind>::LABEL, <$name as Kind>::FIELDS)),*];

            /// The tag of this kind in JSON.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $tag,)* }
            }

            /// Whether it holds.
            #[must_use]
            pub fn holds(&self, facts: &Facts) -> Holds {
                match self { $(Self::$name(condition) => condition.holds(facts),)* }
            }

            /// How it is read aloud, after "when". `name_of` turns an id into a name.
            #[must_use]
            pub fn sentence(&self, name_of: &dyn Fn(&str) -> Option<String>) -> String {
                match self { $(Self::$name(condition) => condition.sentence(name_of),)* }
            }

            /// What is wrong with its values, by field.
            #[must_use]
            pub fn faults(&self) -> Vec<FieldFault> {
                match self { $(Self::$name(condition) => condition.faults(),)* }
            }
        }
    };
}

kinds! {
    Network = "network" in network;
    Client = "client" in client;
    Group = "group" in group;
    App = "app" in app;
    Stream = "stream" in stream;
    Action = "action" in action;
    Ingress = "ingress" in ingress;
    Page = "page" in page;
    UserAgent = "user_agent" in user_agent;
    TimeWindow = "time_window" in time_window;
}

impl Condition {
    /// Makes a condition from the fields of a form: each name with all its values, in which
    /// [`Input::Lines`] may still hold line breaks.
    ///
    /// # Errors
    /// The field that cannot be accepted.
    pub fn from_form(
        kind: &str,
        values: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, Vec<FieldFault>> {
        let Some((tag, _, fields)) = Self::KINDS.iter().find(|(tag, _, _)| *tag == kind) else {
            return Err(vec![FieldFault::new(
                "kind",
                format!("`{kind}` is not a kind of condition"),
            )]);
        };
        let mut object = Map::new();
        object.insert("kind".to_owned(), Value::from(*tag));
        for field in *fields {
            let given = values
                .get(field.name)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let value = match field.input {
                Input::Text => Value::from(given.first().map_or("", |text| text.trim())),
                Input::Lines | Input::Choices(_) | Input::Clients | Input::Groups => given
                    .iter()
                    .flat_map(|text| text.lines())
                    .map(str::trim)
                    .filter(|text| !text.is_empty())
                    .map(Value::from)
                    .collect(),
            };
            object.insert(field.name.to_owned(), value);
        }
        let first = fields.first().map_or("kind", |field| field.name);
        let condition: Self = serde_json::from_value(Value::Object(object))
            .map_err(|error| vec![FieldFault::new(first, error)])?;
        let faults = condition.faults();
        if faults.is_empty() {
            Ok(condition)
        } else {
            Err(faults)
        }
    }

    /// The values of the form that would make this condition.
    #[must_use]
    pub fn to_form(&self) -> BTreeMap<String, Vec<String>> {
        let value = serde_json::to_value(self).expect("a condition has only text keys");
        let text = |value: Value| match value {
            Value::String(text) => text,
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => other.to_string(),
        };
        let Value::Object(object) = value else {
            return BTreeMap::new();
        };
        object
            .into_iter()
            .filter(|(name, _)| name != "kind")
            .map(|(name, value)| match value {
                Value::Array(items) => (name, items.into_iter().map(text).collect()),
                single @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => (name, vec![text(single)]),
            })
            .collect()
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any_of<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// An empty list would never hold, which nobody means.
fn must_name_one<T>(field: &str, items: &[T]) -> Vec<FieldFault> {
    if items.is_empty() {
        vec![FieldFault::new(field, "name at least one")]
    } else {
        Vec::new()
    }
}

/// Whether a text that may not be known matches one of the patterns.
fn matches_one(patterns: &[Pattern], text: Option<&str>) -> bool {
    text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_goes_through_its_form_and_back() {
        let examples = [
            r#"{"kind":"network","networks":["10.0.0.0/8","2001:db8::/32"]}"#,
            r#"{"kind":"client","clients":["client_00000000000000000000000001"]}"#,
            r#"{"kind":"group","groups":["group_00000000000000000000000001"]}"#,
            r#"{"kind":"app","patterns":["live","live/*"]}"#,
            r#"{"kind":"stream","patterns":["cam*"]}"#,
            r#"{"kind":"action","actions":["publish"]}"#,
            r#"{"kind":"ingress","ingresses":["rtmp","rtmps"]}"#,
            r#"{"kind":"page","patterns":["https://example.org/*"]}"#,
            r#"{"kind":"user_agent","patterns":["Lavf*"]}"#,
            r#"{"kind":"time_window","zone":"Europe/Berlin","days":["mon"],"from":"08:00","until":"18:00"}"#,
        ];
        assert_eq!(examples.len(), Condition::KINDS.len());
        for json in examples {
            let condition: Condition = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&condition).unwrap(), json);
            let again = Condition::from_form(condition.kind(), &condition.to_form()).unwrap();
            assert_eq!(again, condition);
            assert!(!condition.sentence(&|_| None).is_empty());
        }
    }

    #[test]
    fn a_form_says_which_field_is_wrong() {
        let check = |kind: &str, name: &str, value: &str, field: &str| {
            let values = BTreeMap::from([(name.to_owned(), vec![value.to_owned()])]);
            assert_eq!(
                Condition::from_form(kind, &values).unwrap_err()[0].field,
                field
            );
        };
        check("network", "networks", "10.0.0.0/40", "networks");
        check("network", "networks", "", "networks");
        check("time_window", "zone", "Mars/Olympus", "zone");
        check("nonsense", "x", "", "kind");
    }
}
