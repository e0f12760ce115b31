//! One viewer: connects, plays, then only judges what comes.
//!
//! In go a socket's bytes, out come counts in the [`Tally`] that all viewers share. Until `play` is
//! sent the `rtmp` crate's client speaks for it; every byte after the handshake is read by
//! [`Framing`] too, and from then on by that alone. The invariant: a viewer is counted as joined
//! once and as ended once, with the reason. It does not know how many others there are.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use rtmp::client::{ConnectOptions, Event, Output, Session};
use rtmp::control::{self, UserControl};
use rtmp::{Limits, chunk};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::check::Check;
use crate::clock::Clock;
use crate::frame::{Kind, Stamp};
use crate::framing::{Broken, COMMAND, Framing, USER_CONTROL, WINDOW_ACK_SIZE, Whole};
use crate::tally::Tally;
use crate::target::Place;

/// S0, S1 and S2.
const HANDSHAKE: usize = 1 + 1_536 + 1_536;

/// Acknowledge each so many bytes, unless the server says otherwise.
const WINDOW: u64 = 2_500_000;

/// What all viewers of a process use in turns.
pub(crate) struct Shared {
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    /// So many may be on their way in at once.
    pub(crate) door: std::sync::Arc<Semaphore>,
    pub(crate) tally: RefCell<Tally>,
    /// Where each read lands; nothing stays in it.
    pub(crate) input: RefCell<Vec<u8>>,
}

/// Watches until the connection ends, which is told in the tally.
pub(crate) async fn watch(shared: Rc<Shared>) {
    let mut viewer = Viewer::new();
    let Err(error) = viewer.run(&shared).await;
    let mut tally = shared.tally.borrow_mut();
    tally.end(&format!("{error:#}"));
}

enum Never {}

struct Viewer {
    framing: Framing,
    check: Check,
    /// Bytes of the handshake that are still to come.
    handshake_left: usize,
    received: u64,
    acknowledged: u64,
    window: u64,
    /// When `play` was sent; what is left of the way in.
    played_at: Option<Duration>,
    joined: bool,
    out: BytesMut,
    /// Why the server says it ends.
    refused: Option<String>,
}

impl Viewer {
    fn new() -> Self {
        Self {
            framing: Framing::new(),
            check: Check::default(),
            handshake_left: HANDSHAKE,
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            played_at: None,
            joined: false,
            out: BytesMut::new(),
            refused: None,
        }
    }

    async fn run(&mut self, shared: &Shared) -> Result<Never> {
        let permit = std::sync::Arc::clone(&shared.door).acquire_owned().await?;
        let mut socket = TcpStream::connect(shared.place.address)
            .await
            .context("cannot connect")?;
        socket.set_nodelay(true)?;
        self.enter(&mut socket, shared, permit).await?;
        loop {
            let count = self.receive(&socket, shared, None).await?;
            if count > 0 && !self.out.is_empty() {
                socket.write_all(&self.out.split()).await?;
            }
        }
    }

    /// Gets as far as `play`.
    async fn enter(
        &mut self,
        socket: &mut TcpStream,
        shared: &Shared,
        _permit: OwnedSemaphorePermit,
    ) -> Result<()> {
        let place = &shared.place;
        let options = ConnectOptions::new(&place.app, &place.tc_url);
        let mut session = Session::new(options, Limits::default(), shared.clock.now());
        session.play(&place.stream, -1_000.0);
        let mut ready = false;
        loop {
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Send(bytes) => socket.write_all(&bytes).await?,
                    Output::Event(Event::Rejected {
                        code, description, ..
                    }) => {
                        bail!("`{code}` {description}")
                    }
                    Output::Event(Event::StreamReady { .. }) => ready = true,
                    Output::Event(_) => {}
                }
            }
            if ready {
                self.played_at = Some(shared.clock.now());
                return Ok(());
            }
            self.receive(socket, shared, Some(&mut session)).await?;
            // Until here the session acknowledges and answers by itself.
            self.out.clear();
        }
    }

    /// Reads once, waiting for it.
    async fn receive(
        &mut self,
        socket: &TcpStream,
        shared: &Shared,
        session: Option<&mut Session>,
    ) -> Result<usize> {
        socket.readable().await?;
        let mut input = shared.input.borrow_mut();
        let count = match socket.try_read(&mut input) {
            Ok(0) => match self.refused.take() {
                Some(why) => bail!("refused: {why}"),
                None => bail!("the server closed the connection"),
            },
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let now = shared.clock.now();
        let input = &input[..count];
        if let Some(session) = session {
            session.handle(input, now)?;
        }
        let mut tally = shared.tally.borrow_mut();
        tally.bytes += count as u64;
        self.received += count as u64;
        self.read(input, now, &mut tally)?;
        Ok(count)
    }

    fn read(&mut self, input: &[u8], now: Duration, tally: &mut Tally) -> Result<()> {
        let read = self.read_chunks(input, now, tally);
        tally.faults.add(&std::mem::take(&mut self.check.faults));
        if self.received - self.acknowledged >= self.window {
            self.acknowledged = self.received;
            let acknowledgement = control::acknowledgement(self.received as u32);
            chunk::encode(&mut self.out, &acknowledgement, chunk::INITIAL_CHUNK_SIZE);
        }
        Ok(read?)
    }

    fn read_chunks(
        &mut self,
        input: &[u8],
        now: Duration,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let skip = self.handshake_left.min(input.len());
        self.handshake_left -= skip;
        let Self {
            framing,
            check,
            window,
            played_at,
            joined,
            out,
            refused,
            ..
        } = self;
        framing.read(&input[skip..], |whole| {
            if let Some(stamp) = check.judge(&whole) {
                note(&stamp, now, tally, joined, *played_at);
            } else if let Some(answer) = answer(&whole, window, refused) {
                chunk::encode(out, &answer, chunk::INITIAL_CHUNK_SIZE);
            }
        })
    }
}

/// Counts a frame that came as it should.
fn note(
    stamp: &Stamp,
    now: Duration,
    tally: &mut Tally,
    joined: &mut bool,
    played_at: Option<Duration>,
) {
    if !*joined && let Some(played_at) = played_at {
        *joined = true;
        tally.join(now.saturating_sub(played_at));
    }
    if stamp.kind != Kind::Audio {
        tally.latency(now.saturating_sub(Duration::from_nanos(stamp.sent_ns)));
    }
}

/// What the server's own messages ask of a viewer.
fn answer(
    whole: &Whole<'_>,
    window: &mut u64,
    refused: &mut Option<String>,
) -> Option<rtmp::Message> {
    let number = |at: usize| {
        let bytes: [u8; 4] = whole.head.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    match whole.kind {
        WINDOW_ACK_SIZE => *window = u64::from(number(0)?.max(1)),
        USER_CONTROL if whole.head.starts_with(&[0, 6]) => {
            return Some(UserControl::PingResponse(number(2)?).message());
        }
        COMMAND => {
            let words = String::from_utf8_lossy(whole.head);
            let code = words.find("NetStream.Play.").map(|at| &words[at..]);
            if let Some(code) = code
                && (code.contains("NotFound") || code.contains("Failed"))
            {
                *refused = Some(code.chars().filter(|c| !c.is_control()).take(200).collect());
            }
        }
        _ => {}
    }
    None
}
