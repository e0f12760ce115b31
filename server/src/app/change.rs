//! One change of a setting: one transaction with the change, its audit entries and its generation.
//!
//! Begin checks the right before anything is read. Nothing is kept unless [`Change::commit`]
//! succeeded, and what was committed is published even when the one who asked has hung up: commit
//! and publication run in a task of their own.

use contract::id::AuditId;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};

use super::error::accept;
use super::permission::Permission;
use super::publish::{Reach, settings};
use super::{App, Caller, Error};
use crate::store::audit::Entry;
use crate::store::generations::Generation;
use crate::store::{audit, generations};

/// The nouns that are changed and audited, as their files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noun {
    Users,
    Logins,
    Tokens,
    Clusters,
    Edges,
    JoinTokens,
    Origins,
    Routes,
    Groups,
    Clients,
    Assignments,
    Rules,
    KeySets,
    Webhooks,
    PlayTokens,
    Sessions,
    Purges,
}

impl Noun {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Logins => "logins",
            Self::Tokens => "tokens",
            Self::Clusters => "clusters",
            Self::Edges => "edges",
            Self::JoinTokens => "join_tokens",
            Self::Origins => "origins",
            Self::Routes => "routes",
            Self::Groups => "groups",
            Self::Clients => "clients",
            Self::Assignments => "assignments",
            Self::Rules => "rules",
            Self::KeySets => "key_sets",
            Self::Webhooks => "webhooks",
            Self::PlayTokens => "play_tokens",
            Self::Sessions => "sessions",
            Self::Purges => "purges",
        }
    }

    /// How far a change of this noun reaches.
    const fn reach(self) -> Reach {
        match self {
            Self::Users
            | Self::Logins
            | Self::Tokens
            | Self::Clusters
            | Self::JoinTokens
            | Self::PlayTokens
            | Self::Sessions
            | Self::Purges => Reach::Server,
            Self::Groups | Self::Clients | Self::Assignments => Reach::Directory,
            Self::Edges
            | Self::Origins
            | Self::Routes
            | Self::Rules
            | Self::KeySets
            | Self::Webhooks => Reach::Snapshots,
        }
    }
}

/// What an audit entry is about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// What kind of thing.
    pub(crate) noun: Noun,
    /// Its id.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new(noun: Noun, id: impl ToString, name: impl ToString) -> Self {
        Self {
            noun,
            id: id.to_string(),
            name: name.to_string(),
        }
    }
}

/// A change in the making.
pub(crate) struct Change {
    app: App,
    caller: Caller,
    tx: Transaction<'static, Sqlite>,
    generation: u64,
    now_ms: u64,
    entries: Vec<Entry>,
    reach: Reach,
}

impl Change {
    /// Begins a change that needs a right.
    pub(crate) async fn begin(
        app: &App,
        caller: &Caller,
        permission: Permission,
    ) -> Result<Self, Error> {
        caller.needs(permission)?;
        Self::begin_for_edge(app, caller).await
    }

    /// Begins a change that an edge makes of what is kept of itself: it needs no right, because the
    /// verbs of edges reach nothing else.
    pub(crate) async fn begin_for_edge(app: &App, caller: &Caller) -> Result<Self, Error> {
        let mut tx = app.store().write().await?;
        let generation = generations::newest(&mut tx).await? + 1;
        Ok(Self {
            app: app.clone(),
            caller: caller.clone(),
            tx,
            generation,
            now_ms: app.clock().now_ms(),
            entries: Vec::new(),
            reach: Reach::Server,
        })
    }

    /// The connection on which the change is made.
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// The number this change will have.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The time of this change.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Notes what was done to what. The values must be free of secrets.
    pub(crate) fn note<T: Serialize>(
        &mut self,
        verb: &'static str,
        subject: Subject,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<(), Error> {
        let value = |side: Option<&T>| side.map(serde_json::to_value).transpose();
        let before = value(before).map_err(Error::internal)?;
        let after = value(after).map_err(Error::internal)?;
        self.reach = self.reach.max(subject.noun.reach());
        let mut entry = entry(&self.caller, self.now_ms, verb, subject);
        entry.before = before;
        entry.after = after;
        entry.generation = Some(self.generation);
        self.entries.push(entry);
        Ok(())
    }

    /// Keeps the change, publishes what edges must hear of it, and gives its generation.
    ///
    /// A change that would make a snapshot which an edge refuses is refused here, by the edge's own
    /// code.
    pub(crate) async fn commit(mut self) -> Result<u64, Error> {
        if self.reach == Reach::Snapshots {
            accept(settings(&mut self.tx).await?.faults())?;
        }
        let generation = Generation {
            number: self.generation,
            author: self.caller.name.clone(),
            comment: comment(&self.entries),
            created_ms: self.now_ms,
        };
        tokio::spawn(async move {
            generations::insert(&mut self.tx, &generation).await?;
            for entry in &self.entries {
                audit::insert(&mut self.tx, entry).await?;
            }
            super::commit(self.tx).await?;
            self.app.publish_kept(self.reach).await;
            Ok(generation.number)
        })
        .await
        .map_err(Error::internal)?
    }
}

/// What a list of generations says of a change: its first entry, and how many more there were.
fn comment(entries: &[Entry]) -> String {
    match entries {
        [] => String::new(),
        [only] => format!("{} {} {}", only.verb, only.noun, only.subject_name),
        [first, rest @ ..] => format!(
            "{} {} {} and {} more",
            first.verb,
            first.noun,
            first.subject_name,
            rest.len()
        ),
    }
}

/// An audit entry with nothing said yet of before and after.
pub(crate) fn entry(caller: &Caller, at_ms: u64, verb: &'static str, subject: Subject) -> Entry {
    Entry {
        id: AuditId::new(),
        at_ms,
        actor_kind: caller.party.kind().to_owned(),
        actor_id: caller.party.id(),
        actor_name: caller.name.clone(),
        address: caller.from.as_ref().map(|from| from.address.to_string()),
        request_id: caller.from.as_ref().map(|from| from.request_id.clone()),
        verb: verb.to_owned(),
        noun: subject.noun.as_str().to_owned(),
        subject_id: subject.id,
        subject_name: subject.name,
        before: None,
        after: None,
        generation: None,
    }
}
