//! From what the server sends to the settings in force: validated, published, kept.
//!
//! A snapshot that cannot be applied is refused whole and quarantined: the one in force stays, the
//! fault is reported, and it is asked for again only after a while. A generation never goes back.
//! Settings are published before they are kept, so that a change is in force at once; what the disk
//! does not take is reported as a fault and changes nothing of what is served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::control::{SnapshotDocument, Updates, UpdatesQuery};
use contract::directory::{Directory, DirectoryChanges};
use contract::fault::FieldFault;
use contract::id::EdgeId;
use contract::report::Stamp;
use contract::snapshot::{Snapshot, content_hash};
use tokio::sync::watch;

use super::Settings;
use super::keep::{Keep, Progress};
use super::state::LinkState;

/// How long a snapshot that was refused is not asked for again.
const QUARANTINE: Duration = Duration::from_secs(60);

/// Takes updates and publishes settings.
#[derive(Debug)]
pub(super) struct Applier {
    edge: EdgeId,
    keep: Keep,
    state: LinkState,
    publish: watch::Sender<Arc<Settings>>,
    stamp: Option<Stamp>,
    snapshot: Option<Arc<Snapshot>>,
    directory: Arc<Directory>,
    /// The directory on disk was damaged: nothing is let in before the server sent it whole.
    directory_is_lost: bool,
    quarantined: Option<(Stamp, Instant)>,
}

impl Applier {
    /// Begins with what is kept on disk, and publishes it.
    pub(super) fn open(
        edge: EdgeId,
        keep: Keep,
        progress: &Progress,
        state: LinkState,
    ) -> (Self, watch::Receiver<Arc<Settings>>) {
        let (publish, settings) = watch::channel(Arc::default());
        let directory = keep.directory();
        let mut applier = Self {
            edge,
            directory_is_lost: directory.generation() < progress.directory,
            keep,
            state,
            publish,
            stamp: None,
            snapshot: None,
            directory: Arc::new(directory),
            quarantined: None,
        };
        if applier.directory_is_lost {
            tracing::warn!(
                "the kept directory is damaged: nothing is let in before the server sends it"
            );
        }
        applier.take_kept();
        applier.publish();
        (applier, settings)
    }

    fn take_kept(&mut self) {
        for document in self.keep.snapshots() {
            match self.validated(&document) {
                Ok(snapshot) => {
                    let stamp = stamp_of(&document);
                    tracing::info!(generation = stamp.generation, "settings taken from disk");
                    self.snapshot = Some(Arc::new(snapshot));
                    self.stamp = Some(stamp.clone());
                    let mut standing = self.state.lock();
                    standing.settings.received = Some(stamp.clone());
                    standing.settings.validated = Some(stamp.clone());
                    standing.settings.applied = Some(stamp);
                    return;
                }
                Err(faults) => {
                    tracing::warn!(?faults, "a kept snapshot is passed over");
                }
            }
        }
    }

    /// What this edge has, as a question for news.
    pub(super) fn query(&self, hold_ms: u64) -> UpdatesQuery {
        let held = match &self.quarantined {
            Some((stamp, until)) if Instant::now() < *until => Some(stamp),
            Some(_) | None => self.stamp.as_ref(),
        };
        UpdatesQuery {
            generation: held.map_or(0, |stamp| stamp.generation),
            hash: held.map(|stamp| stamp.hash.clone()).unwrap_or_default(),
            directory: if self.directory_is_lost {
                0
            } else {
                self.directory.generation()
            },
            order: self.state.lock().order,
            hold_ms,
        }
    }

    /// Takes the settings of an answer; orders and questions are for others. Returns whether
    /// something was new and all of it could be taken.
    pub(super) async fn take(&mut self, updates: &mut Updates) -> bool {
        let document = updates.snapshot.take();
        let changes = updates.directory.take();
        let fresh = match &document {
            Some(document) => self.take_snapshot(document),
            None => false,
        };
        let changed = match &changes {
            Some(changes) => self.take_directory(changes),
            None => false,
        };
        let advanced = document.is_none() && self.advance(updates.generation);
        let refused = (document.is_some() && !fresh) || (changes.is_some() && !changed);
        let whole = !refused && (fresh || changed || advanced);
        self.publish();
        self.keep(document.filter(|_| fresh), changes.filter(|_| changed))
            .await;
        whole
    }

    /// The same content was published again under a higher number. Of a snapshot in quarantine
    /// only its own number is moved, so that the server holds the next question.
    fn advance(&mut self, generation: u64) -> bool {
        let held = match &mut self.quarantined {
            Some((stamp, _)) => Some(stamp),
            None => self.stamp.as_mut(),
        };
        let Some(held) = held.filter(|held| generation > held.generation) else {
            return false;
        };
        held.generation = generation;
        if self.quarantined.is_none() {
            let mut standing = self.state.lock();
            standing.settings.received.clone_from(&self.stamp);
            standing.settings.validated.clone_from(&self.stamp);
            standing.settings.applied.clone_from(&self.stamp);
        }
        true
    }

