//! One viewer of a recording on its socket: a task that writes what is due, from the store or from a
//! fetch.
//!
//! The session's commands and the player's wishes come in by a bounded channel; what the session has
//! to tell its client goes back. The invariants: until [`Over`] nobody else writes to the socket;
//! what a viewer holds is a piece and some bytes to write; a viewer that reads nothing is ended.

mod outbox;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contract::counts::Outcome;
use contract::reason::Reason;
use edge_core::recorded::{Due, Item, Piece, Place, Player};
use edge_core::session::PlayerWish;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{Fetch, Recording, Step, Watch};
use crate::clock::Clock;
use crate::sessions::{self, RouteCounts};
use crate::socket::Socket;
use outbox::Outbox;

/// Calls that may wait. Chosen, because senders wait for room and lose nothing.
const INBOX: usize = 64;
/// What is read from pieces ahead of the socket. Chosen: some writes' worth.
const AHEAD_BYTES: usize = 256 << 10;
/// Messages that are taken from a piece at once.
const BATCH: usize = 64;
/// How long a client may read nothing of what it is owed (laws.md, 3.4).
const STALLED: Duration = Duration::from_secs(30);
/// How often a seat looks up when nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// A viewer that takes its seat.
pub struct Seat {
    /// Where its media go.
    pub socket: Arc<Socket>,
    /// Where its bytes are counted.
    pub record: sessions::Session,
    /// Where they and its seeks are counted as the cache's.
    pub counts: RouteCounts,
    /// Whether nothing is looked up or stored for it.
    pub bypass: bool,
    /// The time.
    pub clock: Clock,
    /// Its message stream.
    pub stream_id: u32,
    /// What it watches.
    pub recording: Arc<Recording>,
    /// Its name there.
    pub watch: Watch,
    /// Its place and pace.
    pub player: Player,
    /// Brings what is not at hand.
    pub fetch: Arc<dyn Fetch>,
}

/// What a session wants of a seat.
#[derive(Debug)]
pub enum Call {
    /// Send bytes of the session, between messages.
    Command(Bytes),
    /// Do what the player asks for.
    Wish(PlayerWish),
    /// Give the seat up.
    Leave,
}

/// What a seat has its session tell the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// All that was asked for has been written.
    Complete,
    /// It cannot go on.
    Failed(Reason),
    /// The seat was given up, for this reason if not by the session.
    Over,
}

/// What is left when a viewer gives up its seat.
#[derive(Debug, Default)]
pub struct Over {
    /// Why it was ended; `None` when its session asked for it.
    pub reason: Option<Reason>,
    /// What must go out before anything else.
    pub rest: Vec<Bytes>,
    /// Bytes written.
    pub sent: u64,
}

/// A session's hold on its seat. Dropping it gives the seat up at once.
#[derive(Debug)]
pub struct SeatHandle {
    inbox: mpsc::Sender<Call>,
    told: mpsc::Receiver<Told>,
    over: oneshot::Receiver<Over>,
}

impl SeatHandle {
    /// Sends bytes of the session, between messages.
    pub async fn command(&self, bytes: Bytes) {
        self.call(Call::Command(bytes)).await;
    }

    /// Does what the player asks for.
    pub async fn wish(&self, wish: PlayerWish) {
        self.call(Call::Wish(wish)).await;
    }

    /// Gives the seat up.
    pub async fn leave(&mut self) -> Over {
        self.call(Call::Leave).await;
        self.over().await
    }

    async fn call(&self, call: Call) {
        // A seat that is gone has told so.
        let _ = self.inbox.send(call).await;
    }

    /// What is left, after the seat was given up.
    pub async fn over(&mut self) -> Over {
        (&mut self.over).await.unwrap_or_default()
    }

    /// What the client is to be told.
    pub async fn told(&mut self) -> Told {
        self.told.recv().await.unwrap_or(Told::Over)
    }
}

