//! The link to the server: joining, asking for news, validating and keeping it, reporting. It
//! publishes [`Settings`]; everyone else only reads them.
//!
//! [`Control::open`] puts in force what is on disk, so that an edge serves while the server is
//! away; [`Control::spawn`] begins to ask and report. The server never calls.

mod apply;
mod backoff;
mod credential;
mod disk;
mod join;
mod keep;
mod link;
mod measure;
mod poll;
mod report;
mod state;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::directory::Directory;
use contract::fault::FieldFault;
use contract::id::BootId;
use contract::report::{Listeners, Stamp};
use contract::snapshot::Snapshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use credential::Credential;
pub use disk::DiskError;
pub use join::{JoinError, join};
pub use link::{Link, LinkError};
pub use state::{LinkState, Standing};
pub use work::Purger;

use crate::clock::now_ms;
use crate::dial::Dialer;
use crate::limits::Limits;
use crate::sessions::{Sessions, Totals};
use crate::streams::Streams;

/// The agent's version, as it stands in reports.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The settings in force, whole and immutable: a change is a new value.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Which snapshot this is; `None` before the first one.
    pub stamp: Option<Stamp>,
    /// The snapshot; `None` before the first one: everything is refused then.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Clients, groups and assignments.
    pub directory: Arc<Directory>,
}

/// Why the link cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// This machine is not an edge yet.
    #[error(
        "this machine has not joined: run `weir edge join TOKEN` with a token from the console"
    )]
    NotJoined,
    /// The edge's files cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The server's address cannot be used.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// What the link speaks of.
pub struct Parts {
    /// Every client connection.
    pub sessions: Sessions,
    /// Every live stream.
    pub streams: Streams,
    /// The way to origins.
    pub dialer: Dialer,
    /// Who makes stored objects go.
    pub purger: Arc<dyn Purger>,
    /// What is wrong on this machine itself.
    pub faults: watch::Receiver<Vec<FieldFault>>,
    /// Where this edge is reached.
    pub listeners: Listeners,
    /// How long the edge serves while the server is silent.
    pub grace: Duration,
    /// What is counted for limits.
    pub limits: Limits,
}

/// The edge's end of the link.
#[derive(Debug)]
pub struct Control {
    data_dir: PathBuf,
    credential: Credential,
    link: Link,
    keep: keep::Keep,
    progress: keep::Progress,
    applier: apply::Applier,
    settings: watch::Receiver<Arc<Settings>>,
    state: LinkState,
}

impl Control {
    /// Reads what is on disk and puts it in force. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// Any of [`ControlError`]; damaged settings are none, the server sends them anew.
    pub fn open(data_dir: &Path) -> Result<Self, ControlError> {
        let credential = Credential::read(data_dir)?.ok_or(ControlError::NotJoined)?;
        let link = Link::of(&credential)?;
        let keep = keep::Keep::open(data_dir)?;
        let progress = keep.progress();
        let state = LinkState::default();
        {
            let mut standing = state.lock();
            standing.order = progress.order;
            // An edge that was never answered has nothing to serve by; its grace begins now.
            standing.heard_ms = match progress.heard_ms {
                0 => now_ms(),
                heard_ms => heard_ms,
            };
        }
        let (applier, settings) =
            apply::Applier::open(credential.edge, keep.clone(), &progress, state.clone());
        Ok(Self {
            data_dir: data_dir.to_owned(),
            credential,
            link,
            keep,
            progress,
            applier,
            settings,
            state,
        })
    }

    /// Who this edge is.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.clone()
    }

    /// How the link stands.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.state.clone()
    }

    /// Counters that go on from what is on disk.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::going_on_from(&self.progress.totals)
    }

    /// Begins to ask and report, until `done`; the tasks then report a last time and end.
    pub fn spawn(self, parts: Parts, done: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let poll = poll::Poll {
            link: self.link.clone(),
            applier: self.applier,
            hands: work::Hands {
                sessions: parts.sessions.clone(),
                purger: parts.purger,
                state: self.state.clone(),
            },
            answers: work::Answers::new(
                self.link.clone(),
                parts.dialer.clone(),
                self.settings.clone(),
            ),
            sessions: parts.sessions.clone(),
            state: self.state.clone(),
            data_dir: self.data_dir,
            grace: parts.grace,
        };
        tasks.spawn(measure::run(
            parts.limits.clone(),
            self.settings.clone(),
            parts.sessions.clone(),
            done.clone(),
        ));
        let reporter = report::Reporter {
            settings: self.settings,
            limits: parts.limits,
            link: self.link,
            keep: self.keep,
            kept: self.progress,
            state: self.state,
            sessions: parts.sessions,
            streams: parts.streams,
            dialer: parts.dialer,
            faults: parts.faults,
            listeners: parts.listeners,
            boot: BootId::new(),
            sequence: 0,
            wants_whole: true,
            pending: None,
        };
        tasks.spawn(poll.run(done.clone()));
        tasks.spawn(reporter.run(done.clone()));
        tasks
    }
}
