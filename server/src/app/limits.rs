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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::id::RouteId;
    use serde_json::json;

    use super::*;
    use crate::fixture::Server;

    const ROUTE: Holder = Holder::Route {
        route: RouteId::from_bits(1),
    };

    fn has(count: u64) -> Vec<Count> {
        vec![Count {
            of: ROUTE,
            kind: LimitKind::Connections,
            item: None,
            count,
        }]
    }

    #[tokio::test]
    async fn an_edge_hears_what_the_others_of_its_cluster_have() {
        let server = Server::start().await;
        let north = server.cluster("north").await;
        let alpha = server.agent(north, "alpha").await;
        let beta = server.agent(north, "beta").await;
        let far = server.agent(server.cluster("south").await, "far").await;
        far.report(&server, |report| report.counts = has(40)).await;
        alpha.report(&server, |report| report.counts = has(3)).await;
        let heard = beta.report(&server, |report| report.counts = has(2)).await;
        assert_eq!(heard.cluster.heard, [alpha.edge]);
        assert_eq!(heard.cluster.others, has(3));
        let heard = alpha.report(&server, |_| {}).await;
        assert_eq!(heard.cluster.others, has(2));
        let heard = beta.report(&server, |report| report.counts = has(2)).await;
        assert_eq!(heard.cluster.others, []);
        assert_eq!(heard.cluster.heard, [alpha.edge]);

        // One that says nothing for a while is not counted: its share is kept for it.
        server
            .clock()
            .advance(std::time::Duration::from_millis(SILENT_MS + 1));
        let heard = alpha.report(&server, |_| {}).await;
        assert_eq!(heard.cluster, ClusterCounts::default());
    }

    #[tokio::test]
    async fn limits_are_set_by_the_api_and_reach_the_edges() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, route) = server.route("studio").await;
        let client = server.client("camera").await;
        let admin = server.administrator();
        for one in [
            format!("/api/v1/routes/{route}"),
            format!("/api/v1/clients/{client}"),
            format!("/api/v1/edges/{}", agent.edge),
        ] {
            let set = json!({"limits": {"connections": 5, "publishers": 2}});
            let changed = admin.patch(&one, set).await;
            assert_eq!(changed.status, 200, "{changed:?}");
            let changed = admin
                .patch(&one, json!({"limits": {"publishers": null}}))
                .await;
            assert_eq!(changed.body["limits"], json!({"connections": 5}));
            let refused = admin
                .patch(&one, json!({"limits": {"connections": 0}}))
                .await;
            assert_eq!(refused.status, 422);
            let field = &refused.body["faults"][0]["field"];
            assert_eq!(field, "limits.connections", "{refused:?}");
        }
        let updates = agent.catch_up().await.0;
        let snapshot: contract::snapshot::Snapshot =
            serde_json::from_str(updates.snapshot.unwrap().snapshot.get()).unwrap();
        let five = Limits {
            connections: Some(5),
            ..Limits::default()
        };
        assert_eq!(snapshot.routes[0].limits, five);
        assert_eq!(snapshot.own().unwrap().limits, five);
        assert_eq!(updates.directory.unwrap().clients[0].limits, five);
    }

    #[tokio::test]
    async fn a_form_shows_what_is_used_beside_the_limit() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, route) = server.route("studio").await;
        let admin = server.administrator();
        let one = format!("/api/v1/routes/{route}");
        admin
            .patch(&one, json!({"limits": {"connections": 77}}))
            .await;
        let counts = vec![Count {
            of: Holder::Route { route },
            ..has(41).remove(0)
        }];
        agent.report(&server, |report| report.counts = counts).await;
        let page = admin.get(&format!("/routes/{route}")).await;
        assert!(
            page.text.contains("value=\"77\"") && page.text.contains("Now 41."),
            "{}",
            page.text
        );
    }
}