impl Seat {
    /// Takes the seat: what the session says first goes out before anything else.
    #[must_use]
    pub fn take(self, first: Bytes) -> SeatHandle {
        let (inbox, calls) = mpsc::channel(INBOX);
        // A seat says little: that it is done, or cannot go on.
        let (tell, told) = mpsc::channel(INBOX);
        let (tell_over, over) = oneshot::channel();
        let mut out = Outbox::default();
        out.command(first);
        let task = Task {
            changes: self.recording.changes(),
            progress: self.clock.now(),
            seat: self,
            out,
            piece: None,
            waited: None,
            waits: false,
            rests: false,
            complete: false,
            due: None,
            asked: None,
            sent: 0,
            tell,
        };
        tokio::spawn(async move {
            let over = task.run(calls).await;
            // A session that is gone needs not to hear it.
            let _ = tell_over.send(over);
        });
        SeatHandle { inbox, told, over }
    }
}

struct Task {
    seat: Seat,
    out: Outbox,
    changes: watch::Receiver<u64>,
    piece: Option<Arc<Piece>>,
    /// The fetch that it waits for.
    waited: Option<u64>,
    /// It waits for something to happen to the recording.
    waits: bool,
    /// There is nothing more to write before the player asks for it.
    rests: bool,
    /// What it asked for ends with what is to be written.
    complete: bool,
    /// When more may be sent.
    due: Option<Duration>,
    /// How a seek is going to be counted.
    asked: Option<Outcome>,
    progress: Duration,
    sent: u64,
    tell: mpsc::Sender<Told>,
}

impl Task {
    async fn run(mut self, mut calls: mpsc::Receiver<Call>) -> Over {
        loop {
            self.advance().await;
            let wrote = match self.write() {
                Ok(wrote) => wrote,
                Err(reason) => return self.over(Some(reason)),
            };
            if self.complete && self.out.is_empty() {
                self.complete = false;
                self.tell(Told::Complete);
            }
            if wrote {
                while let Ok(call) = calls.try_recv() {
                    if self.hear(call) {
                        return self.over(None);
                    }
                }
                // Others have their turn.
                tokio::task::yield_now().await;
                continue;
            }
            let now = self.seat.clock.now();
            let owes = !self.out.is_empty() || self.seat.socket.owes();
            if !owes {
                self.progress = now;
            } else if now.saturating_sub(self.progress) >= STALLED {
                return self.over(Some(Reason::TooSlow));
            }
            let wait = self
                .due
                .map_or(IDLE, |due| due.saturating_sub(now).min(IDLE));
            let socket = Arc::clone(&self.seat.socket);
            let waits = self.waits;
            tokio::select! {
                call = calls.recv() => match call {
                    Some(call) => if self.hear(call) {
                        return self.over(None);
                    },
                    None => return self.over(None),
                },
                // An error is seen by the write that follows.
                _ = socket.writable(), if owes => {}
                // The sender lives as long as the recording, which this task holds.
                _ = self.changes.changed(), if waits => {}
                () = tokio::time::sleep_until(Instant::now() + wait) => {}
            }
        }
    }

    /// Does what the session wants; true when it wants the seat back.
    fn hear(&mut self, call: Call) -> bool {
        let now = self.seat.clock.now();
        let player = &mut self.seat.player;
        match call {
            Call::Command(bytes) => self.out.command(bytes),
            Call::Wish(PlayerWish::Pause { paused, .. }) => player.pause(paused, now),
            Call::Wish(PlayerWish::Audio(wanted)) => player.want_audio(wanted),
            Call::Wish(PlayerWish::Video(wanted)) => player.want_video(wanted),
            Call::Wish(PlayerWish::Buffer { length_ms }) => player.buffers(length_ms),
            Call::Wish(PlayerWish::Seek { position_ms }) => {
                self.out.drop_messages();
                player.seek(position_ms);
                self.seat.watch.at(position_ms);
                (self.piece, self.waited) = (None, None);
                (self.rests, self.complete) = (false, false);
                self.asked = Some(Outcome::Hit);
            }
            Call::Leave => return true,
        }
        false
    }

