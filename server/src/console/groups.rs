//! Groups of clients: list, add, rename, delete.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::GroupId;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::Form;
use super::named::NamedPage;
use super::page::{Frame, Section};
use super::parts::plural;
use super::visitor::{Answer, Visitor, go, show};
use crate::app::groups::{self, Group};
use crate::app::{Permission, Window, clients};

struct GroupRow {
    id: GroupId,
    name: String,
    members: String,
}

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    groups: Vec<GroupRow>,
}

/// The most names of members in one line of the list; chosen, because a line holds no more.
const NAMED: usize = 6;

/// All groups with their clients.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let groups = groups::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let clients = clients::list(&visitor.app, &visitor.caller, &Window::whole()).await?;
    let is_all = clients.next.is_none();
    let row = |group: Group| {
        let members: Vec<&str> = clients
            .items
            .iter()
            .filter(|client| client.settings.groups.contains(&group.id))
            .map(|client| client.settings.name.as_str())
            .collect();
        let more = members.len().saturating_sub(NAMED);
        let named = members[..members.len() - more].join(", ");
        let members = match (named.is_empty(), more, is_all) {
            (true, _, true) => "none yet".to_owned(),
            (true, _, false) => "none of the first clients".to_owned(),
            (false, 0, _) => named,
            (false, more, _) => format!("{named} and {}", plural(more as u64, "other", "others")),
        };
        GroupRow {
            id: group.id,
            name: group.name.to_string(),
            members,
        }
    };
    let groups = groups.into_iter().map(row).collect();
    let frame = visitor.frame(Section::Clients);
    Ok(show(
        StatusCode::OK,
        &ListPage {
            frame,
            may_change: visitor.may(Permission::ChangeSettings),
            groups,
        },
    ))
}

fn page(visitor: &Visitor, known: Option<&Group>, form: Form) -> Response {
    NamedPage {
        frame: visitor.frame(Section::Clients),
        title: known.map_or_else(|| "Add a group".to_owned(), |group| group.name.to_string()),
        help: "Clients are put into it on their own pages.",
        action: known.map_or_else(
            || "/groups/new".to_owned(),
            |group| format!("/groups/{}", group.id),
        ),
        back: "/groups",
        back_name: "Groups",
        delete: known.map(|group| format!("/groups/{}/delete", group.id)),
        form,
    }
    .respond()
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    Ok(page(&visitor, None, Form::default()))
}

/// Makes a group.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(name) = form.take("name") {
        let made = groups::create(&visitor.app, &visitor.caller, name).await;
        if let Some(group) = form.answer(made)? {
            return Ok(go(
                "/groups",
                format!("The group {} was added.", group.name),
            ));
        }
    }
    Ok(page(&visitor, None, form))
}

/// One group's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let group = groups::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = Form::default().with("name", &group.name);
    Ok(page(&visitor, Some(&group), form))
}

/// Renames a group.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    let group = groups::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(name) = form.take("name") {
        let changed = groups::update(&visitor.app, &visitor.caller, group.id, name).await;
        if form.answer(changed)?.is_some() {
            return Ok(go("/groups", "The group was renamed."));
        }
    }
    Ok(page(&visitor, Some(&group), form))
}

async fn question(visitor: &Visitor, id: GroupId, conflict: Option<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let group = groups::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Clients),
        title: format!("Delete the group {}?", group.name),
        lines: vec![
            "Only a group that no client, rule or assignment names can be deleted.".to_owned(),
        ],
        button: "Delete the group".to_owned(),
        gentle: false,
        action: format!("/groups/{id}/delete"),
        hidden: Vec::new(),
        back: "/groups".to_owned(),
        back_name: "Groups",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes a group that nothing names.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = groups::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/groups", "The group was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}
