//! Sealed files: bytes with their checksum, written whole or not at all, readable by nobody else.
//!
//! The first line is `weir1` and the SHA-256 of what follows. A file is written beside its place,
//! synced, and renamed; a file whose sum is wrong reads as damaged, never as something else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use contract::snapshot::content_hash;

const MARK: &str = "weir1 ";

/// Why a sealed file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It cannot be written.
    #[error("cannot write `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// Its checksum or content is wrong.
    #[error("`{}` is damaged", .0.display())]
    Damaged(PathBuf),
}

/// Opens a file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// Makes the directory of the edge's files, for its owner only.
pub(super) fn make_dir(dir: &Path) -> Result<(), DiskError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| DiskError::Write(dir.to_owned(), error))
}

/// One line that seals `bytes`, and the bytes.
pub(super) fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut whole = format!("{MARK}{}\n", content_hash(bytes)).into_bytes();
    whole.extend_from_slice(bytes);
    whole
}

/// Writes a sealed file in the place of the one that is there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let fresh = path.with_extension("fresh");
    let work = || {
        let mut file = private().truncate(true).open(&fresh)?;
        file.write_all(&sealed(bytes))?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_dir(path)
    };
    work().map_err(|error| DiskError::Write(path.to_owned(), error))
}

/// A rename is kept only when its directory is synced too.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// Reads a sealed file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let whole = match fs::read(path) {
        Ok(whole) => whole,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::Read(path.to_owned(), error)),
    };
    let damaged = || DiskError::Damaged(path.to_owned());
    let end = whole
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(damaged)?;
    let (line, bytes) = (&whole[..end], &whole[end + 1..]);
    let expected = format!("{MARK}{}", content_hash(bytes));
    if line == expected.as_bytes() {
        Ok(Some(bytes.to_vec()))
    } else {
        Err(damaged())
    }
}

/// Removes a file; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::Write(path.to_owned(), error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_was_sealed_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(read(&path).unwrap().is_none());
        write(&path, b"one\ntwo").unwrap();
        write(&path, b"three").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"three");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn any_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let whole = sealed(b"{\"a\":1}");
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&path, &altered).unwrap();
            assert!(matches!(read(&path), Err(DiskError::Damaged(_))), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path).is_err(), "cut at {at}");
        }
    }
}
