//! The body of one generation of an object, held in slices of one size: some are in the store, some
//! on their way, some nowhere.
//!
//! A reader asks for one slice after the other. What is nowhere is fetched by a run: one request for
//! neighboring slices, which goes on only as long as a reader is near, and so never far ahead of it.
//! The invariants: no slice is on its way twice; all bytes are of one generation, told by a
//! validator that any change of the object would change. It does not know what is in the bytes.

mod reader;
mod run;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use tokio::sync::Notify;

use super::fill::{self, Fill};

pub(super) use reader::{Broke, SliceReader};
pub(super) use run::Run;

/// The size of a slice. Chosen: what a seek costs at most twice, and a request's cost is small
/// beside it; nginx's documentation advises the same.
pub(super) const SLICE_BYTES: u64 = 1 << 20;
/// How many slices are fetched ahead of a reader. Chosen: as much as an answer of 100 ms at 160
/// Mbit/s needs.
const AHEAD: u64 = 2;
/// The most slices of one run that a reader begins. Chosen, so that what a request can claim is
/// bounded.
const MOST_OF_RUN: u64 = 64;

/// The body of one generation of an object.
#[derive(Debug)]
pub(super) struct Slices {
    /// What the store knows the slices by; no other object ever had it.
    pub(super) generation: u64,
    /// The length of the whole object.
    pub(super) length: u64,
    /// Without one nothing that is missing can be fetched.
    pub(super) validator: Option<HeaderValue>,
    state: Mutex<State>,
    /// Told when a reader moves, a slice begins or a run ends.
    told: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Slices on their way, and those that came and that a reader is near to.
    fills: BTreeMap<u64, Arc<Fill>>,
    /// What each run has not begun yet.
    runs: BTreeMap<u64, Range<u64>>,
    last_run: u64,
    /// How many readers are at each slice.
    places: BTreeMap<u64, usize>,
    /// The origin has something else now.
    changed: bool,
}

/// How a reader comes to a slice.
enum Way {
    /// It is on its way, or just came.
    Fill(fill::Reader),
    /// A run will begin it in a moment.
    Wait,
    /// It is in the store or nowhere.
    Look,
    /// Not at all: the origin has something else now.
    Changed,
}

