//! Who a client is, by whatever it brought: a proof it offered counts before the network it comes
//! from, and a proof that is wrong is never passed over.

use crate::client::Client;
use crate::directory::Directory;
use crate::facts::{Facts, Proof};
use crate::reason::Reason;
use crate::route::IdentityKind;
use crate::snapshot::Snapshot;
use crate::token::PlayToken;

/// Who a client is, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity<'d> {
    /// Nobody knows.
    Unknown,
    /// Its address lies in a network of this client.
    Network(&'d Client),
    /// It knows this client's stream password.
    StreamPassword(&'d Client),
    /// It brought a play token, which may stand for a client.
    PlayToken(Option<&'d Client>),
}

impl<'d> Identity<'d> {
    pub(super) fn client(self) -> Option<&'d Client> {
        match self {
            Self::Unknown | Self::PlayToken(None) => None,
            Self::Network(client)
            | Self::StreamPassword(client)
            | Self::PlayToken(Some(client)) => Some(client),
        }
    }

    pub(super) fn kind(self) -> Option<IdentityKind> {
        match self {
            Self::Unknown => None,
            Self::Network(_) => Some(IdentityKind::Network),
            Self::StreamPassword(_) => Some(IdentityKind::StreamPassword),
            Self::PlayToken(_) => Some(IdentityKind::PlayToken),
        }
    }

    pub(super) fn how(self) -> &'static str {
        match self {
            Self::Unknown => "nothing identifies the client",
            Self::PlayToken(None) => "a play token that stands for no client",
            Self::Network(_) | Self::StreamPassword(_) | Self::PlayToken(Some(_)) => {
                self.kind().map_or("", IdentityKind::sentence)
            }
        }
    }
}

/// Finds out who a client is.
///
/// # Errors
/// The reason to refuse it: a proof that is wrong.
pub(super) fn identify<'d>(
    snapshot: &Snapshot,
    directory: &'d Directory,
    facts: &Facts,
) -> Result<Identity<'d>, Reason> {
    match &facts.proof {
        Proof::WrongStreamPassword => Err(Reason::WrongPassword),
        Proof::StreamPassword { client } => directory
            .client(*client)
            .map(Identity::StreamPassword)
            .ok_or(Reason::WrongPassword),
        Proof::PlayToken { token } => {
            let shown_ms = facts.admitted_ms.unwrap_or(facts.at_ms);
            let token = PlayToken::verify(token.expose(), &snapshot.keys, shown_ms)
                .map_err(|_| Reason::BadToken)?;
            token.covers(facts).map_err(|_| Reason::BadToken)?;
            match token.client {
                None => Ok(Identity::PlayToken(None)),
                Some(client) => match directory.client(client) {
                    Some(client) => Ok(Identity::PlayToken(Some(client))),
                    None => Err(Reason::BadToken),
                },
            }
        }
        Proof::None => Ok(directory
            .client_by_addr(facts.addr)
            .map_or(Identity::Unknown, Identity::Network)),
    }
}
