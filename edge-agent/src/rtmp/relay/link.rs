//! One connection to a server behind: the client's session of the wire on its socket.
//!
//! Every method may be dropped while it waits and called again: nothing read or written is lost.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use contract::routing::NextHop;
use contract::snapshot::Snapshot;
use edge_core::upstream::ONE_TRY;
use rtmp::Limits;
use rtmp::client::{self, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Failure;
use crate::clock::Clock;
use crate::dial::{Conn, Dialed};
use crate::rtmp::Plane;
use crate::rtmp::way::Way;
use contract::protocol::Plane as Side;

/// Bytes read at once.
const READ: usize = 64 << 10;

/// One connection to a server.
pub(super) struct Link {
    conn: Conn,
    pub(super) session: client::Session,
    clock: Clock,
    input: BytesMut,
    out: BytesMut,
}

impl Link {
    /// Connects to a server behind, up to its answer to `connect`, within one try's time.
    pub(super) async fn open(plane: &Plane, way: &Way, next: NextHop) -> Result<Self, Failure> {
        Self::open_within(plane, way, next, Limits::default()).await
    }

    /// The same, with these bounds on what the server sends.
    pub(super) async fn open_within(
        plane: &Plane,
        way: &Way,
        next: NextHop,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let settings = plane.settings();
        let snapshot = settings.snapshot.as_deref().ok_or(Failure::Unreachable)?;
        let work = async {
            let mut link = Self::dial(plane, way, next, snapshot, limits).await?;
            loop {
                match link.event().await? {
                    Event::Connected { .. } => return Ok(link),
                    Event::Rejected { .. } => return Err(Failure::Refused),
                    Event::StreamReady { .. }
                    | Event::Status { .. }
                    | Event::Media(_)
                    | Event::Answer { .. }
                    | Event::Command { .. }
                    | Event::StreamBegin { .. }
                    | Event::StreamEof { .. }
                    | Event::StreamIsRecorded { .. }
                    | Event::PingResponse { .. }
                    | Event::Other(_) => {}
                }
            }
        };
        let opened = timeout(ONE_TRY, work)
            .await
            .unwrap_or(Err(Failure::Unreachable));
        let now = plane.context.clock.now();
        match &opened {
            // Whoever says no is there.
            Ok(_) | Err(Failure::Refused | Failure::HungUp) => plane.upstreams().succeeded(next),
            Err(Failure::Unreachable) => plane.upstreams().failed(next, now),
        }
        if opened.is_ok() {
            plane.context.totals.relay_opened();
        }
        opened
    }

    async fn dial(
        plane: &Plane,
        way: &Way,
        next: NextHop,
        snapshot: &Snapshot,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let dialer = &plane.context.dialer;
        let (dialed, options) = match next {
            NextHop::Origin(id) => {
                let origin = snapshot.origin(id).ok_or(Failure::Unreachable)?;
                let dialed = dialer.dial(origin, ONE_TRY).await;
                (dialed, way.to_origin(&origin.address))
            }
            NextHop::Edge(id) => {
                let edge = snapshot.neighbor(id).ok_or(Failure::Unreachable)?;
                let at = edge.rtmp.as_ref().ok_or(Failure::Unreachable)?;
                let options = way.to_edge(at, snapshot).ok_or(Failure::Unreachable)?;
                (dialer.dial_edge(edge, Side::Rtmp, ONE_TRY).await, options)
            }
        };
        let Dialed { conn, .. } = dialed.map_err(|error| {
            tracing::debug!(upstream = ?next, %error, "upstream was not reached");
            Failure::Unreachable
        })?;
        let clock = plane.context.clock;
        Ok(Self {
            conn,
            session: client::Session::new(options, limits, clock.now()),
            clock,
            input: BytesMut::new(),
            out: BytesMut::new(),
        })
    }

    /// The next thing that the server says.
    pub(super) async fn event(&mut self) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.poll() {
                return Ok(event);
            }
            if self.out.is_empty() {
                self.fill().await?;
            } else {
                self.flush_some().await?;
            }
        }
    }

    /// Goes on while media are written past the session: takes what the server says, or writes
    /// some of what is owed to it. What the session has to say itself is handed back: only who
    /// writes the media knows where a message ends.
    ///
    /// Returns how many bytes of `owed` went out, or what the server or the session said.
    pub(super) async fn write_or_hear(
        &mut self,
        owed: &[IoSlice<'_>],
    ) -> Result<Progress, Failure> {
        if let Some(event) = self.poll() {
            return Ok(Progress::Event(event));
        }
        if !self.out.is_empty() {
            return Ok(Progress::Says(self.out.split().freeze()));
        }
        if owed.is_empty() {
            self.fill().await?;
            return Ok(Progress::Wrote(0));
        }
        self.input.reserve(READ);
        let (mut reader, mut writer) = tokio::io::split(&mut self.conn);
        tokio::select! {
            wrote = writer.write_vectored(owed) => match wrote {
                Ok(0) | Err(_) => Err(Failure::Unreachable),
                Ok(count) => Ok(Progress::Wrote(count)),
            },
            read = reader.read_buf(&mut self.input) => {
                let count = read.map_err(|_| Failure::Unreachable)?;
                self.take(count)?;
                Ok(Progress::Wrote(0))
            }
        }
    }

    fn poll(&mut self) -> Option<Event> {
        while let Some(output) = self.session.poll_output() {
            match output {
                client::Output::Send(bytes) => self.out.extend_from_slice(&bytes),
                client::Output::Event(event) => return Some(event),
            }
        }
        None
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        self.input.reserve(READ);
        let read = self.conn.read_buf(&mut self.input).await;
        let count = read.map_err(|_| Failure::Unreachable)?;
        self.take(count)
    }

    fn take(&mut self, count: usize) -> Result<(), Failure> {
        if count == 0 {
            return Err(Failure::Unreachable);
        }
        let handled = self.session.handle(&self.input, self.clock.now());
        self.input.clear();
        handled.map_err(|fault| {
            tracing::warn!(%fault, "upstream broke the protocol");
            Failure::Unreachable
        })
    }

    async fn flush_some(&mut self) -> Result<(), Failure> {
        while self.out.has_remaining() {
            match self.conn.write_buf(&mut self.out).await {
                Ok(0) | Err(_) => return Err(Failure::Unreachable),
                Ok(_) => {}
            }
        }
        // Within TLS what was written may wait for this.
        self.conn.flush().await.map_err(|_| Failure::Unreachable)
    }

    /// Hangs up at once: what is still to be sent is lost, and the server knows it now.
    pub(super) fn reset(self) {
        self.conn.reset();
    }

    /// Ends what was done, says so and hangs up.
    pub(super) async fn close(mut self) {
        self.session.close();
        let _ = self.poll();
        let work = async {
            self.flush_some().await?;
            let shut = self.conn.shutdown().await;
            shut.map_err(|_| Failure::Unreachable)
        };
        // A server that is gone needs not to hear it.
        let _ = timeout(ONE_TRY, work).await;
    }
}

/// What [`Link::write_or_hear`] did.
pub(super) enum Progress {
    /// So many of the bytes that are owed went out.
    Wrote(usize),
    /// The server said something.
    Event(Event),
    /// The session has this to say, between two messages.
    Says(Bytes),
}
