//! What the edges of each cluster count for limits that they share: reports come in, and for each
//! edge the sum of the others goes out.
//!
//! Sums are kept as reports come, so that an answer costs what the cluster counts and not what each
//! of its edges does. An edge that was not heard for a while is left out: the others then keep its
//! share for it. It is bounded by what the edges report.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::id::{ClusterId, EdgeId};
use contract::limit::{ClusterCounts, Count, Holder, MAX_COUNTS, SILENT_MS};
use contract::report::Report;

use super::{App, Caller, Error, Permission};

pub use contract::limit::{LimitKind, Limits};

type Key = (Holder, LimitKind, Option<String>);

/// The counts of all clusters.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    clusters: Mutex<HashMap<ClusterId, Cluster>>,
}

#[derive(Debug, Default)]
struct Cluster {
    edges: HashMap<EdgeId, Said>,
    sums: HashMap<Key, u64>,
}

#[derive(Debug, Default)]
struct Said {
    at_ms: u64,
    counts: HashMap<Key, u64>,
}

/// What is used now of the limits of a route, a client or a token, as the edges count it: the largest
/// one of those that each stream or address has.
///
/// # Errors
/// [`Error::Denied`].
pub fn used(app: &App, caller: &Caller, holder: &Holder) -> Result<HashMap<LimitKind, u64>, Error> {
    caller.needs(Permission::Read)?;
    Ok(app.limits().used(holder, app.clock().now_ms()))
}

impl Shared {
    fn clusters(&self) -> MutexGuard<'_, HashMap<ClusterId, Cluster>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what an edge counts, instead of what it said before.
    pub(crate) fn take(&self, cluster: ClusterId, edge: EdgeId, report: &Report, now_ms: u64) {
        let mut clusters = self.clusters();
        // It may have been in another cluster before.
        for (id, other) in clusters.iter_mut() {
            if *id != cluster {
                other.forget(edge);
            }
        }
        let own = clusters.entry(cluster).or_default();
        own.forget(edge);
        let counts = report.counts.iter().take(MAX_COUNTS);
        let counts: HashMap<Key, u64> = counts
            .map(|count| {
                (
                    (count.of.clone(), count.kind, count.item.clone()),
                    count.count,
                )
            })
            .collect();
        for (key, count) in &counts {
            let sum = own.sums.entry(key.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        let at_ms = now_ms;
        own.edges.insert(edge, Said { at_ms, counts });
    }

    /// What the other edges of a cluster count.
    pub(crate) fn others(&self, cluster: ClusterId, edge: EdgeId, now_ms: u64) -> ClusterCounts {
        let mut clusters = self.clusters();
        let Some(cluster) = clusters.get_mut(&cluster) else {
            return ClusterCounts::default();
        };
        cluster.forget_silent(now_ms);
        let own = cluster.edges.get(&edge);
        let without_own = |(key, sum): (&Key, &u64)| {
            let own = own.and_then(|own| own.counts.get(key)).copied();
            let count = sum.saturating_sub(own.unwrap_or(0));
            let (of, kind, item) = key.clone();
            (count > 0).then_some(Count {
                of,
                kind,
                item,
                count,
            })
        };
        let mut others: Vec<Count> = cluster.sums.iter().filter_map(without_own).collect();
        if others.len() > MAX_COUNTS {
            others.sort_unstable_by_key(|count| std::cmp::Reverse(count.count));
            others.truncate(MAX_COUNTS);
        }
        let heard = cluster.edges.keys().copied();
        ClusterCounts {
            heard: heard.filter(|known| *known != edge).collect(),
            others,
        }
    }

    /// Forgets an edge that was retired.
    pub(crate) fn forget(&self, edge: EdgeId) {
        for cluster in self.clusters().values_mut() {
            cluster.forget(edge);
        }
    }

    /// What is used of one holder's limits by the edges that are heard. Clusters count apart; the
    /// fullest one is told.
    fn used(&self, holder: &Holder, now_ms: u64) -> HashMap<LimitKind, u64> {
        let mut used = HashMap::new();
        for cluster in self.clusters().values_mut() {
            cluster.forget_silent(now_ms);
            let of_holder = cluster.sums.iter().filter(|((of, _, _), _)| of == holder);
            for ((_, kind, _), count) in of_holder {
                let most = used.entry(*kind).or_insert(0);
                *most = (*most).max(*count);
            }
        }
        used
    }
}

impl Cluster {
    fn forget(&mut self, edge: EdgeId) {
        let Some(said) = self.edges.remove(&edge) else {
            return;
        };
        for (key, count) in said.counts {
            if let Some(sum) = self.sums.get_mut(&key) {
                *sum = sum.saturating_sub(count);
                if *sum == 0 {
                    self.sums.remove(&key);
                }
            }
        }
    }

    fn forget_silent(&mut self, now_ms: u64) {
        let is_silent = |said: &Said| now_ms.saturating_sub(said.at_ms) > SILENT_MS;
        let silent: Vec<EdgeId> = self
            .edges
            .iter()
            .filter(|(_, said)| is_silent(said))
            .map(|(edge, _)| *edge)
            .collect();
        for edge in silent {
            self.forget(edge);
        }
    }
}
