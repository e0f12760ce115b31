//! One stored answer, whole and immutable: its head, its body in pieces, and how long it is fresh.

use bytes::Bytes;
use contract::id::RouteId;
use edge_core::cache::policy::Policy;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// What is told of an answer before its body.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) policy: Policy,
    /// The body's length, where it is known before its end.
    pub(super) length: Option<u64>,
    /// The route that it was fetched for: another route may have another origin.
    pub(super) route: RouteId,
}

/// A stored answer.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) head: Head,
    /// The body as it came; shared by all who read it.
    pub(super) chunks: Arc<[Bytes]>,
    pub(super) size: u64,
}

/// What a field costs beside its bytes; measured roughly, so that many small objects are bounded.
const OVERHEAD: usize = 64;

impl Object {
    /// What it weighs in memory.
    pub(super) fn weight(&self) -> u64 {
        let fields: usize = self
            .head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD)
            .sum();
        let pieces = self.chunks.len() * size_of::<Bytes>();
        self.size + u64::try_from(fields + pieces + 512).unwrap_or(u64::MAX)
    }
}
