//! The audit: who did what to what, and what it was before and after.
//!
//! In: entries of the audit. Out: a list that can be narrowed, and one entry with its difference.
//! Invariant: a difference shows only what changed.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use contract::id::AuditId;
use http::StatusCode;
use serde_json::Value;

use super::failure::Failure;
use super::form::{Choice, Form};
use super::page::{Frame, Section};
use super::parts::{When, exact};
use super::visitor::{Answer, Visitor, escaped, show};
use crate::app::Window;
use crate::app::audit::{self, Entry, Filter};

/// The most fields of a difference that are shown; chosen, because nobody reads more.
const DIFFERENCES: usize = 200;

/// The nouns that the audit speaks of, with their names for people.
const NOUNS: [(&str, &str); 15] = [
    ("assignments", "Assignments"),
    ("clients", "Clients"),
    ("clusters", "Clusters"),
    ("edges", "Edges"),
    ("groups", "Groups"),
    ("logins", "Logins"),
    ("origins", "Origins"),
    ("key_sets", "Key sets"),
    ("webhooks", "Webhooks"),
    ("play_tokens", "Play tokens"),
    ("routes", "Routes"),
    ("rules", "Rules"),
    ("sessions", "Sessions"),
    ("tokens", "API tokens"),
    ("users", "Users"),
];

/// One entry as a sentence: who, did, what.
#[derive(Debug)]
pub(crate) struct EntryRow {
    pub(crate) href: String,
    pub(crate) at: When,
    pub(crate) who: String,
    pub(crate) did: String,
    pub(crate) what: String,
    pub(crate) generation: Option<u64>,
    pub(crate) address: String,
}

/// An entry as a line.
pub(crate) fn row(entry: &Entry, now_ms: u64) -> EntryRow {
    EntryRow {
        href: format!("/audit/{}", entry.id),
        at: When::new(entry.at_ms, now_ms),
        who: who(entry),
        did: did(&entry.verb),
        what: what(entry),
        generation: entry.generation,
        address: entry.address.clone().unwrap_or_default(),
    }
}

fn who(entry: &Entry) -> String {
    match entry.actor_kind.as_str() {
        "user" | "server" => entry.actor_name.clone(),
        "token" => format!("API token {}", entry.actor_name),
        kind => format!("{kind} {}", entry.actor_name),
    }
}

/// The kind of thing in the singular, and its name; nothing when somebody did something to themselves.
fn what(entry: &Entry) -> String {
    let is_self = entry.actor_id.as_ref() == Some(&entry.subject_id);
    if is_self || (entry.noun == "logins" && entry.subject_name == entry.actor_name) {
        return String::new();
    }
    let kind = match entry.noun.as_str() {
        "tokens" => "API token".to_owned(),
        noun => noun.strip_suffix('s').unwrap_or(noun).replace('_', " "),
    };
    if entry.subject_name.is_empty() {
        kind
    } else {
        format!("{kind} {}", entry.subject_name)
    }
}