    fn take_snapshot(&mut self, document: &SnapshotDocument) -> bool {
        let stamp = stamp_of(document);
        self.state.lock().settings.received = Some(stamp.clone());
        match self.validated(document) {
            Ok(snapshot) => {
                tracing::info!(generation = stamp.generation, "settings applied");
                self.snapshot = Some(Arc::new(snapshot));
                self.stamp = Some(stamp.clone());
                self.quarantined = None;
                let mut standing = self.state.lock();
                standing.settings.validated = Some(stamp);
                standing.settings.faults.clear();
                true
            }
            Err(faults) => {
                tracing::error!(
                    generation = stamp.generation,
                    ?faults,
                    "settings refused: those in force stay"
                );
                self.quarantined = Some((stamp, Instant::now() + QUARANTINE));
                self.state.lock().settings.faults = faults;
                false
            }
        }
    }

    fn validated(&self, document: &SnapshotDocument) -> Result<Snapshot, Vec<FieldFault>> {
        let wrong = |field: &str, message: &str| vec![FieldFault::new(field, message)];
        let bytes = document.snapshot.get();
        if content_hash(bytes.as_bytes()) != document.hash {
            return Err(wrong(
                "hash",
                "the content does not have the hash that it was sent with",
            ));
        }
        let held = self.stamp.as_ref().map_or(0, |stamp| stamp.generation);
        if document.generation < held {
            return Err(wrong("generation", "a generation never goes back"));
        }
        let snapshot: Snapshot = serde_json::from_str(bytes)
            .map_err(|error| vec![FieldFault::new("snapshot", error)])?;
        let mut faults = snapshot.faults();
        if snapshot.edge != self.edge {
            faults.push(FieldFault::new(
                "edge",
                "these settings are for another edge",
            ));
        }
        if faults.is_empty() {
            Ok(snapshot)
        } else {
            Err(faults)
        }
    }

    fn take_directory(&mut self, changes: &DirectoryChanges) -> bool {
        let mut directory = Directory::clone(&self.directory);
        match directory.apply(changes.clone()) {
            Ok(()) => {
                self.directory = Arc::new(directory);
                self.directory_is_lost &= !changes.whole;
                true
            }
            Err(gap) => {
                tracing::warn!(
                    error = &gap as &dyn std::error::Error,
                    "the directory is asked for whole"
                );
                self.directory_is_lost = true;
                false
            }
        }
    }

    /// Puts everything at hand in force.
    pub(super) fn publish(&mut self) {
        let settings = {
            let mut standing = self.state.lock();
            let withheld = self.directory_is_lost || standing.expelled || standing.grace_is_over;
            let stamp = self.stamp.clone().filter(|_| !withheld);
            standing.settings.serving.clone_from(&stamp);
            standing.directory = self.directory.generation();
            Settings {
                stamp,
                snapshot: self.snapshot.clone().filter(|_| !withheld),
                directory: Arc::clone(&self.directory),
            }
        };
        self.publish.send_if_modified(|held| {
            let same =
                held.stamp == settings.stamp && Arc::ptr_eq(&held.directory, &settings.directory);
            if !same {
                *held = Arc::new(settings);
            }
            !same
        });
    }

    async fn keep(
        &mut self,
        document: Option<SnapshotDocument>,
        changes: Option<DirectoryChanges>,
    ) {
        if document.is_none() && changes.is_none() {
            return;
        }
        let keep = self.keep.clone();
        let directory = Arc::clone(&self.directory);
        let work = tokio::task::spawn_blocking(move || {
            if let Some(document) = document {
                keep.keep_snapshot(&document)?;
            }
            if let Some(changes) = changes {
                keep.keep_changes(&changes, &directory)?;
            }
            Ok::<(), super::disk::DiskError>(())
        });
        let kept = match work.await {
            Ok(kept) => kept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut standing = self.state.lock();
        match kept {
            Ok(()) => standing.settings.applied.clone_from(&self.stamp),
            Err(error) => {
                tracing::error!(error, "settings are in force but could not be kept on disk");
                standing.settings.faults = vec![FieldFault::new("disk", error)];
            }
        }
    }

    /// The server does not know this edge any more: nothing is in force, nothing is kept.
    pub(super) fn expel(&mut self, data_dir: &std::path::Path) {
        self.state.lock().expelled = true;
        self.snapshot = None;
        self.stamp = None;
        self.directory = Arc::default();
        self.publish();
        let erased = self.keep.erase();
        if let Err(error) = erased.and(super::Credential::erase(data_dir)) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what the server sent could not be erased from disk: remove the data directory"
            );
        }
    }
}

fn stamp_of(document: &SnapshotDocument) -> Stamp {
    Stamp {
        generation: document.generation,
        hash: document.hash.clone(),
    }
}
