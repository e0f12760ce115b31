//! One round of a worker: writing to each viewer what it is owed.
//!
//! The cost of fan-out is here: one system call a viewer a round, nothing allocated, no lock. A
//! round gives way after some viewers, so that the thread's other tasks wait for some hundred
//! microseconds at most; what came meanwhile goes with the rest of the round.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contract::reason::Reason;
use edge_core::live::{Batch, Pace, Scratch, pace};

use super::{Over, Viewer, Worker};

/// Viewers written to before the round gives way. Chosen, because that takes about 0.4 ms.
const STRETCH: usize = 64;
/// Writes to one viewer before the next viewer's turn. Chosen, because a joiner's first seconds
/// are some hundred messages.
const WRITES: usize = 8;

/// Whom a round is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Everyone: something new is due.
    All,
    /// Those who are still owed something, or leave.
    Pending,
}

impl Worker {
    /// Goes round; true when some viewer is owed more than its socket takes now.
    pub(super) async fn round(&mut self, choice: Choice) -> bool {
        let mut pending = false;
        let mut seats = std::mem::take(&mut self.seats);
        let mut place = 0;
        let mut attended = 0;
        let mut batch = std::mem::take(&mut self.batch);
        let mut now = self.clock.now();
        while place < seats.len() {
            let viewer = seats.at(place);
            if choice == Choice::Pending && !viewer.is_pending() {
                place += 1;
                continue;
            }
            if self.serve(viewer, &mut batch, now) || self.attend(viewer, now) {
                pending |= viewer.is_pending();
                place += 1;
            } else {
                seats.swap_remove(place);
            }
            attended += 1;
            if attended % STRETCH == 0 {
                tokio::task::yield_now().await;
                self.follow();
                now = self.clock.now();
            }
        }
        self.seats = seats;
        self.batch = batch;
        pending
    }

    /// Writes to a viewer that is owed what others are owed too. False when there is more to do
    /// for it than that.
    fn serve(&self, viewer: &mut Viewer, batch: &mut Batch, now: Duration) -> bool {
        if viewer.is_pending() {
            return false;
        }
        let cursor = &mut viewer.seat.cursor;
        let batch = cursor.plain().and_then(|place| batch.at(&self.ring, place));
        let Some(batch) = batch else {
            return false;
        };
        // What goes wrong here goes wrong again when it is attended.
        let Ok(count) = viewer.seat.socket.try_write(batch.bytes()) else {
            return false;
        };
        cursor.took(batch, count, &self.ring, now);
        viewer.sent += count as u64;
        viewer.owes = count < batch.bytes().len() || viewer.seat.socket.owes();
        !viewer.owes
    }

    /// Writes to one viewer what it is owed, as far as its socket takes it. False when it has
    /// given up its seat.
    pub(super) fn attend(&self, viewer: &mut Viewer, now: Duration) -> bool {
        let ring = &self.ring;
        viewer.seat.cursor.settle(ring, now);
        // What fails here fails at the next write, or read, too.
        let _ = viewer.seat.socket.try_flush();
        for _ in 0..WRITES {
            let cursor = &mut viewer.seat.cursor;
            let mut scratch = Scratch::default();
            let owed = cursor.owed(ring, &mut scratch);
            let bytes = owed.bytes();
            if bytes == 0 {
                break;
            }
            match viewer.seat.socket.try_write_vectored(owed.slices()) {
                Ok(count) => {
                    cursor.wrote(count, ring, now);
                    viewer.sent += count as u64;
                    if count < bytes {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    viewer.end(Some(Reason::ClientClosed));
                    return false;
                }
            }
        }
        if pace::check(&mut viewer.seat.cursor, ring, now) == Pace::TooSlow {
            viewer.end(Some(Reason::TooSlow));
            return false;
        }
        let shed = viewer.seat.cursor.shed();
        if shed != viewer.shed {
            self.shed.fetch_add(shed - viewer.shed, Ordering::Relaxed);
            viewer.shed = shed;
        }
        viewer.owes = viewer.seat.cursor.owes_since(ring).is_some() || viewer.seat.socket.owes();
        if viewer
            .leaves
            .is_some_and(|until| !viewer.owes || until <= now)
        {
            viewer.end(None);
            return false;
        }
        true
    }
}

impl Viewer {
    pub(super) fn is_pending(&self) -> bool {
        self.owes || self.leaves.is_some()
    }

    /// Tells its session that the seat is free.
    pub(super) fn end(&mut self, reason: Option<Reason>) {
        self.count();
        let rest = self.seat.cursor.take_rest().collect();
        let sent = self.sent;
        if let Some(over) = self.over.take() {
            // A session that is gone needs not to hear it.
            let cursor = Some(Box::new(self.seat.cursor.clone()));
            let over_is = Over {
                reason,
                rest,
                sent,
                cursor,
            };
            let _ = over.send(over_is);
        }
    }
}
