//! Edges: list, one edge, joining, draining, retiring.

use super::parts::{State, Steps, When};

/// A line of the table of edges.
#[derive(Debug)]
pub(crate) struct EdgeRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) addresses: String,
    pub(crate) state: State,
    pub(crate) cluster: String,
    pub(crate) steps: Steps,
    pub(crate) sessions: String,
    pub(crate) streams: String,
    pub(crate) rate: String,
    pub(crate) heard: Option<When>,
}
