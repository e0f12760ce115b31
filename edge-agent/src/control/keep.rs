//! What an edge keeps on its disk, to serve with the same decisions when it starts while the server
//! is away: the last two good snapshots, the directory, its totals, the last order.
//!
//! The directory is one sealed file and a journal of sealed changes after it, so that one
//! reassignment writes a line and not a million clients. A damaged file is reported and passed
//! over: what is missing comes from the server, and until then nothing is let in by it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use contract::control::SnapshotDocument;
use contract::counts::Totals;
use contract::directory::{Directory, DirectoryChanges};
use contract::snapshot::content_hash;
use serde::{Deserialize, Serialize};

use super::disk::{self, DiskError};

/// The journal is folded into the directory's file when it is larger than this and half that file.
const JOURNAL_BYTES: u64 = 1 << 20;

/// The files of one edge.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    dir: PathBuf,
}

/// How far the edge has come, beyond its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// What it has counted.
    pub(super) totals: Totals,
    /// The generation that its directory had reached: one that reads as less is damaged.
    pub(super) directory: u64,
    /// The last order that it has carried out.
    pub(super) order: u64,
    /// When the server last answered, in Unix milliseconds.
    pub(super) heard_ms: u64,
}

impl Keep {
    pub(super) fn open(dir: &Path) -> Result<Self, DiskError> {
        disk::make_dir(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The snapshots on disk, the newest first; damaged ones are left out, with a warning.
    pub(super) fn snapshots(&self) -> Vec<SnapshotDocument> {
        ["snapshot", "snapshot-before"]
            .iter()
            .filter_map(|name| noted(self.document(name)))
            .flatten()
            .collect()
    }

    fn document(&self, name: &str) -> Result<Option<SnapshotDocument>, DiskError> {
        let path = self.path(name);
        let Some(bytes) = disk::read(&path)? else {
            return Ok(None);
        };
        let document: SnapshotDocument =
            serde_json::from_slice(&bytes).map_err(|_| DiskError::Damaged(path.clone()))?;
        if content_hash(document.snapshot.get().as_bytes()) != document.hash {
            return Err(DiskError::Damaged(path));
        }
        Ok(Some(document))
    }

    /// Keeps a snapshot; the one that was kept last becomes the one before it.
    pub(super) fn keep_snapshot(&self, document: &SnapshotDocument) -> Result<(), DiskError> {
        let (now, before) = (self.path("snapshot"), self.path("snapshot-before"));
        let bytes = serde_json::to_vec(document).expect("a document has only text keys");
        // A damaged file must not take the place of a good one.
        if matches!(self.document("snapshot"), Ok(Some(_))) {
            fs::rename(&now, &before).map_err(|error| DiskError::Write(before, error))?;
        }
        disk::write(&now, &bytes)
    }

    /// The directory on disk, as far as it can be read; [`Progress::directory`] says how far it
    /// must reach.
    pub(super) fn directory(&self) -> Directory {
        let mut directory = Directory::default();
        if let Some(whole) = noted(self.whole_directory()).flatten()
            && directory.apply(whole).is_ok()
        {
            for changes in noted(self.journal()).unwrap_or_default() {
                if directory.apply(changes).is_err() {
                    break;
                }
            }
        }
        directory
    }

    fn whole_directory(&self) -> Result<Option<DirectoryChanges>, DiskError> {
        let path = self.path("directory");
        let Some(bytes) = disk::read(&path)? else {
            return Ok(None);
        };
        let changes: DirectoryChanges =
            serde_json::from_slice(&bytes).map_err(|_| DiskError::Damaged(path.clone()))?;
        if changes.whole {
            Ok(Some(changes))
        } else {
            Err(DiskError::Damaged(path))
        }
    }

    /// The changes of the journal but for lines that are not whole: what is missing then is seen as
    /// a gap, or was sent and kept anew after the crash that tore them.
    fn journal(&self) -> Result<Vec<DirectoryChanges>, DiskError> {
        let path = self.path("directory-journal");
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DiskError::Read(path, error)),
        };
        let line = |line: &[u8]| {
            let text = std::str::from_utf8(line).ok()?;
            let (sum, json) = text.split_once(' ')?;
            (content_hash(json.as_bytes()) == sum).then_some(())?;
            serde_json::from_str(json).ok()
        };
        Ok(text.split(|byte| *byte == b'\n').filter_map(line).collect())
    }

