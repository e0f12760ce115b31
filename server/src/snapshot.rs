//! From rows to the snapshot of one edge: pure, and the same for a check before a change is kept
//! as for its publication.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contract::control::SnapshotDocument;
use contract::fault::FieldFault;
use contract::id::{ClusterId, EdgeId, OriginId};
use contract::origin::Origin;
use contract::route::Route;
use contract::rule::Rule;
use contract::snapshot::{Snapshot, content_hash};
use contract::token::SigningKey;
use serde_json::value::RawValue;

use crate::store::edges::Edge;
use crate::store::record::Scoped;

/// All settings that snapshots are made of, as one transaction saw them.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Every edge, retired ones included.
    pub(crate) edges: Vec<Edge>,
    /// Every origin.
    pub(crate) origins: Vec<Origin>,
    /// Every route, in order.
    pub(crate) routes: Vec<Scoped<Route>>,
    /// Every rule, in order.
    pub(crate) rules: Vec<Scoped<Rule>>,
    /// The signing keys, the newest first.
    pub(crate) keys: Vec<SigningKey>,
}

/// A snapshot, ready to be sent.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The generation in which its content last changed.
    pub(crate) generation: u64,
    /// The hash of its bytes.
    pub(crate) hash: String,
    /// What is sent, as ready bytes.
    pub(crate) document: Box<RawValue>,
    /// The same, to be judged by.
    pub(crate) snapshot: Snapshot,
}

impl Settings {
    /// The snapshot of one edge.
    pub(crate) fn snapshot_of(&self, edge: &Edge) -> Snapshot {
        let routes = of_cluster(&self.routes, edge.cluster);
        let named: HashSet<OriginId> = routes
            .iter()
            .flat_map(|route: &Route| route.upstreams.iter().copied())
            .collect();
        Snapshot {
            edge: edge.id,
            cluster: edge.cluster,
            edges: self
                .edges
                .iter()
                .filter(|other| !other.marks.retired)
                .map(Edge::neighbor)
                .collect(),
            origins: self
                .origins
                .iter()
                .filter(|origin| named.contains(&origin.id))
                .cloned()
                .collect(),
            routes,
            rules: of_cluster(&self.rules, edge.cluster),
            keys: self.keys.clone(),
        }
    }

    /// What an edge would refuse, asked of one edge of each cluster; empty means nothing.
    pub(crate) fn faults(&self) -> Vec<FieldFault> {
        let mut seen = HashSet::new();
        self.edges
            .iter()
            .filter(|edge| !edge.marks.retired && seen.insert(edge.cluster))
            .flat_map(|edge| self.snapshot_of(edge).faults())
            .collect()
    }

    /// The snapshots of all edges. One whose content did not change stays as it was, generation
    /// included.
    pub(crate) fn compile(
        &self,
        generation: u64,
        before: &HashMap<EdgeId, Arc<Compiled>>,
    ) -> Result<HashMap<EdgeId, Arc<Compiled>>, serde_json::Error> {
        let mut compiled = HashMap::with_capacity(self.edges.len());
        for edge in self.edges.iter().filter(|edge| !edge.marks.retired) {
            let snapshot = self.snapshot_of(edge);
            let known = before
                .get(&edge.id)
                .filter(|known| known.snapshot == snapshot);
            let ready = match known {
                Some(known) => Arc::clone(known),
                None => Arc::new(Compiled::new(snapshot, generation)?),
            };
            compiled.insert(edge.id, ready);
        }
        Ok(compiled)
    }
}

impl Compiled {
    fn new(snapshot: Snapshot, generation: u64) -> Result<Self, serde_json::Error> {
        let bytes = serde_json::value::to_raw_value(&snapshot)?;
        let hash = content_hash(bytes.get().as_bytes());
        let document = SnapshotDocument {
            generation,
            hash: hash.clone(),
            snapshot: bytes,
        };
        let document = serde_json::value::to_raw_value(&document)?;
        Ok(Self {
            generation,
            hash,
            document,
            snapshot,
        })
    }
}

fn of_cluster<T: Clone>(all: &[Scoped<T>], cluster: ClusterId) -> Vec<T> {
    all.iter()
        .filter(|scoped| scoped.cluster.is_none_or(|whose| whose == cluster))
        .map(|scoped| scoped.it.clone())
        .collect()
}
