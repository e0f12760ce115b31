//! A client that plays several streams on one connection.
//!
//! One stream is written by a worker of its hub, which has the socket for itself (viewing). When a
//! second one begins, the worker gives the seat back and the session writes them all. The
//! invariants: messages of different streams do not stand inside one another; no stream waits for
//! another; a client that is too slow loses media of the stream that is late, as any viewer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::live::{Cursor, Pace, Ring, Scratch, pace};
use edge_core::session::PlayerWish;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::driver::Driver;
use super::roles::Role;
use super::viewing::{Place, Playing, Stream};
use crate::live::Head;
use crate::socket::Socket;

/// Writes for one stream before the next one's turn; chosen, as a worker's for one viewer.
const WRITES: usize = 8;
/// How often a socket that takes nothing is looked at, to end a client that reads nothing.
const LOOK: Duration = Duration::from_secs(1);

/// A stream that the session itself writes.
pub(super) struct Own {
    cursor: Cursor,
    ring: Ring,
    changes: watch::Receiver<u64>,
}

/// How far a write came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrote {
    /// All that was owed.
    All,
    /// The socket takes more, but others wait.
    More,
    /// The socket takes no more for now.
    Full,
}

impl Own {
    fn new(stream: &Stream, cursor: Cursor) -> Self {
        Self {
            cursor,
            ring: Ring::default(),
            changes: stream.head().watch(),
        }
    }

    /// Comes when there is more to write.
    pub(super) async fn newer(&mut self) {
        // The head, and so the sender, is held by the stream.
        let _ = self.changes.changed().await;
    }

    fn wish(&mut self, wish: PlayerWish, now: Duration) {
        match wish {
            PlayerWish::Pause { paused, .. } => self.cursor.pause(paused, &self.ring, now),
            // A live stream is sent as it comes.
            PlayerWish::Buffer { .. } => {}
            PlayerWish::Audio(wanted) => self.cursor.want_audio(wanted),
            PlayerWish::Video(wanted) => self.cursor.want_video(wanted, &self.ring),
            PlayerWish::Seek { .. } => {}
        }
    }