    /// Keeps changes that led to `directory`.
    pub(super) fn keep_changes(
        &self,
        changes: &DirectoryChanges,
        directory: &Directory,
    ) -> Result<(), DiskError> {
        let journal = self.path("directory-journal");
        let whole = self.path("directory");
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let long = size(&journal) > JOURNAL_BYTES.max(size(&whole) / 2);
        if changes.whole || long || !whole.exists() {
            let bytes =
                serde_json::to_vec(&directory.to_changes()).expect("changes have only text keys");
            disk::write(&whole, &bytes)?;
            return disk::remove(&journal);
        }
        let json = serde_json::to_string(changes).expect("changes have only text keys");
        // A line of its own, even behind one that a crash has torn.
        let line = format!("\n{} {json}\n", content_hash(json.as_bytes()));
        let work = || {
            let mut file = disk::private().append(true).open(&journal)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        work().map_err(|error| DiskError::Write(journal.clone(), error))
    }

    /// How far the edge had come; from the beginning if nothing says so.
    pub(super) fn progress(&self) -> Progress {
        let path = self.path("progress");
        let read = disk::read(&path).and_then(|bytes| match bytes {
            None => Ok(Progress::default()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| DiskError::Damaged(path)),
        });
        noted(read).unwrap_or_default()
    }

    /// Keeps how far the edge has come.
    pub(super) fn keep_progress(&self, progress: &Progress) -> Result<(), DiskError> {
        let bytes = serde_json::to_vec(progress).expect("progress has only text keys");
        disk::write(&self.path("progress"), &bytes)
    }

    /// Removes everything that came from the server.
    pub(super) fn erase(&self) -> Result<(), DiskError> {
        let files = [
            "snapshot",
            "snapshot-before",
            "directory",
            "directory-journal",
            "progress",
        ];
        let mut first = Ok(());
        for name in files {
            first = first.and(disk::remove(&self.path(name)));
        }
        first
    }
}

/// Says what could not be used, and goes on without it.
fn noted<T>(read: Result<T, DiskError>) -> Option<T> {
    read.inspect_err(|error| {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "a kept file is passed over"
        );
    })
    .ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use contract::client::Group;
    use contract::id::GroupId;
    use serde_json::value::RawValue;

    fn document(generation: u64) -> SnapshotDocument {
        let json = format!("{{\"n\":{generation}}}");
        SnapshotDocument {
            generation,
            hash: content_hash(json.as_bytes()),
            snapshot: RawValue::from_string(json).unwrap(),
        }
    }

    fn generations(keep: &Keep) -> Vec<u64> {
        keep.snapshots()
            .iter()
            .map(|document| document.generation)
            .collect()
    }

    #[test]
    fn the_last_two_snapshots_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::open(dir.path()).unwrap();
        assert!(generations(&keep).is_empty());
        for generation in 1..=3 {
            keep.keep_snapshot(&document(generation)).unwrap();
        }
        assert_eq!(generations(&keep), [3, 2]);
        fs::write(dir.path().join("snapshot"), b"torn").unwrap();
        assert_eq!(generations(&keep), [2]);
        keep.keep_snapshot(&document(4)).unwrap();
        assert_eq!(generations(&keep), [4, 2]);
    }

    fn named(generation: u64, whole: bool) -> DirectoryChanges {
        DirectoryChanges {
            since: if whole { 0 } else { generation - 1 },
            until: generation,
            whole,
            groups: vec![Group {
                id: GroupId::from_bits(u128::from(generation)),
                name: "g".parse().unwrap(),
            }],
            ..DirectoryChanges::default()
        }
    }

    #[test]
    fn the_directory_goes_on_from_file_and_journal_past_a_torn_line_once_it_was_sent_anew() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::open(dir.path()).unwrap();
        let mut directory = Directory::default();
        for generation in 1..=4 {
            let changes = named(generation, generation == 1);
            directory.apply(changes.clone()).unwrap();
            keep.keep_changes(&changes, &directory).unwrap();
        }
        assert_eq!(keep.directory().to_changes(), directory.to_changes());
        let journal = dir.path().join("directory-journal");
        let mut bytes = fs::read(&journal).unwrap();
        bytes.truncate(bytes.len() - 3);
        fs::write(&journal, bytes).unwrap();
        assert_eq!(keep.directory().generation(), 3);
        // The server sends what is missing, and more: it stands behind the torn line.
        for generation in 4..=5 {
            let changes = named(generation, false);
            keep.keep_changes(&changes, &directory).unwrap();
        }
        assert_eq!(keep.directory().generation(), 5);
    }

    #[test]
    fn a_damaged_directory_reads_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::open(dir.path()).unwrap();
        let mut directory = Directory::default();
        let changes = named(1, true);
        directory.apply(changes.clone()).unwrap();
        keep.keep_changes(&changes, &directory).unwrap();
        fs::write(dir.path().join("directory"), b"weir1 0\n{}").unwrap();
        assert_eq!(keep.directory().generation(), 0);
    }

    #[test]
    fn progress_reads_back_and_erasing_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::open(dir.path()).unwrap();
        let progress = Progress {
            order: 7,
            ..Progress::default()
        };
        keep.keep_progress(&progress).unwrap();
        assert_eq!(keep.progress(), progress);
        keep.keep_snapshot(&document(1)).unwrap();
        keep.erase().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
