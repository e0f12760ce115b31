//! One recording: what is stored of it, what is on its way, who watches.
//!
//! A viewer asks for its next step from where it is; a fetch hands in what a server sends. The
//! invariants: a place that several wait for has one fetch; nothing is stored of a recording that
//! was dropped. All of it is under one lock, held for the length of some copies of pointers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::recorded::{Found, Goal, Head, Index, Item, Piece, PieceNote, Place};
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use super::fills::{Fill, FillState};
use super::fresh::Freshness;
use super::window::Window;
use crate::store::Store;

/// Fetches of one recording at once: as many as there are places where viewers are that nothing is
/// stored of. Chosen, because an origin has better things to do than more.
const MAX_FILLS: usize = 64;
/// Ends of fetches that are remembered, for viewers that have yet to hear of them.
const MAX_FAILURES: usize = 2 * MAX_FILLS;
/// How long nobody is asked again for what does not exist. Chosen, because players that try again
/// do so each second, and one who has just recorded something waits no longer.
const MISSING: Duration = Duration::from_secs(1);
/// Messages of a growing piece that are handed to a viewer at once.
const MAX_ITEMS: usize = 256;
/// The part that holds a recording's head; the others follow. The upper half of a part's number
/// tells one time that the recording was stored from the next.
pub(super) const HEAD: u64 = 0;
const VERSION_BITS: u32 = 32;

/// Where a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// In memory, for now.
    Window,
    /// In a stored part.
    Part(u64, PieceNote),
}

/// What a viewer does next.
#[derive(Debug)]
pub enum Step {
    /// Where it wants to be is in the piece that begins here.
    Resolved(u32),
    /// The piece in which it is.
    Piece(Arc<Piece>),
    /// The messages, from its place on, of a piece that still grows; perhaps none.
    Growing(Vec<Item>),
    /// Reading the piece in which it is, by [`Recording::read`].
    Read(PieceNote, u64),
    /// Waiting for this fetch.
    Wait(u64),
    /// Starting this fetch, and waiting for it.
    Start(Fill),
    /// It is at the end.
    End,
    /// It cannot have what it wants.
    Failed(Reason),
}

/// One recording.
#[derive(Debug)]
pub struct Recording {
    object: String,
    store: Option<Store>,
    /// How large it may become in the store.
    most: AtomicU64,
    state: Mutex<State>,
    /// Counts what happens, for those who wait.
    changes: watch::Sender<u64>,
    loaded: OnceCell<()>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) version: u64,
    pub(super) next_part: u64,
    pub(super) head: Head,
    pub(super) index: Index<Where>,
    pub(super) window: Window,
    pub(super) fresh: Freshness,
    pub(super) fills: Vec<FillState>,
    next_id: u64,
    failures: VecDeque<(u64, Reason)>,
    /// When it was last said that there is no such recording.
    pub(super) missing: Option<Instant>,
    /// Who watches, and where they are.
    pub(super) viewers: BTreeMap<u64, u32>,
    /// Some fetch waits for its viewers to go on.
    pub(super) holds: bool,
    pub(super) stored_bytes: u64,
    /// Nothing of it is stored any more.
    pub(super) gone: bool,
}

/// A viewer's name in a recording; while it is held, what it needs is fetched.
#[derive(Debug)]
pub struct Watch {
    recording: Arc<Recording>,
    id: u64,
}

