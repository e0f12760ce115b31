//! The open tunnel: the connection to the server behind, and what each side is owed.
//!
//! [`Line::next`] may be dropped while it waits and called again: nothing read or written is lost.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use rtmp::Message;
use rtmp::client::{self, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::super::relay::Failure;
use super::pay;
use crate::clock::Clock;
use crate::dial::Conn;
use crate::socket::Socket;

/// Bytes read at once. Chosen, because a tunnel that is idle holds so many.
const READ: usize = 16 << 10;
/// What a side may be owed before the other one is not read any more. Chosen, as what a slow viewer
/// may hold; one message may go beyond it.
const ROOM: usize = 256 << 10;
/// How long a side may take nothing of what it is owed (laws.md, 3.4).
const STALLED: Duration = Duration::from_secs(30);
/// How long the client's last words to the server may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// One connection to a server behind, for one client.
pub(in crate::rtmp) struct Line {
    conn: Conn,
    session: client::Session,
    clock: Clock,
    input: BytesMut,
    /// What the server is owed.
    out: BytesMut,
    /// Whether something that was written may still wait inside TLS.
    unflushed: bool,
    /// What the client is owed.
    owed: VecDeque<Bytes>,
    owed_bytes: usize,
    /// Since when each side took nothing of it.
    server_waits: Instant,
    client_waits: Instant,
}

/// What happened on the line.
pub(super) enum Happened {
    /// The server said this.
    Heard(Vec<Message>),
    /// It is gone, broke the protocol, or takes nothing.
    Lost,
    /// The client takes nothing.
    Stalled,
}

impl Line {
    /// Speaks with a server on a connection, up to the end of the handshake.
    pub(super) async fn open(
        conn: Conn,
        session: client::Session,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let mut line = Self {
            conn,
            session,
            clock,
            input: BytesMut::new(),
            out: BytesMut::new(),
            unflushed: false,
            owed: VecDeque::new(),
            owed_bytes: 0,
            server_waits: now,
            client_waits: now,
        };
        loop {
            line.take_output();
            line.write_all().await?;
            if line.session.is_connected() {
                return Ok(line);
            }
            line.input.reserve(READ);
            let read = line.conn.read_buf(&mut line.input).await;
            line.arrived(read)?;
        }
    }

    /// Whether more may be read from the client.
    pub(super) fn takes(&self) -> bool {
        self.out.len() < ROOM
    }

    /// What the client says.
    pub(super) fn say(&mut self, message: &Message) {
        let waited = !self.out.is_empty();
        self.session.send_message(message);
        self.take_output();
        if !waited {
            self.server_waits = Instant::now();
        }
    }

    /// What the client is to be written.
    pub(super) fn owe(&mut self, pieces: Vec<Bytes>) {
        if self.owed.is_empty() {
            self.client_waits = Instant::now();
        }
        self.owed_bytes += pieces.iter().map(Bytes::len).sum::<usize>();
        self.owed.extend(pieces);
    }

    /// Writes to the client as much as it takes; says how many bytes, and whether that was all.
    pub(super) fn pay(&mut self, socket: &Socket) -> io::Result<(u64, bool)> {
        let (sent, paid) = pay(socket, &mut self.owed)?;
        if sent > 0 {
            self.owed_bytes -= sent as usize;
            self.client_waits = Instant::now();
        }
        Ok((sent, paid))
    }

    /// What the client is still owed.
    pub(super) fn rest(&mut self) -> Vec<Bytes> {
        self.owed_bytes = 0;
        std::mem::take(&mut self.owed).into()
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> Happened {
        loop {
            let heard = self.take_output();
            if !heard.is_empty() {
                return Happened::Heard(heard);
            }
            let (writes, reads) = (!self.out.is_empty(), self.owed_bytes < ROOM);
            let stalls = !self.owed.is_empty();
            if reads {
                self.input.reserve(READ);
            }
            let flushes = self.unflushed;
            let (out, input) = (&mut self.out, &mut self.input);
            let (mut reader, mut writer) = tokio::io::split(&mut self.conn);
            let write = async {
                if writes {
                    writer.write_buf(out).await
                } else {
                    writer.flush().await.map(|()| 0)
                }
            };
            let done = tokio::select! {
                read = reader.read_buf(input), if reads => self.arrived(read),
                wrote = write, if writes || flushes => {
                    // Within TLS what was written may wait to be flushed.
                    self.unflushed = writes;
                    self.server_waits = Instant::now();
                    match wrote {
                        Ok(0) if writes => Err(Failure::Unreachable),
                        Ok(_) => Ok(()),
                        Err(_) => Err(Failure::Unreachable),
                    }
                }
                () = sleep_until(self.server_waits + STALLED), if writes => {
                    Err(Failure::Unreachable)
                }
                () = sleep_until(self.client_waits + STALLED), if stalls => {
                    return Happened::Stalled;
                }
            };
            if done.is_err() {
                // What it said before comes first.
                let heard = self.take_output();
                if heard.is_empty() {
                    return Happened::Lost;
                }
                return Happened::Heard(heard);
            }
        }
    }

    /// Takes what was read.
    fn arrived(&mut self, read: io::Result<usize>) -> Result<(), Failure> {
        match read {
            Ok(0) | Err(_) => Err(Failure::Unreachable),
            Ok(_) => {
                let handled = self.session.handle(&self.input, self.clock.now());
                self.input.clear();
                handled.map_err(|fault| {
                    tracing::warn!(%fault, "upstream broke the protocol");
                    Failure::Unreachable
                })
            }
        }
    }

    /// Takes what the wire has: bytes for the server, and messages of it.
    fn take_output(&mut self) -> Vec<Message> {
        let mut heard = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                client::Output::Send(bytes) => self.out.extend_from_slice(&bytes),
                client::Output::Event(Event::Other(message)) => heard.push(message),
                // Pings are this connection's own, and all else is no event of a tunnel.
                client::Output::Event(
                    Event::Connected { .. }
                    | Event::Rejected { .. }
                    | Event::StreamReady { .. }
                    | Event::Status { .. }
                    | Event::Media(_)
                    | Event::Answer { .. }
                    | Event::Command { .. }
                    | Event::StreamBegin { .. }
                    | Event::StreamEof { .. }
                    | Event::StreamIsRecorded { .. }
                    | Event::PingResponse { .. },
                ) => {}
            }
        }
        heard
    }

    async fn write_all(&mut self) -> Result<(), Failure> {
        let work = async {
            self.conn.write_all_buf(&mut self.out).await?;
            // Within TLS what was written may wait for this.
            self.conn.flush().await
        };
        work.await.map_err(|_| Failure::Unreachable)
    }

    /// Says what is left, and hangs up.
    pub(super) async fn hang_up(mut self: Box<Self>) {
        let work = async {
            self.write_all().await?;
            let shut = self.conn.shutdown().await;
            shut.map_err(|_| Failure::Unreachable)
        };
        // A server that is gone needs not to hear it.
        let _ = timeout(LAST_WORD, work).await;
    }
}
