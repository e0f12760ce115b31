//! One worker's viewers of one stream: their cursors and their sockets.
//!
//! Seats come in by a bounded channel, new entries by the head's number; what is owed goes out in
//! one vectored write a viewer a round. A socket that takes no more is passed over without a
//! system call until the runtime says that it does again. A round that lasts long makes the next
//! one larger, because whatever came meanwhile goes with it.
//!
//! The invariant: between joining and [`Over`] nobody else writes to a viewer's socket.

mod round;
mod seats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::live::{Batch, Cursor, Flush, Ring, send_buffer};
use edge_core::session::PlayerWish;
use round::Choice;
use seats::Seats;
use socket2::SockRef;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Head;
use crate::clock::Clock;
use crate::sessions;
use crate::socket::Socket;

/// Messages to a shard that may wait. Chosen, because senders wait for room and lose nothing.
const INBOX: usize = 256;
/// Calls that are heard in turn before media goes on. Chosen, because so many cost less than one
/// stretch of a round, and whoever sends many must not keep media from all others.
const CALLS: usize = 32;
/// How often a socket that took only a part is tried again. Chosen, because a joiner's first
/// seconds of media do not fit in its send buffer, and 10 ms a time they go out at 250 Mbit/s.
const RETRY: Duration = Duration::from_millis(10);
/// How often a worker looks up when nothing happens, and at least does what need not be done for
/// each write: counting bytes, and fitting send buffers to the stream's rate.
const IDLE: Duration = Duration::from_secs(1);

/// A viewer that takes its seat.
pub struct Seat {
    /// Where its media go.
    pub socket: Arc<Socket>,
    /// Its place.
    pub cursor: Cursor,
    /// Where its bytes are counted.
    pub record: sessions::Session,
}

/// What is left when a viewer gives up its seat.
#[derive(Debug, Default)]
pub struct Over {
    /// Why it was ended; `None` when it left by itself or its session asked for it.
    pub reason: Option<Reason>,
    /// What must go out before anything else: the rest of a message, and commands.
    pub rest: Vec<Bytes>,
    /// Bytes written.
    pub sent: u64,
    /// Its place, for whoever goes on from there.
    pub cursor: Option<Box<Cursor>>,
}

/// A session's hold on its seat. Dropping it gives the seat up at once.
pub struct SeatHandle {
    id: u64,
    inbox: mpsc::Sender<Call>,
    joining: Option<Box<Joining>>,
    over: oneshot::Receiver<Over>,
    left: bool,
    taken: Arc<AtomicUsize>,
}

struct Joining {
    seat: Seat,
    over: oneshot::Sender<Over>,
}

enum Call {
    Join(u64, Box<Joining>),
    Command(u64, Bytes),
    Wish(u64, PlayerWish),
    /// Give the seat up: at once, or when all that is owed went out or this much time has passed.
    Leave(u64, Option<Duration>),
}

/// The way to a shard.
pub(super) struct Shard {
    inbox: mpsc::Sender<Call>,
    next_id: u64,
    /// Its seats, each counted until its handle is dropped.
    taken: Arc<AtomicUsize>,
}

/// Starts a worker's share of a stream. It ends when nobody can reach it any more.
pub(super) fn spawn(head: Arc<Head>, clock: Clock, shed: Arc<AtomicU64>) -> Shard {
    let (inbox, calls) = mpsc::channel(INBOX);
    let worker = Worker {
        clock,
        shed,
        changes: head.watch(),
        tended: clock.now(),
        send_buffer: send_buffer(head.bits_per_second()),
        head,
        ring: Ring::default(),
        seats: Seats::default(),
        flush: Flush::default(),
        batch: Batch::default(),
    };
    tokio::spawn(worker.run(calls));
    Shard {
        inbox,
        next_id: 0,
        taken: Arc::default(),
    }
}

