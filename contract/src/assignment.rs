//! Assignments: which edge or cluster a client, group or network belongs to, and what happens to
//! it elsewhere.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::id::{AssignmentId, ClientId, ClusterId, EdgeId, GroupId};

/// One assignment. The most particular one governs: client, then group, then network (longest
/// prefix), then everyone; among equals the lower `order`, then the lower id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Whom it is about.
    pub subject: Subject,
    /// Where they belong.
    pub target: Target,
    /// What happens at any other edge.
    pub elsewhere: Elsewhere,
    /// Lower governs among equals.
    pub order: i64,
    /// An assignment that is not enabled governs nobody.
    pub enabled: bool,
}

/// Whom an assignment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// One registered client.
    Client {
        /// Which.
        client: ClientId,
    },
    /// Every client of a group.
    Group {
        /// Which.
        group: GroupId,
    },
    /// Every address of a network.
    Network {
        /// Which.
        network: IpNet,
    },
    /// Everyone.
    Everyone,
}

/// Where clients belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// One edge.
    Edge {
        /// Which.
        edge: EdgeId,
    },
    /// Any edge of a cluster.
    Cluster {
        /// Which.
        cluster: ClusterId,
    },
}

/// What happens to a client at an edge where it does not belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// It is refused.
    Refuse,
    /// The edge carries it to where it belongs.
    Relay,
    /// It is told to go there; a client that is not known to follow is relayed.
    Redirect,
}

impl Elsewhere {
    /// Every variant, for forms.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Relay, Self::Redirect];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Relay => "relay",
            Self::Redirect => "redirect",
        }
    }
}

/// Where a given connection should be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Here: no assignment governs, or it names this edge or its cluster.
    Here(Option<AssignmentId>),
    /// At another edge.
    Elsewhere {
        /// The assignment that governs.
        assignment: AssignmentId,
        /// The edge that it names, or the one of its cluster that comes first for this client and
        /// can take it; `None` when no such edge is up.
        edge: Option<EdgeId>,
        /// What to do.
        policy: Elsewhere,
    },
}

/// Orders edges for a key by rendezvous hashing: every edge gets a number from its id and the key,
/// the highest comes first. An edge that is gone takes only its own share with it.
#[must_use]
pub fn rendezvous(key: &[u8], edges: impl IntoIterator<Item = EdgeId>) -> Vec<EdgeId> {
    // FNV-1a over the key, then the finalizer of SplitMix64 with the edge's bits: spread evenly,
    // the same on every machine, and no secret is needed because edges choose their own order.
    let key = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let weight = |edge: EdgeId| {
        let bits = edge.bits();
        let folded = (bits as u64) ^ ((bits >> 64) as u64).rotate_left(32);
        mixed(mixed(folded) ^ key)
    };
    let mut edges: Vec<EdgeId> = edges.into_iter().collect();
    edges.sort_by_key(|edge| (std::cmp::Reverse(weight(*edge)), *edge));
    edges
}

fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(count: u128) -> Vec<EdgeId> {
        (1..=count).map(EdgeId::from_bits).collect()
    }

    #[test]
    fn an_edge_that_is_gone_takes_only_its_own_share() {
        let all = edges(5);
        let without = all[..4].to_vec();
        for key in 0..1_000_u32 {
            let key = key.to_be_bytes();
            let home = rendezvous(&key, all.clone())[0];
            if home != all[4] {
                assert_eq!(rendezvous(&key, without.clone())[0], home);
            }
        }
    }

    #[test]
    fn keys_spread_about_evenly() {
        let all = edges(4);
        let mut counts = [0_u32; 4];
        for key in 0..4_000_u32 {
            let home = rendezvous(&key.to_be_bytes(), all.clone())[0];
            counts[all
                .iter()
                .position(|edge| *edge == home)
                .unwrap_or_default()] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }
}
