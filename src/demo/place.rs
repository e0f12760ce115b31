//! Where the demo keeps its data: a temporary directory that goes with it, or one that was given and stays.
//!
//! A directory that stays remembers how to get in again ([`Kept`]); its file is readable by its owner only.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// The file that [`Kept`] stands in.
const FILE: &str = "demo.json";

/// The data directory; a temporary one is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

/// What a later run needs to know of the first. It has no `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Where the console listens, because the edges have learned it.
    pub(crate) console: std::net::SocketAddr,
    /// The administrator's password.
    pub(crate) password: String,
    /// The demo's own API token.
    pub(crate) token: String,
    /// The stream password of the encoder.
    pub(crate) encoder_password: String,
}

impl Place {
    /// The directory given, or a temporary one.
    pub(crate) fn open(given: Option<PathBuf>) -> io::Result<Self> {
        match given {
            Some(path) => {
                fs::create_dir_all(&path)?;
                Ok(Self {
                    path,
                    _temporary: None,
                })
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("weir-demo-").tempdir()?;
                Ok(Self {
                    path: temporary.path().to_owned(),
                    _temporary: Some(temporary),
                })
            }
        }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of one part of the demo.
    pub(crate) fn of(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    /// What an earlier run left, if there was one that got as far.
    pub(crate) fn kept(&self) -> anyhow::Result<Option<Kept>> {
        let file = self.path.join(FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot read `{}`", file.display())),
        };
        let kept = serde_json::from_slice(&text)
            .with_context(|| format!("`{}` is damaged", file.display()))?;
        Ok(Some(kept))
    }

    /// Remembers for later runs.
    pub(crate) fn keep(&self, kept: &Kept) -> anyhow::Result<()> {
        let text = serde_json::to_vec(kept)?;
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join(FILE))?
            .write_all(&text)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_temporary_directory_goes_and_a_given_one_remembers() {
        let temporary = Place::open(None).unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir());
        let given = Place::open(Some(temporary.of("given"))).unwrap();
        assert!(given.kept().unwrap().is_none());
        let kept = Kept {
            console: "127.0.0.1:8080".parse().unwrap(),
            password: "p".to_owned(),
            token: "t".to_owned(),
            encoder_password: "e".to_owned(),
        };
        given.keep(&kept).unwrap();
        assert_eq!(given.kept().unwrap().unwrap().password, "p");
        let mode = fs::metadata(given.of(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(temporary);
        assert!(!path.exists());
    }
}