impl Watch {
    /// The viewer is here now.
    pub fn at(&self, position: u32) {
        let holds = {
            let mut state = self.recording.state();
            state.viewers.insert(self.id, position);
            state.holds
        };
        if holds {
            self.recording.changed();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        {
            let mut state = self.recording.state();
            state.viewers.remove(&self.id);
            state.rest();
        }
        self.recording.changed();
    }
}

impl Recording {
    pub(super) fn new(object: String, store: Option<Store>, now_ms: u64) -> Self {
        Self {
            object,
            store,
            most: AtomicU64::new(0),
            state: Mutex::new(State {
                version: now_ms & u64::from(u32::MAX),
                next_part: HEAD + 1,
                head: Head::default(),
                index: Index::default(),
                window: Window::default(),
                fresh: Freshness::default(),
                fills: Vec::new(),
                next_id: 0,
                failures: VecDeque::new(),
                missing: None,
                viewers: BTreeMap::new(),
                holds: false,
                stored_bytes: 0,
                gone: false,
            }),
            changes: watch::Sender::new(0),
            loaded: OnceCell::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Hears of what happens to it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn object(&self) -> &str {
        &self.object
    }

    /// The store, as long as something may be put there.
    pub(super) fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    pub(super) fn allow(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn may_hold(&self, bytes: u64) -> bool {
        self.store.is_some() && bytes <= self.most.load(Ordering::Relaxed)
    }

    /// Whether somebody watches or fetches it.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.viewers.is_empty() || !state.fills.is_empty()
    }

    /// Takes over what is stored, the first time.
    pub(super) async fn load(&self) {
        self.loaded.get_or_init(|| self.read_store()).await;
    }

    async fn read_store(&self) {
        let Some(store) = &self.store else {
            return;
        };
        let parts = store.parts(&self.object);
        let checked = |note: &Bytes| note.as_ref().try_into().map_or(0, u64::from_be_bytes);
        let heads = parts.iter().filter(|(part, _)| part_of(*part).1 == HEAD);
        let newest = heads.max_by_key(|(_, note)| checked(note)).cloned();
        let mut loaded = None;
        if let Some((part, note)) = newest {
            let body = store.get(&self.object, part).await;
            let head = body.and_then(|body| Head::parse(&body));
            loaded = head.map(|head| (part_of(part).0, head, checked(&note)));
        }
        let mut state = self.state();
        let version = loaded.as_ref().map(|(version, _, _)| *version);
        for (part, note) in parts {
            let (of, number) = part_of(part);
            let notes = PieceNote::parse(&note).filter(|_| number != HEAD);
            match notes {
                _ if Some(of) != version => store.remove_part(&self.object, part),
                Some(notes) => {
                    state.next_part = state.next_part.max(number + 1);
                    for note in notes {
                        state.stored_bytes += u64::from(note.length);
                        let place = Where::Part(part, note);
                        state.index.enter(note.from, note.until, place);
                    }
                }
                None => {}
            }
        }
        if let Some((version, head, checked_ms)) = loaded {
            state.version = version;
            state.head = head;
            state.fresh.checked(checked_ms);
        }
    }

    /// How long it is in milliseconds, if that is known.
    #[must_use]
    pub fn length_ms(&self) -> Option<u32> {
        let state = self.state();
        state.head.length_ms().or(state.index.end())
    }

    /// What a viewer needs that begins at this time.
    #[must_use]
    pub fn headers_at(&self, at: u32) -> Vec<Item> {
        self.state().head.headers_at(at)
    }

    /// Enters a viewer that wants to be here.
    #[must_use]
    pub fn watch(self: &Arc<Self>, position: u32) -> Watch {
        let mut state = self.state();
        let id = state.id();
        state.viewers.insert(id, position);
        Watch {
            recording: Arc::clone(self),
            id,
        }
    }

    /// What a viewer does next. It names the fetch that it waited for, to hear of its end.
    #[must_use]
    pub fn step(self: &Arc<Self>, place: Place, waited: Option<u64>) -> Step {
        let mut state = self.state();
        match place {
            Place::Ended => Step::End,
            Place::Seek(at) => {
                if let Some(from) = state.growing_at(at) {
                    return Step::Resolved(from);
                }
                match state.index.find(at) {
                    Found::Piece(from) => Step::Resolved(from),
                    Found::End => Step::End,
                    Found::Hole { exact, .. } => self.demand(&mut state, at, exact, waited),
                }
            }
            Place::In { from, next } => {
                if let Some(piece) = state.window.get(from) {
                    return Step::Piece(piece);
                }
                if let Some(Where::Part(part, note)) = state.index.spot(from).map(|spot| spot.place)
                {
                    return Step::Read(note, part);
                }
                if let Some(items) = state.growing(from) {
                    let items = items.iter().skip(next).take(MAX_ITEMS);
                    return Step::Growing(items.cloned().collect());
                }
                match state.index.jump(from) {
                    Some(began) => Step::Resolved(began),
                    None if state.index.end().is_some_and(|end| from > end) => Step::End,
                    None => self.demand(&mut state, from, true, waited),
                }
            }
        }
    }

    fn demand(
        self: &Arc<Self>,
        state: &mut State,
        at: u32,
        exact: bool,
        waited: Option<u64>,
    ) -> Step {
        let failed = waited.and_then(|waited| {
            let mut failures = state.failures.iter();
            failures.find(|(id, _)| *id == waited)
        });
        if let Some((_, reason)) = failed {
            return Step::Failed(*reason);
        }
        if let Some(fill) = state.fills.iter().find(|fill| fill.covers(at)) {
            return Step::Wait(fill.id());
        }
        if state.missing.is_some_and(|since| since.elapsed() < MISSING) {
            return Step::Failed(Reason::StreamNotFound);
        }
        if state.fills.len() >= MAX_FILLS {
            return Step::Failed(Reason::LimitReached);
        }
        let goal = match (at, exact) {
            (0, _) => Goal::Begin,
            (_, true) => Goal::Exact(at),
            (_, false) => Goal::Seek(at),
        };
        let id = state.id();
        // Without the head nothing can be compared later, and some servers give headers only there.
        let first = if state.head.is_whole() {
            goal
        } else {
            Goal::Begin
        };
        state.fills.push(FillState::new(id, goal, first));
        Step::Start(Fill::new(Arc::clone(self), id, goal))
    }

    /// Reads a stored piece; nothing where it is gone, and the next step goes round it.
    pub async fn read(&self, note: PieceNote, part: u64) -> Option<Arc<Piece>> {
        let store = self.store.as_ref()?;
        let body = store.get(&self.object, part).await;
        let piece = body.and_then(|body| note.piece(&body));
        if piece.is_none() {
            let lost = |place: &Where| matches!(place, Where::Part(known, _) if *known == part);
            self.state().index.forget(lost);
        }
        piece.map(Arc::new)
    }

    /// Nothing more of it is stored, and nothing that was is served to who comes later.
    pub(super) fn leave_store(&self) {
        let mut state = self.state();
        state.gone = true;
        state.index.forget(|place| matches!(place, Where::Part(..)));
    }

    /// Keeps the head in the store.
    pub(super) async fn keep_head(&self) {
        let (part, note, body) = {
            let state = self.state();
            if state.gone || !state.head.is_whole() {
                return;
            }
            let checked = state.fresh.checked_ms().unwrap_or_default();
            let note = Bytes::copy_from_slice(&checked.to_be_bytes());
            (state.part(HEAD), note, state.head.encode())
        };
        if let Some(store) = &self.store {
            store.put(&self.object, part, note, body).await;
            self.unless_gone(store, part);
        }
    }

    /// A recording that was dropped while something was put in the store takes it out again.
    pub(super) fn unless_gone(&self, store: &Store, part: u64) {
        if self.state().gone {
            store.remove_part(&self.object, part);
        }
    }
}

impl State {
    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The number of a part of this version.
    pub(super) fn part(&self, number: u64) -> u64 {
        self.version << VERSION_BITS | number
    }

    fn growing(&self, from: u32) -> Option<&[Item]> {
        let mut growing = self.fills.iter().filter_map(FillState::growing);
        growing.find_map(|(begins, items)| (begins == from).then_some(items))
    }

    /// The growing piece in which a time is, as far as it has grown.
    fn growing_at(&self, at: u32) -> Option<u32> {
        let wanted = self.index.jump(at).unwrap_or(at);
        self.fills.iter().find_map(|fill| {
            let (from, items) = fill.growing()?;
            let there = from == wanted || (from < wanted && wanted <= fill.last());
            (there && !items.is_empty()).then_some(from)
        })
    }

    /// Remembers how a fetch ended.
    pub(super) fn failed(&mut self, id: u64, reason: Reason) {
        self.missing = (reason == Reason::StreamNotFound).then(Instant::now);
        self.failures.push_back((id, reason));
        if self.failures.len() > MAX_FAILURES {
            self.failures.pop_front();
        }
    }
}

/// A part's version and number.
fn part_of(part: u64) -> (u64, u64) {
    (part >> VERSION_BITS, part & u64::from(u32::MAX))
}
