//! Limits: what an edge, a route, a client or a token may have at once, and the counts by which the
//! edges of a cluster share one limit.
//!
//! A limit that is not set is none. An edge's own limits count on that edge; those of routes,
//! clients and tokens over the whole cluster: each edge reports what it counts and hears the sum of
//! the others. The invariant: the [`share`]s of one limit add up to it exactly, so that edges that
//! do not hear of each other never have more together than it allows.
//!
//! It does not count and does not know who is connected: that is the edge's.

use serde::{Deserialize, Serialize};

use crate::fault::FieldFault;
use crate::id::{ClientId, EdgeId, RouteId};
use crate::snapshot::{EdgeState, Neighbor};

/// The most counts in one report or answer; what does not fit is not shared. About 2 MiB.
pub const MAX_COUNTS: usize = 20_000;
/// An edge that said nothing for so long is taken for one that cannot be heard: three reports.
pub const SILENT_MS: u64 = 3_000;
/// The largest limit; chosen, because JSON carries whole numbers up to 2^53 everywhere.
pub const MAX_LIMIT: u64 = 1 << 53;

/// What may be had at once. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections that were let in. An HTTP request counts for as long as it is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// RTMP viewers of any one stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers_per_stream: Option<u64>,
    /// RTMP publishers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishers: Option<u64>,
    /// Connections let in each second; one second's worth may come at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_second: Option<u64>,
    /// Connections of any one client address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<u64>,
    /// Bits a second received from clients: while more come, nobody else is let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bits_per_second: Option<u64>,
    /// Bits a second sent to clients: while more go, nobody else is let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_bits_per_second: Option<u64>,
}

/// Which of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// [`Limits::connections`].
    Connections,
    /// [`Limits::viewers_per_stream`].
    ViewersPerStream,
    /// [`Limits::publishers`].
    Publishers,
    /// [`Limits::connections_per_second`].
    ConnectionsPerSecond,
    /// [`Limits::connections_per_address`].
    ConnectionsPerAddress,
    /// [`Limits::receive_bits_per_second`].
    ReceiveBitsPerSecond,
    /// [`Limits::send_bits_per_second`].
    SendBitsPerSecond,
}

impl LimitKind {
    /// Every variant, for forms and metrics.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::ViewersPerStream,
        Self::Publishers,
        Self::ConnectionsPerSecond,
        Self::ConnectionsPerAddress,
        Self::ReceiveBitsPerSecond,
        Self::SendBitsPerSecond,
    ];

    /// The word for it, which is its field's name too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ViewersPerStream => "viewers_per_stream",
            Self::Publishers => "publishers",
            Self::ConnectionsPerSecond => "connections_per_second",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ReceiveBitsPerSecond => "receive_bits_per_second",
            Self::SendBitsPerSecond => "send_bits_per_second",
        }
    }

    /// How people say it in a form.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "Connections",
            Self::ViewersPerStream => "Viewers of one stream",
            Self::Publishers => "Publishers",
            Self::ConnectionsPerSecond => "Connections a second",
            Self::ConnectionsPerAddress => "Connections of one address",
            Self::ReceiveBitsPerSecond => "Received, bits a second",
            Self::SendBitsPerSecond => "Sent, bits a second",
        }
    }

    /// How it is said with its number: `at most 5 connections at once`.
    #[must_use]
    pub fn sentence(self, limit: u64) -> String {
        let many = |one: &str, more: &str| {
            let what = if limit == 1 { one } else { more };
            format!("at most {limit} {what}")
        };
        match self {
            Self::Connections => many("connection at once", "connections at once"),
            Self::ViewersPerStream => many("viewer of one stream", "viewers of one stream"),
            Self::Publishers => many("publisher at once", "publishers at once"),
            Self::ConnectionsPerSecond => {
                many("new connection a second", "new connections a second")
            }
            Self::ConnectionsPerAddress => {
                many("connection of one address", "connections of one address")
            }
            Self::ReceiveBitsPerSecond => many("bit a second received", "bits a second received"),
            Self::SendBitsPerSecond => many("bit a second sent", "bits a second sent"),
        }
    }
}

impl Limits {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// One of them.
    #[must_use]
    pub const fn of(&self, kind: LimitKind) -> Option<u64> {
        match kind {
            LimitKind::Connections => self.connections,
            LimitKind::ViewersPerStream => self.viewers_per_stream,
            LimitKind::Publishers => self.publishers,
            LimitKind::ConnectionsPerSecond => self.connections_per_second,
            LimitKind::ConnectionsPerAddress => self.connections_per_address,
            LimitKind::ReceiveBitsPerSecond => self.receive_bits_per_second,
            LimitKind::SendBitsPerSecond => self.send_bits_per_second,
        }
    }

    /// The same limits with another value for one of them.
    #[must_use]
    pub const fn with(mut self, kind: LimitKind, limit: Option<u64>) -> Self {
        match kind {
            LimitKind::Connections => self.connections = limit,
            LimitKind::ViewersPerStream => self.viewers_per_stream = limit,
            LimitKind::Publishers => self.publishers = limit,
            LimitKind::ConnectionsPerSecond => self.connections_per_second = limit,
            LimitKind::ConnectionsPerAddress => self.connections_per_address = limit,
            LimitKind::ReceiveBitsPerSecond => self.receive_bits_per_second = limit,
            LimitKind::SendBitsPerSecond => self.send_bits_per_second = limit,
        }
        self
    }

