//! Fetches of a recording: what one is for, what it has brought, whether it is still wanted.
//!
//! Messages of a server go in, pieces go to the window and the store. The invariants: a fetch runs
//! only so far ahead of its foremost viewer; what it has brought stays when it ends; one that ends
//! for whatever reason is told to those who wait.

use std::sync::Arc;

use contract::reason::Reason;
use edge_core::recorded::{Coded, Goal, Intake, Item, Piece, Taken, Until};
use rtmp::Message;

use super::recording::{Recording, State, Where};
use super::window::WINDOW_BYTES;

/// A viewer that is so far ahead of a fetch waits for it, rather than starting one of its own.
const JOIN_MS: u32 = 10_000;
/// How far ahead of its foremost viewer a fetch goes. Chosen: what ffmpeg and Flash players buffer
/// at most by themselves, and no more bytes from the origin than that for one who leaves.
const AHEAD_MS: u32 = 30_000;
/// A part is stored when it has so many bytes. Chosen: one read from the disk, and little for a
/// viewer to hold.
const PART_BYTES: usize = 512 << 10;

/// What a fetch does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Goes on.
    More,
    /// Waits for its viewers.
    Later,
    /// Ends: nobody needs it, or what comes next is stored.
    Nothing,
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct FillState {
    id: u64,
    goal: Goal,
    intake: Intake,
    coded: Coded,
    /// What comes next is stored already.
    met: bool,
}

impl FillState {
    pub(super) fn new(id: u64, goal: Goal, first: Goal) -> Self {
        Self {
            id,
            goal,
            intake: Intake::new(first),
            coded: Coded::default(),
            met: false,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn growing(&self) -> Option<(u32, &[Item])> {
        self.intake.growing()
    }

    pub(super) fn last(&self) -> u32 {
        self.intake.last()
    }

    /// How far it has come.
    fn position(&self) -> u32 {
        match self.intake.growing() {
            Some(_) => self.intake.last(),
            None => self.goal.at(),
        }
    }

    /// Up to where viewers wait for it.
    fn reach(&self) -> u32 {
        self.position().saturating_add(JOIN_MS).max(self.goal.at())
    }

    /// Whether it will bring what is at this time.
    pub(super) fn covers(&self, at: u32) -> bool {
        !self.met && self.position() <= at && at <= self.reach()
    }
}

/// A fetch, in the hands of who carries it out. Dropping it ends it.
#[derive(Debug)]
pub struct Fill {
    recording: Arc<Recording>,
    id: u64,
    goal: Goal,
    ended: Option<Reason>,
}

impl Fill {
    pub(super) fn new(recording: Arc<Recording>, id: u64, goal: Goal) -> Self {
        Self {
            recording,
            id,
            goal,
            ended: Some(Reason::EdgeStopping),
        }
    }

    /// Its name, by which viewers wait for it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Of what it brings something.
    #[must_use]
    pub fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }

    /// Whether the recording's begin is known.
    #[must_use]
    pub fn has_begin(&self) -> bool {
        self.recording.state().head.is_whole()
    }

    /// What it is for.
    #[must_use]
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// What it needs next: first the recording's begin, where that is not known yet; where it has
    /// been on its way before, what follows the last whole piece.
    #[must_use]
    pub fn needs(&self) -> Goal {
        let mut state = self.recording.state();
        let whole = state.head.is_whole();
        let Some(fill) = state.fill(self.id) else {
            return self.goal;
        };
        match fill.intake.growing() {
            Some((from, _)) if whole && from > fill.goal.at() => fill.goal = Goal::Exact(from),
            Some(_) | None => {}
        }
        let goal = if whole { fill.goal } else { Goal::Begin };
        fill.intake = Intake::new(goal);
        goal
    }

    /// Takes a message of the server.
    pub fn take(&self, message: &Message) -> Taken {
        let recording = &self.recording;
        let mut guard = recording.state();
        let state = &mut *guard;
        let Some(fill) = state.fills.iter_mut().find(|fill| fill.id == self.id) else {
            return Taken::Nothing;
        };
        let taken = fill.intake.take(message, &mut state.head);
        match &taken {
            Taken::Nothing | Taken::Late(_) => return taken,
            Taken::Item => {}
            Taken::Piece(piece) => recording.keep(state, self.id, piece.clone()),
        }
        drop(guard);
        recording.changed();
        taken
    }

    /// Nothing earlier comes than this, whatever is asked for: it is taken.
    pub fn take_late(&self, began: u32) {
        let mut state = self.recording.state();
        let Some(fill) = state.fill(self.id) else {
            return;
        };
        fill.intake.take_late();
        let at = fill.goal.at();
        state.index.jumped(at, began);
    }

    /// The server says that this was all.
    pub fn end(&self) {
        let recording = &self.recording;
        {
            let mut guard = recording.state();
            let state = &mut *guard;
            let Some(fill) = state.fills.iter_mut().find(|fill| fill.id == self.id) else {
                return;
            };
            let at = fill.goal.at();
            match fill.intake.end(&mut state.head) {
                Some(piece) => recording.keep(state, self.id, piece),
                None => state.index.ends_before(at),
            }
        }
        recording.changed();
    }

    /// Whether somebody needs more of it.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut state = self.recording.state();
        let whole = state.head.is_whole();
        let wanted = match state.fills.iter().find(|fill| fill.id == self.id) {
            Some(fill) if !fill.met => state.wanted(fill, whole),
            Some(_) | None => Wanted::Nothing,
        };
        if wanted == Wanted::Later {
            state.holds = true;
        }
        wanted
    }

