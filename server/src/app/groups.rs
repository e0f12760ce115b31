//! Verbs on groups of clients: list, show, create, update, delete.

use contract::assignment::Assignment;
use contract::client::Client;
use contract::id::GroupId;
use contract::name::Name;
use contract::rule::Rule;

use super::change::{Change, Noun, Subject};
use super::record::{name_is_free, not_named_by, present};
use super::{App, Caller, Error, Listing, Permission, Window, record};
use crate::store::record::{Scoped, put, remove};

pub use contract::client::Group;

const GROUP: &str = "group";

/// Lists groups by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, window: &Window) -> Result<Listing<Group>, Error> {
    record::list(app, caller, window, |group: &Group| group.name.to_string()).await
}

/// One group.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: GroupId) -> Result<Group, Error> {
    record::show(app, caller, id, GROUP).await
}

/// Makes a group.
///
/// # Errors
/// [`Error::Denied`], [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, caller: &Caller, name: Name) -> Result<Group, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let group = Group {
        id: GroupId::new(),
        name,
    };
    name_is_free::<Group>(&mut change, &group.name, group.id, GROUP).await?;
    let generation = change.generation();
    put(change.conn(), &group, generation).await?;
    let subject = Subject::new(Noun::Groups, group.id, &group.name);
    change.note("create", subject, None, Some(&group))?;
    change.commit().await?;
    Ok(group)
}

/// Changes a group's name.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when the name is taken.
pub async fn update(app: &App, caller: &Caller, id: GroupId, name: Name) -> Result<Group, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Group = present(&mut change, id, GROUP).await?;
    let after = Group { id, name };
    name_is_free::<Group>(&mut change, &after.name, id, GROUP).await?;
    let generation = change.generation();
    put(change.conn(), &after, generation).await?;
    let subject = Subject::new(Noun::Groups, id, &after.name);
    change.note("update", subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Removes a group that nothing names.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when a client, rule or assignment
/// names it.
pub async fn delete(app: &App, caller: &Caller, id: GroupId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let group: Group = present(&mut change, id, GROUP).await?;
    not_named_by(&mut change, id, |client: &Client| {
        format!("client `{}`", client.name)
    })
    .await?;
    not_named_by(&mut change, id, |rule: &Scoped<Rule>| {
        format!("rule `{}`", rule.it.name)
    })
    .await?;
    not_named_by(&mut change, id, |assignment: &Assignment| {
        format!("assignment `{}`", assignment.id)
    })
    .await?;
    let generation = change.generation();
    remove(change.conn(), &group, generation).await?;
    let subject = Subject::new(Noun::Groups, id, &group.name);
    change.note("delete", subject, Some(&group), None)?;
    change.commit().await?;
    Ok(())
}
