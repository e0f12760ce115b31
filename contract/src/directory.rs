//! The directory: the large tables an edge holds (clients, groups, assignments), sent as changes
//! since a generation and kept with the look-ups that admission needs.
//!
//! It is bounded by what the server holds. A look-up costs the number of prefix lengths in use at
//! most, never the number of clients.

mod networks;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::assignment::{Assignment, Subject};
use crate::client::{Client, Group};
use crate::facts::Facts;
use crate::id::{AssignmentId, ClientId, GroupId};
use networks::Networks;

/// Rows that changed between two generations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectoryChanges {
    /// The generation they start from; 0 with `whole` means that they are everything.
    pub since: u64,
    /// The generation the directory has after them.
    pub until: u64,
    /// Whether what is not named here is gone: a full synchronization.
    pub whole: bool,
    /// Clients that were added or changed.
    pub clients: Vec<Client>,
    /// Groups that were added or changed.
    pub groups: Vec<Group>,
    /// Assignments that were added or changed.
    pub assignments: Vec<Assignment>,
    /// Clients that are gone.
    pub removed_clients: Vec<ClientId>,
    /// Groups that are gone.
    pub removed_groups: Vec<GroupId>,
    /// Assignments that are gone.
    pub removed_assignments: Vec<AssignmentId>,
}

impl DirectoryChanges {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                since: self.since,
                until: self.until,
                ..Self::default()
            }
    }
}

/// Why changes cannot be applied: a full synchronization is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the changes start from generation {since}, but the directory has {held}")]
pub struct DirectoryGap {
    /// Where the changes start.
    pub since: u64,
    /// What is held.
    pub held: u64,
}

/// Clients, groups and assignments, with their look-ups.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    generation: u64,
    clients: BTreeMap<ClientId, Client>,
    groups: BTreeMap<GroupId, Group>,
    assignments: BTreeMap<AssignmentId, Assignment>,
    clients_by_name: HashMap<String, ClientId>,
    measured_clients: usize,
    clients_by_network: Networks<ClientId>,
    assignments_by_subject: HashMap<Subject, Vec<AssignmentId>>,
    assigned_networks: Networks<AssignmentId>,
}

impl Directory {
    /// The generation it stands at.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Everything, as a full synchronization: what an edge keeps on its disk.
    #[must_use]
    pub fn to_changes(&self) -> DirectoryChanges {
        DirectoryChanges {
            since: 0,
            until: self.generation,
            whole: true,
            clients: self.clients.values().cloned().collect(),
            groups: self.groups.values().cloned().collect(),
            assignments: self.assignments.values().cloned().collect(),
            ..DirectoryChanges::default()
        }
    }

    /// Applies changes.
    ///
    /// # Errors
    /// [`DirectoryGap`] if they do not start at or before the generation held; nothing is changed
    /// then.
    pub fn apply(&mut self, changes: DirectoryChanges) -> Result<(), DirectoryGap> {
        if changes.whole {
            *self = Self::default();
        } else if changes.since > self.generation {
            return Err(DirectoryGap {
                since: changes.since,
                held: self.generation,
            });
        }
        for id in changes.removed_clients {
            self.remove_client(id);
        }
        for id in changes.removed_groups {
            self.groups.remove(&id);
        }
        for id in changes.removed_assignments {
            self.remove_assignment(id);
        }
        for client in changes.clients {
            self.insert_client(client);
        }
        for group in changes.groups {
            self.groups.insert(group.id, group);
        }
        for assignment in changes.assignments {
            self.insert_assignment(assignment);
        }
        self.generation = self.generation.max(changes.until);
        Ok(())
    }

    fn insert_client(&mut self, client: Client) {
        self.remove_client(client.id);
        self.clients_by_name
            .insert(client.name.as_str().to_owned(), client.id);
        self.measured_clients += usize::from(client.limits.measures_bits());
        for network in &client.networks {
            self.clients_by_network.insert(*network, client.id);
        }
        self.clients.insert(client.id, client);
    }