    /// Writes what is owed; says how far it came, and how many bytes went out.
    fn write(&mut self, head: &Head, socket: &Socket, now: Duration) -> io::Result<(Wrote, u64)> {
        self.changes.mark_unchanged();
        head.follow(&mut self.ring);
        self.cursor.settle(&self.ring, now);
        let mut sent = 0;
        for _ in 0..WRITES {
            let mut scratch = Scratch::default();
            let owed = self.cursor.owed(&self.ring, &mut scratch);
            let bytes = owed.bytes();
            if bytes == 0 {
                // Inside TLS the last of it may not have gone out yet.
                let wrote = if socket.try_flush()? {
                    Wrote::All
                } else {
                    Wrote::Full
                };
                return Ok((wrote, sent));
            }
            match socket.try_write_vectored(owed.slices()) {
                Ok(count) => {
                    self.cursor.wrote(count, &self.ring, now);
                    sent += count as u64;
                    if count < bytes {
                        return Ok((Wrote::Full, sent));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((Wrote::Full, sent));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Wrote::More, sent))
    }
}

impl Driver {
    /// Another stream begins: the session writes it, and from now on those that it plays already.
    pub(super) async fn mix(
        &mut self,
        stream_id: u32,
        stream: Stream,
        (cursor, until): (Cursor, Option<Duration>),
    ) {
        let seated = self.roles.seated().map(|(seated, _)| seated);
        if let Some(seated) = seated
            && !self.unseat(seated).await
        {
            return;
        }
        let place = Place::Own(Box::new(Own::new(&stream, cursor)));
        let playing = Role::Playing(Playing {
            stream,
            place,
            until,
        });
        self.roles.put(stream_id, playing);
    }

    /// Takes a stream back from its worker, to write it here. False if it is over.
    async fn unseat(&mut self, stream_id: u32) -> bool {
        let Some(Role::Playing(Playing {
            stream,
            place: Place::Seat(mut seat),
            until,
        })) = self.roles.take(stream_id)
        else {
            return true;
        };
        seat.leave(None).await;
        let over = seat.over().await;
        let Some(cursor) = over.cursor.filter(|_| over.reason.is_none()) else {
            self.ended_by_worker(stream_id, over.reason, over.sent);
            return false;
        };
        self.session.sent_past(over.sent);
        self.out.splice(0..0, over.rest);
        let place = Place::Own(Box::new(Own::new(&stream, *cursor)));
        let playing = Role::Playing(Playing {
            stream,
            place,
            until,
        });
        self.roles.put(stream_id, playing);
        true
    }

    /// Something that a player of one of several streams asks for.
    pub(super) fn mixed_wish(&mut self, stream_id: u32, wish: PlayerWish) {
        let now = self.plane.context.clock.now();
        if let Some(own) = self.roles.own(stream_id) {
            own.wish(wish, now);
        }
    }

    /// Puts what the session has to say behind what must go out first, if something must, or else
    /// where it is not waited for while the socket takes nothing. Returns what is to be written now.
    pub(super) fn behind_message(&mut self, bytes: Bytes) -> Option<Bytes> {
        let full = self.full;
        // Where several wait, one of them is in the middle of something.
        let waiting = self
            .roles
            .owns()
            .filter(|(_, _, own)| full || own.cursor.is_amid());
        let place = waiting.max_by_key(|(_, _, own)| own.cursor.is_amid());
        let Some((_, _, own)) = place else {
            return Some(bytes);
        };
        if own.cursor.command(bytes).is_err() {
            self.lost(Reason::TooSlow);
        }
        None
    }

    /// Writes to the client what it is owed of all its streams, as far as the socket takes it.
    pub(super) fn pump(&mut self) {
        if self.roles.owns().next().is_none() {
            return;
        }
        let now = self.plane.context.clock.now();
        let mut ended = None;
        let mut sent = 0;
        let mut look = None;
        // What went out in part goes on before anything else may begin.
        let amid = self.roles.owns().find(|(_, _, own)| own.cursor.is_amid());
        let amid = amid.map(|(stream_id, ..)| stream_id);
        let mut order: Vec<u32> = self.roles.owns().map(|(stream_id, ..)| stream_id).collect();
        order.sort_by_key(|stream_id| Some(*stream_id) != amid);
        let mut full = false;
        for stream_id in order {
            let Some((_, stream, own)) = self.roles.owns().find(|(id, ..)| *id == stream_id) else {
                continue;
            };
            if !full {
                match own.write(stream.head(), &self.socket, now) {
                    Ok((wrote, count)) => {
                        sent += count;
                        full = wrote == Wrote::Full;
                        look = match wrote {
                            Wrote::All => look,
                            Wrote::More => Some(now),
                            Wrote::Full => Some(look.unwrap_or(now + LOOK)),
                        };
                    }
                    Err(_) => ended = Some(Reason::ClientClosed),
                }
            }
            if pace::check(&mut own.cursor, &own.ring, now) == Pace::TooSlow {
                ended.get_or_insert(Reason::TooSlow);
            }
        }
        self.session.sent_past(sent);
        self.record.add_sent(sent);
        self.look = look;
        self.full = full;
        if let Some(reason) = ended {
            self.lost(reason);
        }
    }

    /// Ends one of several streams: with patience, all that is owed of it goes out first.
    pub(super) async fn unmix(
        &mut self,
        stream: &Stream,
        mut own: Own,
        patience: Option<Duration>,
    ) {
        let until = Instant::now() + patience.unwrap_or_default();
        loop {
            let now = self.plane.context.clock.now();
            // Others that are in the middle of a message come first, and they are not waited for.
            let waits = self
                .roles
                .owns()
                .any(|(_, _, other)| other.cursor.is_amid());
            if waits || patience.is_none() {
                break;
            }
            match own.write(stream.head(), &self.socket, now) {
                Ok((wrote, count)) => {
                    self.session.sent_past(count);
                    self.record.add_sent(count);
                    match wrote {
                        Wrote::All => break,
                        Wrote::More => {}
                        Wrote::Full => {
                            let writable = timeout_at(until, self.socket.writable()).await;
                            if !matches!(writable, Ok(Ok(()))) {
                                break;
                            }
                        }
                    }
                }
                Err(_) => break,
            }
        }
        self.out.splice(0..0, own.cursor.take_rest());
    }
}
