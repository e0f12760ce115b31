//! One stored answer: its head, its body, whole or in slices, and how long it is fresh.

use bytes::Bytes;
use contract::id::RouteId;
use edge_core::cache::policy::Policy;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

use super::slices::Slices;

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
    pub(super) body: Held,
}

/// How a body is held.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// As it came; shared by all who read it.
    Whole {
        chunks: Arc<[Bytes]>,
        size: u64,
        /// As that of slices.
        generation: u64,
    },
    /// In slices that the store keeps each for itself.
    Slices(Arc<Slices>),
}

/// What a field costs beside its bytes; measured roughly, so that many small objects are bounded.
const OVERHEAD: usize = 64;

impl Object {
    /// The body's length.
    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Held::Whole { size, .. } => *size,
            Held::Slices(slices) => slices.length,
        }
    }

    /// What its body is known by; no other ever had it.
    pub(super) fn generation(&self) -> u64 {
        match &self.body {
            Held::Whole { generation, .. } => *generation,
            Held::Slices(slices) => slices.generation,
        }
    }

    /// What it weighs in memory, without slices.
    pub(super) fn weight(&self) -> u64 {
        let fields: usize = self
            .head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD)
            .sum();
        let (pieces, size) = match &self.body {
            Held::Whole { chunks, size, .. } => (chunks.len() * size_of::<Bytes>(), *size),
            Held::Slices(_) => (size_of::<Slices>(), 0),
        };
        size + u64::try_from(fields + pieces + 512).unwrap_or(u64::MAX)
    }
}
