//! Verbs on assignments: list, show, assign, update, unassign; reassign many clients at once; tell
//! how many live sessions a change would touch.

use std::collections::HashSet;

use contract::client::{Client, Group};
use contract::fault::FieldFault;
use contract::id::{AssignmentId, ClientId, GroupId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject as About};
use super::error::accept;
use super::record::present;
use super::{App, Caller, Error, Listing, Permission, Window, record};
use crate::store::assignments::subject_key;
use crate::store::clusters::Cluster;
use crate::store::edges;
use crate::store::record::{all_where, by_id, put, remove};

pub use contract::assignment::{Assignment, Elsewhere, Subject, Target};

const ASSIGNMENT: &str = "assignment";
/// The most clients that one call reassigns; chosen, because it is one transaction.
pub const MOST_AT_ONCE: usize = 10_000;

/// The most networks whose sessions are counted at once.
const MOST_NETWORKS: usize = 100;

/// Which clients shall belong where from now on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reassignment {
    /// The clients.
    pub clients: Vec<ClientId>,
    /// Where they belong.
    pub target: Target,
    /// What happens to them elsewhere.
    #[serde(default = "relay")]
    pub elsewhere: Elsewhere,
}

const fn relay() -> Elsewhere {
    Elsewhere::Relay
}

/// What a reassignment did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reassigned {
    /// The assignments as they are now.
    pub assignments: Vec<Assignment>,
    /// Live sessions of these clients at that moment: the edges judge them again.
    pub sessions: u64,
    /// The generation in which it is in force.
    pub generation: u64,
}

/// What a change would touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// Live sessions.
    pub sessions: u64,
}

/// An assignment to begin a new one from: enabled, relaying elsewhere.
#[must_use]
pub fn blank(subject: Subject, target: Target) -> Assignment {
    Assignment {
        id: AssignmentId::new(),
        subject,
        target,
        elsewhere: Elsewhere::Relay,
        order: 0,
        enabled: true,
    }
}

/// Lists assignments by id, the oldest first.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<Assignment>, Error> {
    record::list(app, caller, window, |assignment: &Assignment| {
        assignment.id.to_string()
    })
    .await
}

/// The assignments of one subject.
///
/// # Errors
/// [`Error::Denied`].
pub async fn of_subject(
    app: &App,
    caller: &Caller,
    subject: &Subject,
) -> Result<Vec<Assignment>, Error> {
    caller.needs(Permission::Read)?;
    Ok(all_where(
        &mut *app.store().read().await?,
        "subject",
        &subject_key(subject),
    )
    .await?)
}

/// One assignment.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: AssignmentId) -> Result<Assignment, Error> {
    record::show(app, caller, id, ASSIGNMENT).await
}

/// Makes an assignment; it gets an id of its own.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`].
pub async fn assign(app: &App, caller: &Caller, wanted: Assignment) -> Result<Assignment, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let assignment = Assignment {
        id: AssignmentId::new(),
        ..wanted
    };
    let name = check(&mut change, &assignment.subject, &assignment.target).await?;
    keep(&mut change, "assign", &name, &assignment, None).await?;
    change.commit().await?;
    Ok(assignment)
}

/// Changes an assignment: `edit` makes of it what it shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: AssignmentId,
    edit: impl FnOnce(Assignment) -> Result<Assignment, Error> + Send,
) -> Result<Assignment, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Assignment = present(&mut change, id, ASSIGNMENT).await?;
    let after = Assignment {
        id,
        ..edit(before.clone())?
    };
    let name = check(&mut change, &after.subject, &after.target).await?;
    keep(&mut change, "update", &name, &after, Some(&before)).await?;
    change.commit().await?;
    Ok(after)
}

/// Removes an assignment.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn unassign(app: &App, caller: &Caller, id: AssignmentId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let assignment: Assignment = present(&mut change, id, ASSIGNMENT).await?;
    let generation = change.generation();
    remove(change.conn(), &assignment, generation).await?;
    let name = match subject_name(&mut change, &assignment.subject).await? {
        Ok(name) => name,
        // Its subject may be gone; then its key must do.
        Err(_) => subject_key(&assignment.subject),
    };
    let subject = About::new(Noun::Assignments, id, name);
    change.note("unassign", subject, Some(&assignment), None)?;
    change.commit().await?;
    Ok(())
}

