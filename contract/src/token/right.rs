//! What a token grants, whatever its form, and whether a request lies within it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::TokenError;
use crate::client::Client;
use crate::directory::Directory;
use crate::facts::{Action, Facts};
use crate::id::ClientId;
use crate::pattern::Pattern;

/// What a token grants, its signature and time being checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// The token's name: equal for all sessions that bring it.
    pub id: String,
    /// Applications it is for.
    pub app: Pattern,
    /// Streams it is for.
    pub stream: Pattern,
    /// What it allows.
    pub actions: Vec<Action>,
    /// The only address that may use it; `None` means any.
    pub addr: Option<IpAddr>,
    /// Whom it stands for; `None` leaves its bearer unknown.
    pub bearer: Option<Bearer>,
    /// How many sessions at once it is good for; `None` is any number.
    pub uses: Option<u32>,
}

/// The client that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// By its id.
    Id(ClientId),
    /// By its name: applications know no ids.
    Name(String),
}

/// By which token a client was let in, and how many may be at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// The token's name; it is no secret.
    pub id: String,
    /// How many sessions at once it is good for over the whole cluster; `None` is any number.
    pub uses: Option<u32>,
}

impl Right {
    /// Whether the right covers this request. What is not known yet (at `connect`) does not count
    /// against it: it is asked again at `play` or `publish`.
    ///
    /// # Errors
    /// [`TokenError::Elsewhere`] with what differs.
    pub fn covers(&self, facts: &Facts) -> Result<(), TokenError> {
        let requested = &facts.requested;
        let (app, stream) = (requested.app.as_ref(), requested.stream.as_ref());
        let differs = if self
            .addr
            .is_some_and(|addr| addr.to_canonical() != facts.addr.to_canonical())
        {
            "another address"
        } else if facts
            .action
            .is_some_and(|action| !self.actions.contains(&action))
        {
            "another action"
        } else if app.is_some_and(|app| !self.app.matches(app.as_str())) {
            "another application"
        } else if stream.is_some_and(|stream| !self.stream.matches(stream.as_str())) {
            "another stream"
        } else {
            return Ok(());
        };
        Err(TokenError::Elsewhere(differs))
    }

    /// The client that the right stands for, if it names one.
    ///
    /// # Errors
    /// [`TokenError::Bearer`] when that client is not registered.
    pub fn client<'d>(&self, directory: &'d Directory) -> Result<Option<&'d Client>, TokenError> {
        let found = match &self.bearer {
            None => return Ok(None),
            Some(Bearer::Id(id)) => directory.client(*id),
            Some(Bearer::Name(name)) => directory.client_by_name(name),
        };
        found.map(Some).ok_or(TokenError::Bearer)
    }

    /// By what its sessions are counted.
    #[must_use]
    pub fn token_use(&self) -> TokenUse {
        TokenUse {
            id: self.id.clone(),
            uses: self.uses,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn covers_only_what_it_names() {
        let right = Right {
            id: "r".to_owned(),
            app: Pattern::parse("live").unwrap(),
            stream: Pattern::parse("cam*").unwrap(),
            actions: vec![Action::Play],
            addr: Some("192.0.2.1".parse().unwrap()),
            bearer: None,
            uses: None,
        };
        let check = |change: fn(&mut Facts), expected: Option<&'static str>| {
            let mut facts = fixture::play_facts("live", "cam1");
            change(&mut facts);
            let expected = expected.map_or(Ok(()), |what| Err(TokenError::Elsewhere(what)));
            assert_eq!(right.covers(&facts), expected, "{facts:?}");
        };
        check(|_| {}, None);
        check(|facts| facts.action = None, None);
        check(
            |facts| facts.addr = "::ffff:192.0.2.1".parse().unwrap(),
            None,
        );
        check(
            |facts| facts.addr = "192.0.2.2".parse().unwrap(),
            Some("another address"),
        );
        check(
            |facts| facts.action = Some(Action::Publish),
            Some("another action"),
        );
        check(
            |facts| facts.requested.app = Some("vod".parse().unwrap()),
            Some("another application"),
        );
        check(
            |facts| facts.requested.stream = Some("other".parse().unwrap()),
            Some("another stream"),
        );
    }
}
