//! Who may do what: the one table.
//!
//! | permission | administrator | operator | auditor |
//! |---|---|---|---|
//! | read settings, sessions, streams, figures | yes | yes | yes |
//! | read the audit | yes | yes | yes |
//! | ask how a connection would be judged | yes | yes | yes |
//! | end sessions | yes | yes | no |
//! | drain and undrain edges | yes | yes | no |
//! | purge caches, ask edges | yes | yes | no |
//! | change settings: clusters, edges, origins, routes, clients, groups, assignments, rules, key sets, webhooks | yes | no | no |
//! | make join tokens, play tokens, stream passwords, webhooks' keys | yes | no | no |
//! | manage users, their logins and API tokens | yes | no | no |
//!
//! A user's own password and logins are always the user's own.

use std::fmt;

use crate::store::users::Role;

/// A right that a verb asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Reading settings and what is happening.
    Read,
    /// Reading who did what.
    ReadAudit,
    /// Asking how a connection would be judged; it changes nothing.
    Try,
    /// Ending sessions.
    EndSessions,
    /// Draining edges and taking them back.
    DrainEdges,
    /// Purging caches.
    Purge,
    /// Changing settings.
    ChangeSettings,
    /// Making secrets that let others in.
    MakeSecrets,
    /// Managing users, their logins and API tokens.
    ManageAccess,
}

impl Permission {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::ReadAudit,
        Self::Try,
        Self::EndSessions,
        Self::DrainEdges,
        Self::Purge,
        Self::ChangeSettings,
        Self::MakeSecrets,
        Self::ManageAccess,
    ];
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read settings and sessions",
            Self::ReadAudit => "read the audit",
            Self::Try => "try rules",
            Self::EndSessions => "end sessions",
            Self::DrainEdges => "drain edges",
            Self::Purge => "purge caches",
            Self::ChangeSettings => "change settings",
            Self::MakeSecrets => "make tokens and stream passwords",
            Self::ManageAccess => "manage users and API tokens",
        })
    }
}

/// Whether a role has a right.
#[must_use]
pub fn may(role: Role, permission: Permission) -> bool {
    match permission {
        Permission::Read | Permission::ReadAudit | Permission::Try => match role {
            Role::Administrator | Role::Operator | Role::Auditor => true,
        },
        Permission::EndSessions | Permission::DrainEdges | Permission::Purge => match role {
            Role::Administrator | Role::Operator => true,
            Role::Auditor => false,
        },
        Permission::ChangeSettings | Permission::MakeSecrets | Permission::ManageAccess => {
            match role {
                Role::Administrator => true,
                Role::Operator | Role::Auditor => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_an_auditor_only_reads_and_an_operator_only_acts_on_what_is_happening() {
        let rights = |role| Permission::ALL.map(|permission| may(role, permission));
        assert_eq!(rights(Role::Administrator), [true; 9]);
        assert_eq!(
            rights(Role::Operator),
            [true, true, true, true, true, true, false, false, false]
        );
        assert_eq!(
            rights(Role::Auditor),
            [true, true, true, false, false, false, false, false, false]
        );
    }
}
