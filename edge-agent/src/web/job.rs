//! One request that was let in, with all that is needed to answer it.

use std::sync::Arc;

use contract::admit::Passage;
use contract::route::Route;
use contract::snapshot::Snapshot;

use super::Web;
use super::asked::Asked;
use super::forward::Asker;
use crate::sessions::RouteCounts;

/// One request that was let in; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) web: Web,
    pub(super) asked: Arc<Asked>,
    pub(super) snapshot: Arc<Snapshot>,
    /// The route's place in the snapshot.
    pub(super) route_at: usize,
    pub(super) passage: Arc<Passage>,
    pub(super) asker: Asker,
    pub(super) counts: RouteCounts,
    /// It is carried to another edge: that edge stores and counts it.
    pub(super) is_relayed: bool,
}

impl Job {
    /// The route that the request matched.
    pub(super) fn route(&self) -> &Route {
        &self.snapshot.routes[self.route_at]
    }

    /// The largest body that is stored for this route.
    pub(super) fn most(&self) -> u64 {
        u64::try_from(self.route().cache.max_object_bytes).unwrap_or(u64::MAX)
    }

    /// The largest body that is held whole in memory.
    pub(super) fn largest(&self) -> u64 {
        self.most().min(self.web.shared.store.largest())
    }
}
