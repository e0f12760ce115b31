//! From rows to the snapshot of one edge: pure, and the same for a check before a change is kept
//! as for its publication.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use contract::fault::FieldFault;
use contract::id::{ClusterId, EdgeId, OriginId, WebhookId};
use contract::key_set::KeySet;
use contract::origin::Origin;
use contract::route::Route;
use contract::rule::Rule;
use contract::snapshot::{Snapshot, content_hash};
use contract::token::SigningKey;
use contract::webhook::Webhook;

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
    /// Every key set.
    pub(crate) key_sets: Vec<Scoped<KeySet>>,
    /// Every webhook.
    pub(crate) webhooks: Vec<Webhook>,
}

/// The snapshot of one edge, ready to be sent. All edges of a cluster share its content, so that a
/// fleet costs one serialization a cluster.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The generation in which its content last changed.
    pub(crate) generation: u64,
    edge: EdgeId,
    content: Arc<Content>,
    hash: OnceLock<String>,
}

/// What the snapshots of a cluster's edges have in common.
#[derive(Debug)]
struct Content {
    /// The snapshot of one of them.
    snapshot: Snapshot,
    /// Its JSON after the edge's own id.
    tail: String,
}

impl Settings {
    /// The snapshot of one edge.
    pub(crate) fn snapshot_of(&self, edge: &Edge) -> Snapshot {
        let routes = of_cluster(&self.routes, edge.cluster);
        let named: HashSet<OriginId> = routes
            .iter()
            .flat_map(|route: &Route| route.upstreams.iter().copied())
            .collect();
        let asked: HashSet<WebhookId> = routes.iter().filter_map(|route| route.webhook).collect();
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
            // Keys that let nobody in need not travel.
            key_sets: of_cluster(&self.key_sets, edge.cluster)
                .into_iter()
                .filter(|set: &KeySet| set.enabled)
                .collect(),
            webhooks: self
                .webhooks
                .iter()
                .filter(|webhook| asked.contains(&webhook.id))
                .cloned()
                .collect(),
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
        let mut contents: HashMap<ClusterId, Arc<Content>> = HashMap::new();
        let mut compiled = HashMap::with_capacity(self.edges.len());
        for edge in self.edges.iter().filter(|edge| !edge.marks.retired) {
            let content = match contents.get(&edge.cluster) {
                Some(content) => Arc::clone(content),
                None => {
                    let content = Arc::new(Content::new(self.snapshot_of(edge))?);
                    contents.insert(edge.cluster, Arc::clone(&content));
                    content
                }
            };
            let ready = match before.get(&edge.id) {
                Some(known) if known.content.tail == content.tail => Arc::clone(known),
                Some(_) | None => Arc::new(Compiled {
                    generation,
                    edge: edge.id,
                    content,
                    hash: OnceLock::new(),
                }),
            };
            compiled.insert(edge.id, ready);
        }
        Ok(compiled)
    }
}

impl Content {
    fn new(snapshot: Snapshot) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(&snapshot)?;
        let tail = text
            .strip_prefix(&head(snapshot.edge))
            .expect("a snapshot's first field is the edge whose it is")
            .to_owned();
        Ok(Self { snapshot, tail })
    }
}

/// How the JSON of an edge's snapshot begins.
fn head(edge: EdgeId) -> String {
    format!("{{\"edge\":\"{edge}\"")
}

impl Compiled {
    /// The hash of its bytes; made when it is first asked for.
    pub(crate) fn hash(&self) -> &str {
        self.hash
            .get_or_init(|| content_hash(self.bytes().as_bytes()))
    }

    fn bytes(&self) -> String {
        let head = head(self.edge);
        let mut bytes = String::with_capacity(head.len() + self.content.tail.len());
        bytes.push_str(&head);
        bytes.push_str(&self.content.tail);
        bytes
    }

    /// The JSON of its [`contract::control::SnapshotDocument`], put together from ready bytes.
    pub(crate) fn document(&self) -> String {
        let Self {
            generation,
            edge,
            content,
            ..
        } = self;
        let (hash, head, tail) = (self.hash(), head(*edge), &content.tail);
        format!("{{\"generation\":{generation},\"hash\":\"{hash}\",\"snapshot\":{head}{tail}}}")
    }

    /// The same as a value, to be judged by.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            edge: self.edge,
            ..self.content.snapshot.clone()
        }
    }
}

fn of_cluster<T: Clone>(all: &[Scoped<T>], cluster: ClusterId) -> Vec<T> {
    all.iter()
        .filter(|scoped| scoped.cluster.is_none_or(|whose| whose == cluster))
        .map(|scoped| scoped.it.clone())
        .collect()
}
