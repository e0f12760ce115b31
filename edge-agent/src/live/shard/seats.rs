//! The seats of a worker, found by their number.
//!
//! Viewers go in and out; a round goes over all of them by their places. The invariant: each
//! number leads to its viewer's place, so that a call to one of ten thousand does not search them.

use std::collections::HashMap;

use super::Viewer;

/// The seats of a worker.
#[derive(Default)]
pub(super) struct Seats {
    all: Vec<Viewer>,
    places: HashMap<u64, usize>,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn push(&mut self, viewer: Viewer) {
        self.places.insert(viewer.id, self.all.len());
        self.all.push(viewer);
    }

    pub(super) fn at(&mut self, place: usize) -> &mut Viewer {
        &mut self.all[place]
    }

    /// Takes the viewer at a place out; the last one gets that place.
    pub(super) fn swap_remove(&mut self, place: usize) -> Viewer {
        let removed = self.all.swap_remove(place);
        self.places.remove(&removed.id);
        if let Some(moved) = self.all.get(place) {
            self.places.insert(moved.id, place);
        }
        removed
    }

    /// Takes the viewer with a number out.
    pub(super) fn take(&mut self, id: u64) -> Option<Viewer> {
        let place = *self.places.get(&id)?;
        Some(self.swap_remove(place))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Viewer> {
        self.all.iter_mut()
    }
}