impl Shard {
    /// How many viewers it has.
    pub(super) fn viewers(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn handle(&mut self, seat: Seat) -> SeatHandle {
        self.next_id += 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        let (tell, over) = oneshot::channel();
        SeatHandle {
            id: self.next_id,
            inbox: self.inbox.clone(),
            joining: Some(Box::new(Joining { seat, over: tell })),
            over,
            left: false,
            taken: Arc::clone(&self.taken),
        }
    }
}

impl SeatHandle {
    /// Takes the seat; call it once, before anything else.
    pub async fn take(&mut self) {
        if let Some(joining) = self.joining.take() {
            self.call(Call::Join(self.id, joining)).await;
        }
    }

    /// Sends bytes of the session, between messages.
    pub async fn command(&self, bytes: Bytes) {
        self.call(Call::Command(self.id, bytes)).await;
    }

    /// Does what the player asks for.
    pub async fn wish(&self, wish: PlayerWish) {
        self.call(Call::Wish(self.id, wish)).await;
    }

    /// Gives the seat up; with a time, what is owed goes out first. [`SeatHandle::over`] follows.
    pub async fn leave(&mut self, patience: Option<Duration>) {
        self.left = true;
        self.call(Call::Leave(self.id, patience)).await;
    }

    async fn call(&self, call: Call) {
        // A shard that is gone has told so by `over`.
        let _ = self.inbox.send(call).await;
    }

    /// Comes when the seat was given up.
    pub async fn over(&mut self) -> Over {
        (&mut self.over).await.unwrap_or_default()
    }
}

impl Drop for SeatHandle {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        if !self.left {
            // Should the inbox be full, the closed socket is noticed by the next write.
            let _ = self.inbox.try_send(Call::Leave(self.id, None));
        }
    }
}

struct Worker {
    clock: Clock,
    shed: Arc<AtomicU64>,
    head: Arc<Head>,
    changes: watch::Receiver<u64>,
    /// This worker's own view of the stream's ring.
    ring: Ring,
    seats: Seats,
    flush: Flush,
    batch: Batch,
    /// Bytes that the kernel may hold for each viewer.
    send_buffer: usize,
    /// When seats were tended last.
    tended: Duration,
}

/// One seat. It is kept small, because each round goes over all of them and the kernel's own work
/// between two leaves little of them in the processor's caches.
struct Viewer {
    id: u64,
    seat: Seat,
    /// More is owed than its socket took.
    owes: bool,
    sent: u64,
    /// Of these, counted in its record.
    counted: u64,
    shed: u64,
    /// It leaves when nothing is owed any more, or then.
    leaves: Option<Duration>,
    over: Option<oneshot::Sender<Over>>,
}

