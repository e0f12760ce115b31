//! Who a client is, by whatever it brought: a proof it offered counts before the network it comes
//! from, and a proof that is wrong is never passed over.

use crate::client::Client;
use crate::directory::Directory;
use crate::facts::{Facts, Proof};
use crate::reason::Reason;
use crate::route::{IdentityKind, Route};
use crate::snapshot::Snapshot;
use crate::token::{self, TokenUse, jwt};

/// Who a client is, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity<'d> {
    /// Nobody knows.
    Unknown,
    /// Its address lies in a network of this client.
    Network(&'d Client),
    /// It knows this client's stream password.
    StreamPassword(&'d Client),
    /// It brought a play token, which may stand for a client.
    PlayToken(Option<&'d Client>, TokenUse),
}

impl<'d> Identity<'d> {
    pub(super) fn client(&self) -> Option<&'d Client> {
        match self {
            Self::Unknown | Self::PlayToken(None, _) => None,
            Self::Network(client)
            | Self::StreamPassword(client)
            | Self::PlayToken(Some(client), _) => Some(client),
        }
    }

    /// The token that it brought.
    pub(super) fn token(&self) -> Option<&TokenUse> {
        match self {
            Self::PlayToken(_, token) => Some(token),
            Self::Unknown | Self::Network(_) | Self::StreamPassword(_) => None,
        }
    }

    pub(super) fn kind(&self) -> Option<IdentityKind> {
        match self {
            Self::Unknown => None,
            Self::Network(_) => Some(IdentityKind::Network),
            Self::StreamPassword(_) => Some(IdentityKind::StreamPassword),
            Self::PlayToken(_, _) => Some(IdentityKind::PlayToken),
        }
    }

    pub(super) fn how(&self) -> &'static str {
        match self {
            Self::Unknown => "nothing identifies the client",
            Self::PlayToken(None, _) => "a play token that stands for no client",
            Self::Network(_) | Self::StreamPassword(_) | Self::PlayToken(Some(_), _) => {
                self.kind().map_or("", IdentityKind::sentence)
            }
        }
    }
}

/// A proof that is wrong: the reason to refuse it, and more of it for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: Reason,
    pub(super) because: String,
}

impl From<Reason> for Wrong {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            because: reason.sentence().to_owned(),
        }
    }
}

/// Finds out who a client is.
///
/// # Errors
/// [`Wrong`]: a proof that does not hold.
pub(super) fn identify<'d>(
    snapshot: &Snapshot,
    directory: &'d Directory,
    facts: &Facts,
    route: &Route,
) -> Result<Identity<'d>, Wrong> {
    let by_network = || {
        let client = directory.client_by_addr(facts.addr);
        client.map_or(Identity::Unknown, Identity::Network)
    };
    match &facts.proof {
        Proof::WrongStreamPassword => Err(Reason::WrongPassword.into()),
        Proof::StreamPassword { client } => directory
            .client(*client)
            .map(Identity::StreamPassword)
            .ok_or_else(|| Reason::WrongPassword.into()),
        Proof::PlayToken { token } => {
            let text = token.expose();
            match by_token(snapshot, directory, facts, text) {
                Ok(identity) => Ok(identity),
                // A JSON Web Token may be the application's own affair; one that is not good for
                // us counts against its bearer only where tokens are asked for.
                Err(_)
                    if jwt::is_jwt(text) && !route.identity.contains(&IdentityKind::PlayToken) =>
                {
                    Ok(by_network())
                }
                Err(error) => Err(Wrong {
                    reason: Reason::BadToken,
                    because: error.to_string(),
                }),
            }
        }
        Proof::None => Ok(by_network()),
    }
}

fn by_token<'d>(
    snapshot: &Snapshot,
    directory: &'d Directory,
    facts: &Facts,
    text: &str,
) -> Result<Identity<'d>, token::TokenError> {
    // A token is a right to begin: when a session is judged again, the time of its beginning counts.
    let shown_ms = facts.admitted_ms.unwrap_or(facts.at_ms);
    let right = token::check(text, &snapshot.keys, &snapshot.key_sets, shown_ms)?;
    right.covers(facts)?;
    let client = right.client(directory)?;
    Ok(Identity::PlayToken(client, right.token_use()))
}
