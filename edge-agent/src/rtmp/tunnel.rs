//! A client's tunnel: the connection to the server behind that is this client's alone.
//!
//! Opening it comes first: servers are raced up to the handshake, and the first one hears what the
//! client said. Then messages go both ways between the session and that server. The invariants:
//! neither side is read while the other owes more than a bounded number of bytes; a side that takes
//! nothing for too long ends the session; one server behind hears each client.
//!
//! It does not know what messages mean: `edge-core`'s session does.

mod line;
mod opening;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::session::Opening;
use rtmp::Message;

use super::door;
use super::driver::Driver;
use super::way::target;
use crate::socket::Socket;
use crate::streams::TunnelEntry;
use line::{Happened, Line};
use opening::{Opened, Work};

/// How long a server may take to answer `connect`; chosen, because players wait as long (clients.md).
const ANSWER: Duration = Duration::from_secs(10);

/// How a client's tunnel stands.
pub(super) enum Tunnel {
    /// A server is being looked for.
    Opening(Work),
    /// It is there.
    Open {
        line: Box<Line>,
        _counted: TunnelEntry,
    },
}

/// What happened to a tunnel.
pub(super) enum TunnelEvent {
    /// A server was reached, or none was.
    Opened(Box<Result<Opened, Reason>>),
    /// The server said this.
    Heard(Vec<Message>),
    /// It is gone, or takes nothing.
    Lost,
    /// The client takes nothing.
    Stalled,
}

impl Tunnel {
    /// Whether more may be read from the client.
    pub(super) fn takes(&self) -> bool {
        match self {
            Self::Opening(_) => false,
            Self::Open { line, .. } => line.takes(),
        }
    }

    async fn next(&mut self) -> TunnelEvent {
        match self {
            Self::Opening(work) => TunnelEvent::Opened(Box::new(work.await)),
            Self::Open { line, .. } => match line.next().await {
                Happened::Heard(messages) => TunnelEvent::Heard(messages),
                Happened::Lost => TunnelEvent::Lost,
                Happened::Stalled => TunnelEvent::Stalled,
            },
        }
    }
}

/// What happens next to a tunnel, if there is one. Nothing is lost when this is not waited for to
/// its end.
pub(super) async fn next(tunnel: &mut Option<Tunnel>) -> TunnelEvent {
    match tunnel {
        // What it waits with is held only by those who have one.
        Some(tunnel) => Box::pin(tunnel.next()).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    /// Looks for a server behind.
    pub(super) fn open_tunnel(&mut self, opening: Opening) {
        let work = opening::begin(&self.plane, &self.session, &self.record, opening);
        self.tunnel = work.map(Tunnel::Opening);
        if self.tunnel.is_none() {
            self.tunnel_failed(Reason::Destination);
        }
    }

    fn tunnel_failed(&mut self, reason: Reason) {
        let settings = self.plane.settings();
        let limits = &self.plane.context.limits;
        self.session.tunnel_failed(reason, &door(&settings, limits));
    }

    pub(super) fn tunnel_happened(&mut self, happened: TunnelEvent) {
        match happened {
            TunnelEvent::Opened(opened) => match *opened {
                Ok(opened) => {
                    let hop = target(opened.next);
                    self.record.update(|record| record.next_hop = Some(hop));
                    let now = self.plane.context.clock.now();
                    self.look = Some(now + ANSWER);
                    let counted = self.plane.context.streams.enter_tunnel();
                    self.tunnel = Some(Tunnel::Open {
                        line: Box::new(opened.line),
                        _counted: counted,
                    });
                    let settings = self.plane.settings();
                    let limits = &self.plane.context.limits;
                    self.session
                        .tunnel_opened(opened.far, &door(&settings, limits));
                }
                Err(reason) => {
                    self.tunnel = None;
                    self.tunnel_failed(reason);
                }
            },
            TunnelEvent::Heard(messages) => {
                for message in messages {
                    self.session.tunnel_hears(message);
                }
                if !self.session.awaits_tunnel() {
                    self.look = None;
                }
            }
            TunnelEvent::Lost => self.session.tunnel_lost(),
            TunnelEvent::Stalled => self.lost(Reason::TooSlow),
        }
    }

    /// The server had its time to answer `connect`.
    pub(super) fn tunnel_is_due(&mut self, now: Duration) {
        if self.tunnel.is_some() && self.look.is_some_and(|due| due <= now) {
            self.look = None;
            if self.session.awaits_tunnel() {
                self.session.tunnel_lost();
            }
        }
    }

    /// What the client says to the server behind.
    pub(super) fn forward(&mut self, message: &Message) {
        if let Some(Tunnel::Open { line, .. }) = &mut self.tunnel {
            line.say(message);
        }
    }

    /// What the session has to say goes behind what the client is owed of the tunnel. Returns what
    /// is to be written where there is none.
    pub(super) fn behind_tunnel(&mut self, out: Vec<Bytes>) -> Vec<Bytes> {
        match &mut self.tunnel {
            Some(Tunnel::Open { line, .. }) => {
                line.owe(out);
                Vec::new()
            }
            Some(Tunnel::Opening(_)) | None => out,
        }
    }

    /// Writes to the client what it is owed of its tunnel, as far as the socket takes it.
    pub(super) fn pump_tunnel(&mut self) {
        let Some(Tunnel::Open { line, .. }) = &mut self.tunnel else {
            return;
        };
        match line.pay(&self.socket) {
            Ok((sent, paid)) => {
                self.record.add_sent(sent);
                self.full = !paid;
            }
            Err(_) => self.lost(Reason::ClientClosed),
        }
    }

    /// The session is over: what the client is still owed goes out with the last word, and what it
    /// said goes to the server behind.
    pub(super) fn leave_tunnel(&mut self) {
        if let Some(Tunnel::Open { mut line, .. }) = self.tunnel.take() {
            self.out.splice(0..0, line.rest());
            tokio::spawn(line.hang_up());
        }
    }
}

/// Writes as many of the pieces as the socket takes; says how many bytes went out, and whether all
/// did.
fn pay(socket: &Socket, owed: &mut VecDeque<Bytes>) -> io::Result<(u64, bool)> {
    /// Pieces in one write; chosen, because the kernel takes no more of small ones at once.
    const PIECES: usize = 16;
    let mut sent = 0;
    while !owed.is_empty() {
        let slices: Vec<io::IoSlice<'_>> = owed
            .iter()
            .take(PIECES)
            .map(|piece| io::IoSlice::new(piece))
            .collect();
        let mut count = match socket.try_write_vectored(&slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((sent, false)),
            Err(error) => return Err(error),
        };
        sent += count as u64;
        while let Some(piece) = owed.front_mut() {
            if count < piece.len() {
                bytes::Buf::advance(piece, count);
                break;
            }
            count -= piece.len();
            owed.pop_front();
        }
    }
    Ok((sent, socket.try_flush()?))
}