impl Slices {
    pub(super) fn new(generation: u64, length: u64, validator: Option<HeaderValue>) -> Arc<Self> {
        Arc::new(Self {
            generation,
            length,
            validator,
            state: Mutex::default(),
            told: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slices that a part of the object lies in.
    pub(super) fn of_part(from: u64, until: u64) -> Range<u64> {
        from / SLICE_BYTES..until.div_ceil(SLICE_BYTES)
    }

    /// How many bytes this slice has.
    fn size(&self, slice: u64) -> u64 {
        let begins = slice * SLICE_BYTES;
        self.length.saturating_sub(begins).min(SLICE_BYTES)
    }

    /// Of these slices the ones that are not in the store, told by `is_held`: whether there are
    /// any, and whether all of them are on their way.
    pub(super) fn missing(
        &self,
        mut slices: Range<u64>,
        is_held: impl Fn(u64) -> bool,
    ) -> Option<Missing> {
        let state = self.state();
        let mut missing = None;
        let nowhere = slices.any(|slice| {
            let comes = state.fills.contains_key(&slice) || state.is_claimed(slice);
            let is_missing = !state.has(slice) && !is_held(slice);
            if is_missing {
                missing = Some(Missing::OnTheirWay);
            }
            is_missing && !comes
        });
        if nowhere {
            return Some(Missing::Nowhere);
        }
        missing
    }

    fn way(&self, slice: u64) -> Way {
        let state = self.state();
        if state.changed {
            return Way::Changed;
        }
        match state.fills.get(&slice) {
            Some(fill) => Way::Fill(fill.reader()),
            None if state.is_claimed(slice) => Way::Wait,
            None => Way::Look,
        }
    }

    /// Begins a run at a slice that is nowhere; `None` where another reader was faster.
    pub(super) fn begin(self: &Arc<Self>, slices: Range<u64>) -> Option<(Run, fill::Reader)> {
        let mut state = self.state();
        let first = slices.start;
        if state.changed || state.fills.contains_key(&first) || state.is_claimed(first) {
            return None;
        }
        let next_fill = state.fills.range(first..).next().map(|(slice, _)| *slice);
        let next_run = state.runs.values().map(|run| run.start);
        let until = next_run
            .filter(|start| *start > first)
            .chain(next_fill)
            .fold(slices.end, u64::min);
        state.last_run += 1;
        let id = state.last_run;
        state.runs.insert(id, first + 1..until);
        let fill = Fill::new();
        let reader = fill.reader();
        state.fills.insert(first, Arc::clone(&fill));
        drop(state);
        self.told.notify_waiters();
        Some((Run::new(Arc::clone(self), id, first..until, fill), reader))
    }

    /// The origin has something else now: nobody gets more of this.
    fn has_changed(&self) {
        self.state().changed = true;
        self.told.notify_waiters();
    }

    /// A reader goes from one slice to another; from or to nowhere when it comes or goes.
    fn moves(&self, from: Option<u64>, to: Option<u64>) {
        if from == to {
            return;
        }
        let mut state = self.state();
        if let Some(to) = to {
            *state.places.entry(to).or_default() += 1;
        }
        if let Some(from) = from
            && let Some(count) = state.places.get_mut(&from)
        {
            *count -= 1;
            if *count == 0 {
                state.places.remove(&from);
            }
        }
        state.forget_far();
        drop(state);
        self.told.notify_waiters();
    }
}

/// Of the slices that a part lies in some are not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// All that are missing are being fetched.
    OnTheirWay,
    /// Some must be fetched.
    Nowhere,
}

impl State {
    fn is_claimed(&self, slice: u64) -> bool {
        self.runs
            .values()
            .any(|run| run.contains(&slice) && slice - run.start <= AHEAD)
    }

    /// Whether it came whole and is still at hand.
    fn has(&self, slice: u64) -> bool {
        self.fills.get(&slice).is_some_and(|fill| fill.is_whole())
    }

    /// Whether a reader is at this slice or so little before it that it is fetched ahead; a reader
    /// that waits for the slices after it counts too.
    fn is_near(&self, slice: u64) -> bool {
        let near = slice.saturating_sub(AHEAD)..=slice + AHEAD;
        self.places.range(near).next().is_some()
    }

    /// What came, and was put into the store, is kept only for readers that will come to it soon:
    /// the store may have let it go already.
    fn forget_far(&mut self) {
        let places = &self.places;
        let comes_soon = |slice: u64| places.range(slice.saturating_sub(AHEAD)..=slice).next();
        self.fills
            .retain(|slice, fill| !fill.is_whole() || comes_soon(*slice).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices() -> Arc<Slices> {
        Slices::new(1, 10 * SLICE_BYTES + 1, None)
    }

    #[test]
    fn no_slice_is_on_its_way_twice() {
        let slices = slices();
        let first = slices.begin(4..11);
        assert!(first.is_some());
        assert!(matches!(slices.way(4), Way::Fill(_)));
        // The run will come to the next ones; those far ahead are another's.
        for (slice, waits) in [(3, false), (5, true), (7, true), (8, false)] {
            assert_eq!(matches!(slices.way(slice), Way::Wait), waits, "{slice}");
        }
        assert!(slices.begin(5..6).is_none());
        let (_second, _) = slices.begin(8..11).expect("nobody is there");
        let (_third, _) = slices.begin(0..11).expect("nobody is there");
        let claimed: Vec<_> = slices.state().runs.values().cloned().collect();
        assert_eq!(claimed, [5..11, 9..11, 1..4]);
        drop(first);
        assert!(
            matches!(slices.way(4), Way::Look),
            "what was claimed is let go"
        );
    }

    #[test]
    fn what_is_missing_is_told_from_what_comes() {
        let slices = slices();
        let held = |slice: u64| slice < 2;
        assert_eq!(slices.missing(0..2, held), None);
        assert_eq!(slices.missing(0..3, held), Some(Missing::Nowhere));
        let _run = slices.begin(2..4);
        assert_eq!(slices.missing(0..4, held), Some(Missing::OnTheirWay));
        assert_eq!(slices.missing(0..5, held), Some(Missing::Nowhere));
        assert_eq!(slices.size(10), 1);
    }

    #[test]
    fn nothing_more_comes_of_what_has_changed() {
        let slices = slices();
        slices.has_changed();
        assert!(matches!(slices.way(0), Way::Changed));
        assert!(slices.begin(0..1).is_none());
    }
}