/// A verb in the past: what somebody did.
fn did(verb: &str) -> String {
    match verb {
        "sign_in" => "signed in".to_owned(),
        "sign_out" => "signed out".to_owned(),
        "set_up" => "set up the server with".to_owned(),
        "set_password" => "set another password of".to_owned(),
        "make" => "made".to_owned(),
        "update" => "changed".to_owned(),
        "make_stream_password" => "made a stream password for".to_owned(),
        "remove_stream_password" => "removed the stream password of".to_owned(),
        "undrain" => "took back".to_owned(),
        "reassign" => "reassigned".to_owned(),
        verb => {
            let words = verb.replace('_', " ");
            if words.ends_with('e') {
                format!("{words}d")
            } else {
                format!("{words}ed")
            }
        }
    }
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct ListPage {
    frame: Frame,
    form: Form,
    nouns: Vec<Choice>,
    entries: Vec<EntryRow>,
    next: Option<String>,
    is_narrowed: bool,
}

fn given(form: &Form, name: &str) -> Option<String> {
    let value = form.value(name).trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Lists entries, the newest first.
pub(crate) async fn list(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let form: Form = pairs.into_iter().collect();
    let filter = Filter {
        noun: given(&form, "noun"),
        subject_id: given(&form, "subject_id"),
        actor: given(&form, "actor"),
        verb: given(&form, "verb"),
    };
    let window = Window {
        after: given(&form, "after"),
        limit: None,
    };
    let listing = audit::list(&visitor.app, &visitor.caller, &filter, &window).await?;
    let now_ms = visitor.now_ms();
    let kept = ["noun", "subject_id", "actor", "verb"];
    let next = listing.next.map(|after| {
        let mut href = format!("/audit?after={}", escaped(&after));
        for name in kept {
            if let Some(value) = given(&form, name) {
                href.push_str(&format!("&{name}={}", escaped(&value)));
            }
        }
        href
    });
    let mut nouns = vec![Choice::new("", "Everything")];
    nouns.extend(
        NOUNS
            .into_iter()
            .map(|(value, label)| Choice::new(value, label)),
    );
    let page = ListPage {
        frame: visitor.frame(Section::Audit),
        nouns,
        entries: listing
            .items
            .iter()
            .map(|entry| row(entry, now_ms))
            .collect(),
        next,
        is_narrowed: filter != Filter::default(),
        form,
    };
    Ok(show(StatusCode::OK, &page))
}

/// One field that differs.
#[derive(Debug, PartialEq)]
struct Difference {
    field: String,
    was: Option<String>,
    is: Option<String>,
}

#[derive(Template)]
#[template(path = "audit/show.html")]
struct ShowPage {
    frame: Frame,
    line: EntryRow,
    exact: String,
    request_id: String,
    subject_id: String,
    actor_id: String,
    differences: Vec<Difference>,
    more: bool,
}

/// One entry.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id: AuditId = id.parse().map_err(|_| Failure::no_page())?;
    let entry = audit::show(&visitor.app, &visitor.caller, id).await?;
    let mut differences = differences(entry.before.as_ref(), entry.after.as_ref());
    let more = differences.len() > DIFFERENCES;
    differences.truncate(DIFFERENCES);
    let page = ShowPage {
        frame: visitor.frame(Section::Audit),
        line: row(&entry, visitor.now_ms()),
        exact: exact(entry.at_ms),
        request_id: entry.request_id.unwrap_or_default(),
        subject_id: entry.subject_id,
        actor_id: entry.actor_id.unwrap_or_default(),
        differences,
        more,
    };
    Ok(show(StatusCode::OK, &page))
}

/// The fields that differ between two documents, by their dotted paths.
fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let (was, is) = (flat(before), flat(after));
    let fields: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    fields
        .into_iter()
        .filter(|field| was.get(*field) != is.get(*field))
        .map(|field| Difference {
            field: field.clone(),
            was: was.get(field).cloned(),
            is: is.get(field).cloned(),
        })
        .collect()
}

/// A document as one text a leaf. Lists of plain values stay whole, for they are read whole.
fn flat(document: Option<&Value>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut open: Vec<(String, &Value)> = document
        .map(|value| (String::new(), value))
        .into_iter()
        .collect();
    while let Some((path, value)) = open.pop() {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match value {
            Value::Object(fields) => {
                open.extend(fields.iter().map(|(name, value)| (below(name), value)))
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                open.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(place, value)| (below(&place.to_string()), value)),
                );
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                out.insert(path, items.join(", "));
            }
            leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                out.insert(path, plain(leaf));
            }
        }
    }
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other @ (Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_shows_only_what_changed() {
        let before = json!({"name": "live", "port": 1935, "upstreams": ["a"], "live": {"wait_ms": 1, "linger_ms": 2}});
        let after = json!({"name": "live", "port": null, "upstreams": ["a", "b"], "live": {"wait_ms": 1, "linger_ms": 3}});
        let found = differences(Some(&before), Some(&after));
        let fields: Vec<&str> = found
            .iter()
            .map(|difference| difference.field.as_str())
            .collect();
        assert_eq!(fields, ["live.linger_ms", "port", "upstreams"]);
        assert_eq!(found[2].is.as_deref(), Some("a, b"));
    }

    #[test]
    fn a_new_thing_differs_in_all_it_has() {
        let found = differences(None, Some(&json!({"name": "live"})));
        assert_eq!(
            found,
            [Difference {
                field: "name".into(),
                was: None,
                is: Some("live".into())
            }]
        );
    }

    #[test]
    fn says_verbs_in_the_past() {
        for (verb, expected) in [
            ("create", "created"),
            ("drain", "drained"),
            ("retire", "retired"),
            ("update", "changed"),
            ("end", "ended"),
        ] {
            assert_eq!(did(verb), expected);
        }
    }
}
