//! Purging caches: one object, or everything.

use askama::Template;
use axum::response::Response;
use contract::order::PurgeScope;

use super::form::{Choice, Form};
use super::page::{Frame, Section};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::{Permission, purges};

#[derive(Template)]
#[template(path = "purges/new.html")]
struct NewPage {
    frame: Frame,
    scopes: Vec<Choice>,
    form: Form,
}

impl NewPage {
    fn respond(visitor: &Visitor, form: Form) -> Response {
        let scopes = vec![
            Choice::new("url", "One object").meaning("By the address that clients ask for."),
            Choice::new("all", "Everything").meaning("All objects of every route on every edge."),
        ];
        let status = form.status();
        show(
            status,
            &Self {
                frame: visitor.frame(Section::Cache),
                scopes,
                form,
            },
        )
    }
}

/// Asks what goes.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::Purge)?;
    Ok(NewPage::respond(
        &visitor,
        Form::default().with("scope", "url"),
    ))
}

/// Orders the purge.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::Purge)?;
    let scope = match form.value("scope") {
        "all" => Some(PurgeScope::All),
        "url" => Some(PurgeScope::Url {
            url: form.value("url").trim().to_owned(),
        }),
        _ => None,
    };
    match scope {
        None => form.blame("scope", "choose one object or everything"),
        Some(scope) => {
            let ordered = purges::create(&visitor.app, &visitor.caller, scope).await;
            if let Some(purge) = form.answer(ordered)? {
                let note = format!("Order {} was given to every edge.", purge.order);
                return Ok(go("/orders", note));
            }
        }
    }
    Ok(NewPage::respond(&visitor, form))
}
