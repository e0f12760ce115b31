//! Who this edge is, and by what it proves it: kept in one sealed file, 0600, made by joining.

use std::path::{Path, PathBuf};

use contract::control::JoinAnswer;
use contract::id::{ClusterId, EdgeId};
use contract::name::Name;
use contract::secret::Secret;
use serde::{Deserialize, Serialize};

use super::disk::{self, DiskError};

const FILE: &str = "credential";

/// Who this edge is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Where the server is reached, `http://host:port`.
    pub server: String,
    /// The edge's id.
    pub edge: EdgeId,
    /// What people call it.
    pub name: Name,
    /// The cluster that it joined.
    pub cluster: ClusterId,
    /// By what it proves itself.
    pub credential: Secret,
}

impl Credential {
    /// What the server answered to a join.
    #[must_use]
    pub fn new(server: String, answer: JoinAnswer) -> Self {
        Self {
            server,
            edge: answer.edge,
            name: answer.name,
            cluster: answer.cluster,
            credential: answer.credential,
        }
    }

    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// Reads the credential; `None` if this edge has not joined.
    ///
    /// # Errors
    /// [`DiskError::Read`] or [`DiskError::Damaged`].
    pub fn read(data_dir: &Path) -> Result<Option<Self>, DiskError> {
        let path = Self::path(data_dir);
        let Some(bytes) = disk::read(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| DiskError::Damaged(path))
    }

    /// Keeps the credential.
    ///
    /// # Errors
    /// [`DiskError::Write`].
    pub fn keep(&self, data_dir: &Path) -> Result<(), DiskError> {
        disk::make_dir(data_dir)?;
        let bytes = serde_json::to_vec(self).expect("a credential has only text keys");
        disk::write(&Self::path(data_dir), &bytes)
    }

    /// Removes the credential.
    ///
    /// # Errors
    /// [`DiskError::Write`].
    pub fn erase(data_dir: &Path) -> Result<(), DiskError> {
        disk::remove(&Self::path(data_dir))
    }
}