/// Makes clients belong elsewhere, all in one change: of each the assignment that governs it is
/// changed, or one is made.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] when a client or the target does not exist.
pub async fn reassign(
    app: &App,
    caller: &Caller,
    wanted: &Reassignment,
) -> Result<Reassigned, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    if wanted.clients.is_empty() || wanted.clients.len() > MOST_AT_ONCE {
        return Err(Error::field(
            "clients",
            format!("name 1 to {MOST_AT_ONCE} clients"),
        ));
    }
    let mut clients: HashSet<ClientId> = HashSet::with_capacity(wanted.clients.len());
    let mut assignments = Vec::with_capacity(wanted.clients.len());
    for client in &wanted.clients {
        if !clients.insert(*client) {
            // Named twice is moved once.
            continue;
        }
        let subject = Subject::Client { client: *client };
        let name = check(&mut change, &subject, &wanted.target).await?;
        let mut present: Vec<Assignment> =
            all_where(change.conn(), "subject", &subject_key(&subject)).await?;
        present.sort_by_key(|assignment| (!assignment.enabled, assignment.order, assignment.id));
        let before = present.into_iter().next();
        let after = Assignment {
            target: wanted.target,
            elsewhere: wanted.elsewhere,
            enabled: true,
            ..before
                .clone()
                .unwrap_or_else(|| blank(subject, wanted.target))
        };
        keep(&mut change, "reassign", &name, &after, before.as_ref()).await?;
        assignments.push(after);
    }
    let generation = change.commit().await?;
    let sessions = app.live().count_of_clients(&clients);
    Ok(Reassigned {
        assignments,
        sessions,
        generation,
    })
}

/// How many live sessions a change for these subjects would touch.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for too many networks.
pub fn impact(app: &App, caller: &Caller, subjects: &[Subject]) -> Result<Impact, Error> {
    caller.needs(Permission::Read)?;
    let touched = Touched::by(subjects)?;
    let sessions = app.publisher().with_directory(|directory| {
        app.live().count(|session| {
            touched.everyone
                || session.client.is_some_and(|id| {
                    touched.clients.contains(&id)
                        || !touched.groups.is_empty()
                            && directory.client(id).is_some_and(|client| {
                                client
                                    .groups
                                    .iter()
                                    .any(|group| touched.groups.contains(group))
                            })
                })
                || touched
                    .networks
                    .iter()
                    .any(|network| network.contains(&session.addr.to_canonical()))
        })
    });
    Ok(Impact { sessions })
}

/// Subjects sorted so that looking a session up costs the same for one as for ten thousand.
#[derive(Default)]
struct Touched {
    clients: HashSet<ClientId>,
    groups: HashSet<GroupId>,
    networks: Vec<IpNet>,
    everyone: bool,
}

impl Touched {
    fn by(subjects: &[Subject]) -> Result<Self, Error> {
        let mut touched = Self::default();
        for subject in subjects {
            match subject {
                Subject::Client { client } => drop(touched.clients.insert(*client)),
                Subject::Group { group } => drop(touched.groups.insert(*group)),
                Subject::Network { network } => touched.networks.push(*network),
                Subject::Everyone => touched.everyone = true,
            }
        }
        // Each of these is looked at for each session.
        if touched.networks.len() > MOST_NETWORKS {
            return Err(Error::field(
                "subjects",
                format!("name at most {MOST_NETWORKS} networks"),
            ));
        }
        Ok(touched)
    }
}

async fn keep(
    change: &mut Change,
    verb: &'static str,
    name: &str,
    after: &Assignment,
    before: Option<&Assignment>,
) -> Result<(), Error> {
    let generation = change.generation();
    put(change.conn(), after, generation).await?;
    let subject = About::new(Noun::Assignments, after.id, name);
    change.note(verb, subject, before, Some(after))
}

/// Checks both ends, and gives what people call the subject.
async fn check(change: &mut Change, subject: &Subject, target: &Target) -> Result<String, Error> {
    let mut faults = Vec::new();
    let name = match subject_name(change, subject).await? {
        Ok(name) => name,
        Err(fault) => {
            faults.push(fault);
            String::new()
        }
    };
    let missing = match target {
        Target::Edge { edge } => match edges::by_id(change.conn(), *edge).await? {
            Some(edge) if !edge.marks.retired => None,
            Some(edge) => Some(format!("edge `{}` is retired", edge.name)),
            None => Some(format!("there is no edge `{edge}`")),
        },
        Target::Cluster { cluster } => match by_id::<Cluster>(change.conn(), cluster).await? {
            Some(_) => None,
            None => Some(format!("there is no cluster `{cluster}`")),
        },
    };
    faults.extend(missing.map(|message| FieldFault::new("target", message)));
    accept(faults)?;
    Ok(name)
}

async fn subject_name(
    change: &mut Change,
    subject: &Subject,
) -> Result<Result<String, FieldFault>, Error> {
    let found = match subject {
        Subject::Client { client } => by_id::<Client>(change.conn(), client)
            .await?
            .map(|client| client.name.to_string()),
        Subject::Group { group } => by_id::<Group>(change.conn(), group)
            .await?
            .map(|group| group.name.to_string()),
        Subject::Network { .. } | Subject::Everyone => Some(subject_key(subject)),
    };
    Ok(found.ok_or_else(|| {
        FieldFault::new("subject", format!("there is no `{}`", subject_key(subject)))
    }))
}
