//! The newest pieces of a recording, held in memory until they are stored and a while longer, for
//! viewers that follow a fetch closely.
//!
//! Pieces go in; what is given up comes out. The invariant: it is bounded, but for pieces on their
//! way to the store, of which there are a few.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use edge_core::recorded::Piece;

/// What is held. Chosen: some seconds of the best pictures, and little beside a ring's 8 MiB.
pub(super) const WINDOW_BYTES: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Window {
    pieces: BTreeMap<u32, Arc<Piece>>,
    order: VecDeque<u32>,
    bytes: usize,
    /// On their way to the store.
    pending: BTreeSet<u32>,
}

impl Window {
    /// Takes a piece; returns those given up for it, by where they begin.
    pub(super) fn push(&mut self, piece: Arc<Piece>, pending: bool) -> Vec<u32> {
        let from = piece.from;
        if let Some(before) = self.pieces.remove(&from) {
            self.bytes -= before.size();
            self.order.retain(|known| *known != from);
        }
        self.bytes += piece.size();
        self.order.push_back(from);
        self.pieces.insert(from, piece);
        if pending {
            self.pending.insert(from);
        }
        let mut gone = Vec::new();
        // The newest stays whatever it weighs: somebody waits for it.
        while self.bytes > WINDOW_BYTES {
            let free = |known: &u32| *known != from && !self.pending.contains(known);
            let Some(place) = self.order.iter().position(free) else {
                break;
            };
            if let Some(oldest) = self.order.remove(place)
                && let Some(piece) = self.pieces.remove(&oldest)
            {
                self.bytes -= piece.size();
                gone.push(oldest);
            }
        }
        gone
    }

    /// A piece is stored, or will not be.
    pub(super) fn settled(&mut self, from: u32) {
        self.pending.remove(&from);
    }

    pub(super) fn get(&self, from: u32) -> Option<Arc<Piece>> {
        self.pieces.get(&from).cloned()
    }

    /// Bytes of the pieces that begin after this time.
    pub(super) fn bytes_after(&self, at: u32) -> usize {
        let after = self.pieces.range(at.saturating_add(1)..);
        after.map(|(_, piece)| piece.size()).sum()
    }

    /// Drops what nobody waits for; returns where the pieces began.
    pub(super) fn clear(&mut self) -> Vec<u32> {
        let gone = self.pieces.keys().copied().collect();
        *self = Self::default();
        gone
    }
}