    /// Brings what is due up to the socket.
    async fn advance(&mut self) {
        (self.waits, self.due) = (false, None);
        // Each turn writes, goes on or stops; what is written is bounded.
        while !self.rests && !self.waits && self.due.is_none() && self.out.bytes() < AHEAD_BYTES {
            match (self.seat.player.place(), self.piece.take()) {
                (Place::In { from, next }, Some(piece)) if piece.from == from => {
                    match piece.items.get(next..) {
                        Some([]) | None => self.seat.player.turn(piece.until),
                        Some(items) => {
                            self.send(items);
                            self.piece = Some(Arc::clone(&piece));
                        }
                    }
                }
                (place, _) => self.step(place).await,
            }
            if self.seat.player.place() == Place::Ended {
                self.complete();
            }
        }
    }

    async fn step(&mut self, place: Place) {
        // Seen as unchanged before it is looked at: what happens in between is not missed.
        self.changes.mark_unchanged();
        let recording = Arc::clone(&self.seat.recording);
        match recording.step(place, self.waited) {
            Step::Resolved(from) => {
                self.seat.player.resolve(from);
                if from > 0 {
                    for header in recording.headers_at(from) {
                        self.out.message(header.addressed(self.seat.stream_id));
                    }
                }
            }
            Step::Piece(piece) => self.piece = Some(piece),
            // One that cannot be read is a hole at the next step.
            Step::Read(note, part) => self.piece = recording.read(note, part).await,
            Step::Growing(items) if items.is_empty() => self.waits = true,
            Step::Growing(items) => {
                self.joins();
                self.send(&items);
            }
            Step::Wait(fill) => {
                self.joins();
                self.waited = Some(fill);
                self.waits = true;
            }
            Step::Start(fill) => {
                if let Some(asked) = &mut self.asked {
                    *asked = Outcome::Miss;
                }
                self.waited = Some(fill.id());
                self.seat.fetch.fetch(fill);
                self.waits = true;
            }
            Step::End => self.complete(),
            Step::Failed(reason) => {
                self.rests = true;
                self.tell(Told::Failed(reason));
            }
        }
    }

    fn joins(&mut self) {
        if self.asked == Some(Outcome::Hit) {
            self.asked = Some(Outcome::Joined);
        }
    }

    /// Writes what is due of these messages.
    fn send(&mut self, items: &[Item]) {
        let now = self.seat.clock.now();
        match self.seat.player.due(items, BATCH, now) {
            Due::Items(0) => self.waits = true,
            Due::Items(count) => {
                let mut bytes = 0;
                for item in items.iter().take(count) {
                    if self.seat.player.wants(item) {
                        self.out.message(item.addressed(self.seat.stream_id));
                        bytes += item.body().len() as u64;
                    }
                }
                self.seat.counts.sent(bytes);
                if let Some(outcome) = self.asked.take() {
                    let bypass = self.seat.bypass.then_some(Outcome::Bypass);
                    self.seat.counts.count(bypass.unwrap_or(outcome));
                }
                if let Some(last) = items.get(count - 1) {
                    self.seat.watch.at(last.timestamp);
                }
            }
            Due::At(due) => self.due = Some(due),
            Due::Paused => self.due = Some(now + IDLE),
            Due::Ended => self.complete(),
        }
    }

    fn complete(&mut self) {
        if !self.rests {
            (self.rests, self.complete) = (true, true);
        }
    }

    fn tell(&self, told: Told) {
        // A session that does not listen is about to go.
        let _ = self.tell.try_send(told);
    }

    /// Writes what the socket takes; whether it took something.
    fn write(&mut self) -> Result<bool, Reason> {
        if self.out.is_empty() {
            // Inside TLS some of what was written may still be here.
            let flushed = self.seat.socket.try_flush();
            return flushed.map(|_| false).map_err(|_| Reason::ClientClosed);
        }
        let written = self.seat.socket.try_write_vectored(&self.out.slices());
        match written {
            Ok(0) => Err(Reason::ClientClosed),
            Ok(count) => {
                self.out.wrote(count);
                self.sent += count as u64;
                self.seat.record.add_sent(count as u64);
                self.progress = self.seat.clock.now();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(Reason::ClientClosed),
        }
    }

    fn over(mut self, reason: Option<Reason>) -> Over {
        self.out.drop_messages();
        Over {
            reason,
            rest: self.out.take(),
            sent: self.sent,
        }
    }
}