    /// Stores what makes up a part, or at the end whatever there is.
    pub async fn store(&self, all: bool) {
        let recording = &self.recording;
        let (part, coded) = {
            let mut state = recording.state();
            let Some(fill) = state.fill(self.id) else {
                return;
            };
            if fill.coded.is_empty() || (!all && fill.coded.size() < PART_BYTES) {
                return;
            }
            let coded = std::mem::take(&mut fill.coded);
            let number = state.next_part;
            state.next_part += 1;
            (state.part(number), coded)
        };
        let (note, body, notes) = coded.finish();
        let gone = recording.state().gone;
        if let Some(store) = recording.store().filter(|_| !gone) {
            store.put(recording.object(), part, note, body).await;
            recording.unless_gone(store, part);
        }
        let mut state = recording.state();
        for note in notes {
            state.window.settled(note.from);
            if !state.gone {
                let place = Where::Part(part, note);
                state.index.enter(note.from, note.until, place);
            }
        }
    }

    /// Says that the begin was seen: it was compared at this time, in Unix milliseconds.
    pub async fn checked(&self, now_ms: u64) {
        self.recording.state().fresh.checked(now_ms);
        self.recording.keep_head().await;
    }

    /// It ended well.
    pub fn done(mut self) {
        self.ended = None;
    }

    /// It ended for a reason, which its viewers are told.
    pub fn failed(mut self, reason: Reason) {
        self.ended = Some(reason);
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        let mut state = self.recording.state();
        state.fills.retain(|fill| fill.id != self.id);
        if let Some(reason) = self.ended {
            state.failed(self.id, reason);
        }
        state.holds = !state.fills.is_empty();
        state.rest();
        drop(state);
        self.recording.changed();
    }
}

impl Recording {
    /// Takes a finished piece of a fetch.
    fn keep(&self, state: &mut State, id: u64, piece: Piece) {
        let piece = Arc::new(piece);
        let (from, until, size) = (piece.from, piece.until, piece.size() as u64);
        let known = state.index.spot(from).is_some();
        let fits = !state.gone && self.may_hold(state.stored_bytes + size);
        let next_known = match until {
            Until::Next(next) => state.index.spot(next).is_some(),
            Until::End(_) => false,
        };
        let Some(fill) = state.fill(id) else {
            return;
        };
        fill.met = next_known;
        if known {
            return;
        }
        let pending = fits && fill.coded.push(&piece);
        if pending {
            state.stored_bytes += size;
        }
        state.index.enter(from, until, Where::Window);
        for gone in state.window.push(piece, pending) {
            state.unheld(gone);
        }
    }
}

impl State {
    pub(super) fn fill(&mut self, id: u64) -> Option<&mut FillState> {
        self.fills.iter_mut().find(|fill| fill.id == id)
    }

    /// Where nobody watches and nothing is fetched, nothing is held in memory.
    pub(super) fn rest(&mut self) {
        if self.fills.is_empty() && self.viewers.is_empty() {
            for from in self.window.clear() {
                self.unheld(from);
            }
        }
    }

    /// A piece is not in memory any more.
    fn unheld(&mut self, from: u32) {
        let place = self.index.spot(from).map(|spot| spot.place);
        if place == Some(Where::Window) {
            self.index.remove(from);
        }
    }

    fn wanted(&self, fill: &FillState, whole: bool) -> Wanted {
        let (position, reach) = (fill.position(), fill.reach());
        let mut wanted = Wanted::Nothing;
        for at in self.viewers.values().filter(|at| **at <= reach) {
            let near = position < at.saturating_add(AHEAD_MS);
            if !whole || (near && self.window.bytes_after(*at) < WINDOW_BYTES / 2) {
                return Wanted::More;
            }
            wanted = Wanted::Later;
        }
        wanted
    }
}