    /// Whether bytes must be measured for them.
    #[must_use]
    pub const fn measures_bits(&self) -> bool {
        self.receive_bits_per_second.is_some() || self.send_bits_per_second.is_some()
    }

    /// What is wrong with them, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let wrong = |kind: &LimitKind| {
            self.of(*kind)
                .is_some_and(|limit| limit == 0 || limit > MAX_LIMIT)
        };
        LimitKind::ALL
            .into_iter()
            .filter(wrong)
            .map(|kind| {
                let message = "a whole number of 1 or more, or nothing for no limit";
                FieldFault::new(format!("limits.{}", kind.as_str()), message)
            })
            .collect()
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Holder {
    /// One edge: counted there alone.
    Edge {
        /// Which.
        edge: EdgeId,
    },
    /// A route.
    Route {
        /// Which.
        route: RouteId,
    },
    /// A registered client.
    Client {
        /// Which.
        client: ClientId,
    },
    /// A token, by the id that stands in it.
    Token {
        /// Which.
        token: String,
    },
}

impl Holder {
    /// Whether its counts are shared by the edges of a cluster.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match self {
            Self::Edge { .. } => false,
            Self::Route { .. } | Self::Client { .. } | Self::Token { .. } => true,
        }
    }

    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Edge { .. } => "edge",
            Self::Route { .. } => "route",
            Self::Client { .. } => "client",
            Self::Token { .. } => "token",
        }
    }
}

/// What one edge counts, or several together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Whose.
    pub of: Holder,
    /// By which limit.
    pub kind: LimitKind,
    /// The stream or the address, where each has its own count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// How many; for rates how many a second.
    pub count: u64,
}

/// What an edge is told of the others of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterCounts {
    /// Those that were heard within [`SILENT_MS`].
    pub heard: Vec<EdgeId>,
    /// What these count together, where it is not nothing.
    pub others: Vec<Count>,
}

/// The edges among which a cluster's limits are shared while they do not hear of each other: those
/// that take clients, and those that the server has lost, for they may go on without it. They come
/// in the order of their ids, so that every edge finds the same.
#[must_use]
pub fn sharers(own: &Neighbor, edges: &[Neighbor]) -> Vec<EdgeId> {
    let takes_clients = |edge: &&Neighbor| {
        edge.cluster == own.cluster
            && (edge.id == own.id || matches!(edge.state, EdgeState::Active | EdgeState::Lost))
    };
    let mut ids: Vec<EdgeId> = edges
        .iter()
        .filter(takes_clients)
        .map(|edge| edge.id)
        .collect();
    ids.sort_unstable();
    ids
}

/// One edge's share of a limit: an equal part, and what is left over goes by one to the first ones.
#[must_use]
pub fn share(limit: u64, edge: EdgeId, sharers: &[EdgeId]) -> u64 {
    let Some(place) = sharers.iter().position(|known| *known == edge) else {
        return 0;
    };
    let count = sharers.len() as u64;
    limit / count + u64::from((place as u64) < limit % count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    fn edges(count: u128) -> Vec<EdgeId> {
        (1..=count).map(EdgeId::from_bits).collect()
    }

    #[test]
    fn shares_add_up_to_the_limit_and_differ_by_one_at_most() {
        for (limit, count) in [
            (0, 1),
            (5, 1),
            (5, 2),
            (1, 2),
            (7, 3),
            (2, 5),
            (1_000_000, 7),
        ] {
            let sharers = edges(count);
            let shares: Vec<u64> = sharers
                .iter()
                .map(|edge| share(limit, *edge, &sharers))
                .collect();
            assert_eq!(shares.iter().sum::<u64>(), limit, "{limit} {count}");
            let least = shares.iter().min().unwrap();
            assert!(shares.iter().all(|one| one - least <= 1), "{shares:?}");
        }
        assert_eq!(share(5, EdgeId::from_bits(9), &edges(2)), 0);
    }

    #[test]
    fn edges_that_may_have_clients_share() {
        let check = |state: EdgeState, expected: usize| {
            let mut snapshot = fixture::snapshot();
            snapshot.edges[1].state = state;
            let found = sharers(snapshot.own().unwrap(), &snapshot.edges);
            assert_eq!(found.len(), expected, "{state:?}");
        };
        check(EdgeState::Active, 2);
        check(EdgeState::Lost, 2);
        check(EdgeState::Draining, 1);
        check(EdgeState::Pending, 1);
        check(EdgeState::Retired, 1);
    }

    #[test]
    fn a_limit_of_nothing_is_a_fault_that_names_its_field() {
        for kind in LimitKind::ALL {
            let check = |limit: Option<u64>, faults: usize| {
                let found = Limits::default().with(kind, limit).faults();
                assert_eq!(found.len(), faults, "{found:?}");
                for fault in found {
                    assert_eq!(fault.field, format!("limits.{}", kind.as_str()));
                }
            };
            check(None, 0);
            check(Some(1), 0);
            check(Some(0), 1);
            check(Some(u64::MAX), 1);
        }
    }

    #[test]
    fn each_limit_is_a_field_by_its_own_word() {
        for kind in LimitKind::ALL {
            let limits = Limits::default().with(kind, Some(7));
            let json = serde_json::to_value(limits).unwrap();
            assert_eq!(json, serde_json::json!({ kind.as_str(): 7 }));
            assert_eq!(serde_json::from_value::<Limits>(json).unwrap(), limits);
            assert_eq!(limits.of(kind), Some(7));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