    fn remove_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        self.measured_clients -= usize::from(client.limits.measures_bits());
        if self.clients_by_name.get(client.name.as_str()) == Some(&id) {
            self.clients_by_name.remove(client.name.as_str());
        }
        for network in &client.networks {
            self.clients_by_network.remove(*network, id);
        }
    }

    fn insert_assignment(&mut self, assignment: Assignment) {
        self.remove_assignment(assignment.id);
        if let Subject::Network { network } = assignment.subject {
            self.assigned_networks.insert(network, assignment.id);
        } else {
            self.assignments_by_subject
                .entry(assignment.subject)
                .or_default()
                .push(assignment.id);
        }
        self.assignments.insert(assignment.id, assignment);
    }

    fn remove_assignment(&mut self, id: AssignmentId) {
        let Some(assignment) = self.assignments.remove(&id) else {
            return;
        };
        if let Subject::Network { network } = assignment.subject {
            self.assigned_networks.remove(network, id);
        } else if let Some(ids) = self.assignments_by_subject.get_mut(&assignment.subject) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.assignments_by_subject.remove(&assignment.subject);
            }
        }
    }

    /// A client by its id.
    #[must_use]
    pub fn client(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(&id)
    }

    /// A client by its name, as it signs in.
    #[must_use]
    pub fn client_by_name(&self, name: &str) -> Option<&Client> {
        self.clients.get(self.clients_by_name.get(name)?)
    }

    /// Whether the bytes of any client must be measured for its limits.
    #[must_use]
    pub fn measures_clients(&self) -> bool {
        self.measured_clients > 0
    }

    /// The client whose network holds the address; the longest prefix wins, then the lower id.
    #[must_use]
    pub fn client_by_addr(&self, addr: std::net::IpAddr) -> Option<&Client> {
        let id = self
            .clients_by_network
            .containing(addr)
            .next()?
            .iter()
            .min()?;
        self.clients.get(id)
    }

    /// A group by its id.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// The assignment that governs a connection whose client is known by now, or `None`.
    #[must_use]
    pub fn governing(&self, facts: &Facts) -> Option<&Assignment> {
        let client = facts.client.map(|client| Subject::Client { client });
        let groups = facts
            .groups
            .iter()
            .map(|group| Subject::Group { group: *group });
        self.first_of(client.into_iter())
            .or_else(|| self.first_of(groups))
            .or_else(|| {
                self.assigned_networks
                    .containing(facts.addr)
                    .find_map(|ids| self.first_enabled(ids.iter().copied()))
            })
            .or_else(|| self.first_of(std::iter::once(Subject::Everyone)))
    }

    fn first_of(&self, subjects: impl Iterator<Item = Subject>) -> Option<&Assignment> {
        self.first_enabled(
            subjects
                .filter_map(|subject| self.assignments_by_subject.get(&subject))
                .flatten()
                .copied(),
        )
    }

    fn first_enabled(&self, ids: impl Iterator<Item = AssignmentId>) -> Option<&Assignment> {
        ids.filter_map(|id| self.assignments.get(&id))
            .filter(|assignment| assignment.enabled)
            .min_by_key(|assignment| (assignment.order, assignment.id))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::assignment::{Elsewhere, Target};
    use crate::fixture;
    use crate::id::EdgeId;

    fn assignment(id: u128, subject: Subject, order: i64) -> Assignment {
        Assignment {
            id: AssignmentId::from_bits(id),
            subject,
            target: Target::Edge {
                edge: EdgeId::from_bits(1),
            },
            elsewhere: Elsewhere::Relay,
            order,
            enabled: true,
        }
    }

    #[test]
    fn the_most_particular_assignment_governs() {
        let client = ClientId::from_bits(7);
        let group = GroupId::from_bits(8);
        let all = [
            assignment(1, Subject::Everyone, 0),
            assignment(
                2,
                Subject::Network {
                    network: "10.0.0.0/8".parse().unwrap(),
                },
                0,
            ),
            assignment(
                3,
                Subject::Network {
                    network: "10.1.0.0/16".parse().unwrap(),
                },
                9,
            ),
            assignment(4, Subject::Group { group }, 0),
            assignment(5, Subject::Client { client }, 1),
            assignment(6, Subject::Client { client }, 0),
        ];
        let mut facts = fixture::play_facts("live", "s");
        facts.addr = "10.1.2.3".parse().unwrap();
        facts.client = Some(client);
        facts.groups = vec![group];
        for governing in [6, 5, 4, 3, 2, 1] {
            let mut directory = Directory::default();
            let known = all.iter().filter(|one| one.id.bits() <= governing);
            let changes = DirectoryChanges {
                until: 1,
                assignments: known.cloned().collect(),
                ..Default::default()
            };
            directory.apply(changes).unwrap();
            assert_eq!(directory.governing(&facts).unwrap().id.bits(), governing);
        }
    }

    #[test]
    fn changes_leave_no_stale_look_up_behind() {
        let mut directory = Directory::default();
        let mut client = fixture::client(1, "north");
        client.networks = vec!["192.0.2.0/24".parse().unwrap()];
        let with = |client: &Client, since, until| DirectoryChanges {
            since,
            until,
            clients: vec![client.clone()],
            ..Default::default()
        };
        directory.apply(with(&client, 0, 1)).unwrap();
        assert!(
            directory
                .client_by_addr("192.0.2.1".parse().unwrap())
                .is_some()
        );
        client.name = "south".parse().unwrap();
        client.networks = vec!["198.51.100.0/24".parse().unwrap()];
        directory.apply(with(&client, 1, 2)).unwrap();
        assert!(directory.client_by_name("north").is_none());
        assert!(
            directory
                .client_by_addr("192.0.2.1".parse().unwrap())
                .is_none()
        );
        assert_eq!(
            directory
                .client_by_addr("198.51.100.1".parse().unwrap())
                .unwrap()
                .id,
            client.id
        );
        let gone = DirectoryChanges {
            since: 2,
            until: 3,
            removed_clients: vec![client.id],
            ..Default::default()
        };
        directory.apply(gone).unwrap();
        assert!(directory.client_by_name("south").is_none());
        assert_eq!(directory.generation(), 3);
    }

    #[test]
    fn a_gap_is_refused_and_a_whole_one_replaces_everything() {
        let mut directory = Directory::default();
        let gap = DirectoryChanges {
            since: 5,
            until: 6,
            ..Default::default()
        };
        assert_eq!(
            directory.apply(gap),
            Err(DirectoryGap { since: 5, held: 0 })
        );
        let first = DirectoryChanges {
            until: 5,
            clients: vec![fixture::client(1, "a")],
            ..Default::default()
        };
        directory.apply(first).unwrap();
        let whole = DirectoryChanges {
            whole: true,
            until: 9,
            clients: vec![fixture::client(2, "b")],
            ..Default::default()
        };
        directory.apply(whole.clone()).unwrap();
        assert!(directory.client_by_name("a").is_none());
        assert_eq!(directory.to_changes(), whole);
    }
}