impl Worker {
    async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        let mut pending = false;
        loop {
            let now = self.clock.now();
            let wait = self.wait(now, pending);
            let follows = !self.seats.is_empty();
            let heeds = follows && self.flush.heeds(now);
            tokio::select! {
                call = calls.recv() => match call {
                    Some(call) => pending |= self.hear(call),
                    None => return,
                },
                // The sender lives as long as the head, which this worker holds.
                _ = self.changes.changed(), if heeds => self.follow(),
                () = tokio::time::sleep_until(Instant::now() + wait), if follows => {
                    // What came unheeded goes with what is due now.
                    if !heeds {
                        self.follow();
                    }
                }
            }
            for _ in 0..CALLS {
                let Ok(call) = calls.try_recv() else { break };
                pending |= self.hear(call);
            }
            if self.flush.take(self.clock.now()) {
                pending = self.round(Choice::All).await;
            } else if pending {
                pending = self.round(Choice::Pending).await;
            }
            self.tend();
        }
    }

    /// Does now and then what a write need not wait for.
    fn tend(&mut self) {
        let now = self.clock.now();
        if now.saturating_sub(self.tended) < IDLE {
            return;
        }
        self.tended = now;
        let wanted = send_buffer(self.head.bits_per_second());
        let fits = self.send_buffer / 2 < wanted && wanted / 2 < self.send_buffer;
        if !fits {
            self.send_buffer = wanted;
        }
        for viewer in self.seats.iter_mut() {
            viewer.count();
            if !fits {
                viewer.set_send_buffer(wanted);
            }
        }
    }

    fn wait(&self, now: Duration, pending: bool) -> Duration {
        let due = self.flush.due().map(|due| due.saturating_sub(now));
        let idle = if pending { RETRY } else { IDLE };
        due.map_or(idle, |due| due.min(idle))
    }

    /// Takes over what came, and notes when it is due.
    fn follow(&mut self) {
        let from = self.ring.head();
        self.head.follow(&mut self.ring);
        self.changes.mark_unchanged();
        let now = self.clock.now();
        self.flush.set_gather(self.head.gather());
        let pictures = self.ring.has_video();
        for entry in self.ring.range(from) {
            self.flush.appended(entry.look.track, pictures, now);
        }
    }

    /// Does what a session asks for; true when its viewer is owed more than its socket took.
    fn hear(&mut self, call: Call) -> bool {
        match call {
            Call::Join(id, joining) => self.join(id, *joining),
            Call::Command(id, bytes) => self.with(id, |viewer, _, _| {
                let overflow = viewer.seat.cursor.command(bytes).is_err();
                overflow.then_some(Reason::TooSlow)
            }),
            Call::Wish(id, wish) => self.with(id, |viewer, ring, now| {
                let cursor = &mut viewer.seat.cursor;
                match wish {
                    PlayerWish::Pause { paused, .. } => cursor.pause(paused, ring, now),
                    // A live stream is sent as it comes.
                    PlayerWish::Buffer { .. } => {}
                    PlayerWish::Audio(wanted) => cursor.want_audio(wanted),
                    PlayerWish::Video(wanted) => cursor.want_video(wanted, ring),
                    // Of a live stream there is only now.
                    PlayerWish::Seek { .. } => {}
                }
                None
            }),
            Call::Leave(id, patience) => self.with(id, |viewer, _, now| {
                viewer.leaves = Some(now + patience.unwrap_or_default());
                None
            }),
        }
    }

    fn join(&mut self, id: u64, joining: Joining) -> bool {
        // What comes in by this is due for the others too.
        self.follow();
        let viewer = Viewer {
            id,
            shed: joining.seat.cursor.shed(),
            seat: joining.seat,
            over: Some(joining.over),
            leaves: None,
            owes: false,
            sent: 0,
            counted: 0,
        };
        viewer.set_send_buffer(self.send_buffer);
        self.write_and_seat(viewer, self.clock.now())
    }

    /// Does something for one viewer and writes to it at once.
    fn with(
        &mut self,
        id: u64,
        work: impl FnOnce(&mut Viewer, &Ring, Duration) -> Option<Reason>,
    ) -> bool {
        let Some(mut viewer) = self.seats.take(id) else {
            return false;
        };
        let now = self.clock.now();
        let ended = work(&mut viewer, &self.ring, now);
        if let Some(reason) = ended {
            viewer.end(Some(reason));
            return false;
        }
        self.write_and_seat(viewer, now)
    }

    /// Writes to a viewer what it is owed, and gives it its seat unless it is over. True when more
    /// is owed than its socket took.
    fn write_and_seat(&mut self, mut viewer: Viewer, now: Duration) -> bool {
        let stays = self.attend(&mut viewer, now);
        let pending = stays && viewer.is_pending();
        if stays {
            self.seats.push(viewer);
        }
        pending
    }
}

impl Viewer {
    /// Counts in its record what was sent since the last time.
    fn count(&mut self) {
        if self.sent > self.counted {
            self.seat.record.add_sent(self.sent - self.counted);
            self.counted = self.sent;
        }
    }

    fn set_send_buffer(&self, bytes: usize) {
        // A socket that is gone is noticed by the next write.
        let _ = SockRef::from(&*self.seat.socket).set_send_buffer_size(bytes);
    }
}
