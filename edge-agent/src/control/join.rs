//! Joining: a one-use token goes in, and this machine is an edge of the fleet.

use std::path::Path;

use contract::control::{JoinRequest, JoinToken, JoinTokenError};
use contract::name::Name;
use contract::report::Listeners;

use super::credential::Credential;
use super::disk::DiskError;
use super::link::{Link, LinkError};

/// Why this machine did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The text is not a join token.
    #[error(transparent)]
    Token(#[from] JoinTokenError),
    /// It is an edge already.
    #[error("this machine is the edge `{0}` already; use another data directory to join anew")]
    Joined(Name),
    /// The server did not take it.
    #[error("the server did not let this edge join")]
    Link(#[from] LinkError),
    /// The credential cannot be kept.
    #[error("the credential cannot be kept")]
    Disk(#[from] DiskError),
}

/// Joins the fleet and keeps the credential in `data_dir`.
///
/// # Errors
/// Any of [`JoinError`]. The token is not used up when the data directory cannot be written.
pub async fn join(
    data_dir: &Path,
    token: &str,
    name: Option<Name>,
    listeners: Listeners,
) -> Result<Credential, JoinError> {
    let token = JoinToken::parse(token)?;
    if let Some(known) = Credential::read(data_dir)? {
        return Err(JoinError::Joined(known.name));
    }
    super::disk::make_dir(data_dir)?;
    let request = JoinRequest {
        secret: token.secret,
        name,
        version: super::VERSION.to_owned(),
        listeners,
    };
    let answer = Link::open(&token.server)?.join(&request).await?;
    let credential = Credential::new(token.server, answer);
    credential.keep(data_dir)?;
    Ok(credential)
}
