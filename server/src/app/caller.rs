//! Who asks for a verb: found out once by `auth`, believed by every verb.

use std::net::IpAddr;

use contract::id::{ApiTokenId, EdgeId, LoginId, UserId};

use super::Error;
use super::permission::{Permission, may};
use crate::store::users::Role;

/// The party that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// A person, by a login in a browser.
    User {
        /// The user.
        id: UserId,
        /// The login that was used.
        login: LoginId,
    },
    /// Automation, by an API token.
    Token {
        /// The token.
        id: ApiTokenId,
    },
    /// An edge's agent.
    Edge {
        /// The edge.
        id: EdgeId,
    },
    /// The server itself: a task, the program's own set-up.
    Server,
}

impl Party {
    /// The word for its kind in the audit.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Token { .. } => "token",
            Self::Edge { .. } => "edge",
            Self::Server => "server",
        }
    }

    /// Its id, where it has one.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User { id, .. } => Some(id.to_string()),
            Self::Token { id } => Some(id.to_string()),
            Self::Edge { id } => Some(id.to_string()),
            Self::Server => None,
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The address of the other end.
    pub address: IpAddr,
    /// The request's id.
    pub request_id: String,
}

/// A known party, what it may do, and where it asks from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The party.
    pub party: Party,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where the request came from; nothing for the server itself.
    pub from: Option<From>,
}

impl Caller {
    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Self {
            party: Party::Server,
            name: "server".to_owned(),
            role: Role::Administrator,
            from: None,
        }
    }

    /// Goes on only if the caller has the right.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn needs(&self, permission: Permission) -> Result<(), Error> {
        if may(self.role, permission) {
            Ok(())
        } else {
            Err(Error::Denied { needs: permission })
        }
    }

    /// Whether the caller has the right, for pages that show only what can be done.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        may(self.role, permission)
    }

    /// The user's id, if the caller is a person.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self.party {
            Party::User { id, .. } => Some(id),
            Party::Token { .. } | Party::Edge { .. } | Party::Server => None,
        }
    }

    /// The login that was used, if the caller is a person.
    #[must_use]
    pub fn login_id(&self) -> Option<LoginId> {
        match self.party {
            Party::User { login, .. } => Some(login),
            Party::Token { .. } | Party::Edge { .. } | Party::Server => None,
        }
    }
}
