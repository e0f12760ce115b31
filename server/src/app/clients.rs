//! Verbs on registered clients: list, show, create, update, delete; make and remove a stream
//! password.
//!
//! A stream password is made by us, of high entropy, and shown once. What it is checked against
//! goes to the edges and to nobody else: a [`ClientSummary`] only says whether there is one.

use contract::assignment::Assignment;
use contract::client::{Client, StreamPassword};
use contract::fault::FieldFault;
use contract::id::{ClientId, GroupId};
use contract::limit::Limits;
use contract::name::Name;
use contract::rule::Rule;
use contract::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::record::{name_is_free, not_named_by, present};
use super::{App, Caller, Error, Listing, Permission, Window, random, record};
use crate::store::record::{Scoped, all_where, by_id, put, remove};

const CLIENT: &str = "client";

/// A registered client as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientSummary {
    /// Its id.
    pub id: ClientId,
    /// What can be changed of it.
    #[serde(flatten)]
    pub settings: ClientSettings,
    /// Whether it has a stream password.
    pub has_stream_password: bool,
}

/// What can be changed of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// What people call it; also the user name of its stream password.
    pub name: Name,
    /// A client that is not enabled is refused wherever it is recognized.
    pub enabled: bool,
    /// The groups it belongs to.
    pub groups: Vec<GroupId>,
    /// Addresses by which it is recognized; empty means none.
    pub networks: Vec<IpNet>,
    /// What it may have at once, over the whole cluster.
    pub limits: Limits,
}

/// A stream password that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeStreamPassword {
    /// Whose it is; the user name to sign in with.
    pub name: Name,
    /// The password; it cannot be shown again.
    pub password: Secret,
}

impl ClientSettings {
    /// Settings to begin a new client from: enabled, in no group, of no network.
    #[must_use]
    pub fn blank(name: Name) -> Self {
        Self {
            name,
            enabled: true,
            groups: Vec::new(),
            networks: Vec::new(),
            limits: Limits::default(),
        }
    }
}

fn summary(client: &Client) -> ClientSummary {
    ClientSummary {
        id: client.id,
        settings: ClientSettings {
            name: client.name.clone(),
            enabled: client.enabled,
            groups: client.groups.clone(),
            networks: client.networks.clone(),
            limits: client.limits,
        },
        has_stream_password: client.stream_password.is_some(),
    }
}

/// Lists clients by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<ClientSummary>, Error> {
    let list = record::list(app, caller, window, |client: &Client| {
        client.name.to_string()
    })
    .await?;
    Ok(Listing {
        items: list.items.iter().map(summary).collect(),
        next: list.next,
    })
}

/// One client.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: ClientId) -> Result<ClientSummary, Error> {
    let client = record::show(app, caller, id, CLIENT).await?;
    Ok(summary(&client))
}

/// Registers a client.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(
    app: &App,
    caller: &Caller,
    settings: ClientSettings,
) -> Result<ClientSummary, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let client = with_settings(ClientId::new(), settings, None);
    check(&mut change, &client).await?;
    let shown = summary(&client);
    keep(&mut change, "create", &client, None).await?;
    change.commit().await?;
    Ok(shown)
}

/// Changes a client: `edit` makes of its settings what they shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: ClientId,
    edit: impl FnOnce(ClientSettings) -> Result<ClientSettings, Error> + Send,
) -> Result<ClientSummary, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Client = present(&mut change, id, CLIENT).await?;
    let wanted = edit(summary(&before).settings)?;
    if wanted.name != before.name && before.stream_password.is_some() {
        return Err(Error::field(
            "name",
            "the stream password belongs to the name; remove it first, make a new one after",
        ));
    }
    let after = with_settings(id, wanted, before.stream_password.clone());
    check(&mut change, &after).await?;
    keep(&mut change, "update", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(summary(&after))
}

/// Removes a client together with its assignments.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when a rule names it.
pub async fn delete(app: &App, caller: &Caller, id: ClientId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let client: Client = present(&mut change, id, CLIENT).await?;
    not_named_by(&mut change, id, |rule: &Scoped<Rule>| {
        format!("rule `{}`", rule.it.name)
    })
    .await?;
    let generation = change.generation();
    let assignments: Vec<Assignment> = all_where(change.conn(), "subject", &id.to_string()).await?;
    remove(change.conn(), &client, generation).await?;
    let subject = Subject::new(Noun::Clients, id, &client.name);
    change.note("delete", subject, Some(&summary(&client)), None)?;
    for assignment in &assignments {
        remove(change.conn(), assignment, generation).await?;
        let subject = Subject::new(Noun::Assignments, assignment.id, &client.name);
        change.note("unassign", subject, Some(assignment), None)?;
    }
    change.commit().await?;
    Ok(())
}

/// Gives a client a new stream password; the one before opens nothing from now on.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn make_stream_password(
    app: &App,
    caller: &Caller,
    id: ClientId,
) -> Result<MadeStreamPassword, Error> {
    let mut change = Change::begin(app, caller, Permission::MakeSecrets).await?;
    let before: Client = present(&mut change, id, CLIENT).await?;
    let password = random::short_secret();
    let salt = random::short_secret();
    let digest = StreamPassword::new(before.name.as_str(), salt.expose(), password.expose());
    let after = Client {
        stream_password: Some(digest),
        ..before.clone()
    };
    keep(&mut change, "make_stream_password", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(MadeStreamPassword {
        name: after.name,
        password,
    })
}

/// Takes a client's stream password away.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn remove_stream_password(app: &App, caller: &Caller, id: ClientId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::MakeSecrets).await?;
    let before: Client = present(&mut change, id, CLIENT).await?;
    let after = Client {
        stream_password: None,
        ..before.clone()
    };
    keep(&mut change, "remove_stream_password", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(())
}

fn with_settings(
    id: ClientId,
    settings: ClientSettings,
    stream_password: Option<StreamPassword>,
) -> Client {
    let ClientSettings {
        name,
        enabled,
        groups,
        networks,
        limits,
    } = settings;
    Client {
        id,
        name,
        enabled,
        groups,
        networks,
        stream_password,
        limits,
    }
}

async fn keep(
    change: &mut Change,
    verb: &'static str,
    after: &Client,
    before: Option<&Client>,
) -> Result<(), Error> {
    let generation = change.generation();
    put(change.conn(), after, generation).await?;
    let subject = Subject::new(Noun::Clients, after.id, &after.name);
    change.note(
        verb,
        subject,
        before.map(summary).as_ref(),
        Some(&summary(after)),
    )
}

async fn check(change: &mut Change, client: &Client) -> Result<(), Error> {
    let mut faults = client.limits.faults();
    if client.name.as_str().contains([':', '@', '/']) {
        faults.push(FieldFault::new(
            "name",
            "`:`, `@` and `/` cannot stand in a name that is typed into a URL",
        ));
    }
    for group in &client.groups {
        if by_id::<contract::client::Group>(change.conn(), group)
            .await?
            .is_none()
        {
            faults.push(FieldFault::new(
                "groups",
                format!("there is no group `{group}`"),
            ));
        }
    }
    accept(faults)?;
    name_is_free::<Client>(change, &client.name, client.id, CLIENT).await
}
