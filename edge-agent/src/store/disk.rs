//! The disk tier's files: written to a temporary name and renamed, found again at the next start.
//!
//! Work goes in, files come and go. A disk that is full or fails is left alone for a while. The
//! invariant: a file under its own name is whole, as far as the file system keeps its word; what it
//! does not keep, checksums tell. It does not know what is worth keeping.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::PartName;
use super::part::{self, Head};

/// What a file is called until it is whole.
const UNFINISHED: &str = "unfinished";
/// What the folder of an epoch begins with.
const EPOCH: &str = "epoch-";

/// The folder of the disk tier.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Purging everything begins a new epoch, whose files stand in a folder of their own.
    epoch: AtomicU64,
}

/// A part that was found at the start.
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) written: SystemTime,
}

impl Disk {
    /// A tier in this folder, which may not exist yet.
    pub(super) fn new(root: PathBuf) -> Self {
        let epoch = epochs(&root).last().map_or(1, |(epoch, _)| *epoch);
        Self {
            root,
            epoch: AtomicU64::new(epoch),
        }
    }

    fn folder(&self) -> PathBuf {
        let epoch = self.epoch.load(Ordering::Acquire);
        self.root.join(format!("{EPOCH}{epoch}"))
    }

    fn path(&self, name: &PartName) -> PathBuf {
        let sum = Sha256::digest(name.object.as_bytes());
        let hex: String = sum[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let file = format!("{hex}-{:016x}", name.part);
        self.folder().join(&hex[..2]).join(file)
    }

    /// What is there, oldest first; what is unfinished or of an older epoch goes.
    pub(super) fn scan(&self) -> Vec<Found> {
        let current = self.epoch.load(Ordering::Acquire);
        for (epoch, folder) in epochs(&self.root) {
            if epoch != current {
                remove_folder(&folder);
            }
        }
        let mut found = Vec::new();
        for folder in entries(&self.folder()) {
            for path in entries(&folder) {
                match look(&path) {
                    Some(part) => found.push(part),
                    None => {
                        // A file that cannot be removed is met again at the next start.
                        let _ = fs::remove_file(&path);
                    }
                }
            }
        }
        found.sort_by_key(|part| part.written);
        found
    }

    /// Writes a part.
    pub(super) fn write(&self, name: &PartName, note: &Bytes, body: &Bytes) -> io::Result<()> {
        let Some(lead) = part::lead(&name.object, name.part, note, body) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let fresh = path.with_extension(UNFINISHED);
        let work = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&fresh)?;
            file.write_all(&lead)?;
            file.write_all(body)?;
            fs::rename(&fresh, &path)
        };
        work().inspect_err(|_| {
            // What cannot be removed is removed at the next start.
            let _ = fs::remove_file(&fresh);
        })
    }

    /// Reads a part; nothing where it is not whole.
    pub(super) fn read(&self, name: &PartName) -> io::Result<Option<Bytes>> {
        let mut file = File::open(self.path(name))?;
        part::read(&mut file, &name.object, name.part)
    }

    /// Removes a part's file.
    pub(super) fn remove(&self, name: &PartName) {
        // One that is not there is removed already.
        let _ = fs::remove_file(self.path(name));
    }

    /// Begins a new epoch, empty; returns the folder of the old one, for [`remove_folder`].
    pub(super) fn renew(&self) -> PathBuf {
        let old = self.folder();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        // So that a start that follows at once knows which one is in force.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.folder());
        if let Err(error) = made {
            tracing::warn!(%error, "the store's new folder cannot be made");
        }
        old
    }
}

/// Removes an old epoch.
pub(super) fn remove_folder(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an old folder of the store cannot be removed");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten();
    listed.flatten().map(|entry| entry.path()).collect()
}

/// The folders of all epochs, in order.
fn epochs(root: &Path) -> Vec<(u64, PathBuf)> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(EPOCH)?.parse().ok()
    };
    let mut found: Vec<(u64, PathBuf)> = entries(root)
        .into_iter()
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    found.sort_by_key(|(epoch, _)| *epoch);
    found
}

/// What a file says that it is; its body is checked when it is read.
fn look(path: &Path) -> Option<Found> {
    if path.extension().is_some() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let head = Head::read(&mut file).ok()??;
    let meta = file.metadata().ok()?;
    (meta.len() == head.file_size()).then(|| Found {
        head,
        written: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
