//! One viewer: connects, plays, then only judges what comes.
//!
//! In go a socket's bytes, out come counts in the [`Tally`] that all viewers share. Until `play` is
//! sent the `rtmp` crate's client speaks for it; every byte after the handshake is read by
//! [`Framing`] too, and from then on by that alone. The invariant: a viewer is counted as joined
//! once and as ended once, with the reason. It does not know how many others there are.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::ready;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::BytesMut;
use rtmp::client::{ConnectOptions, Event, Output, Session};
use rtmp::control::{self, UserControl};
use rtmp::{Limits, chunk};
use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::check::Check;
use crate::clock::Clock;
use crate::dial::dial;
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

/// What the kernel takes for a viewer that does not read: little, so that what it holds is the
/// server's.
const STALLED: u32 = 8 * 1024;

/// Watches until the connection ends, which is told in the tally.
pub(crate) async fn watch(shared: Rc<Shared>, number: u32) {
    let mut viewer = Viewer::new(number);
    let Err(error) = viewer.run(&shared).await;
    let mut tally = shared.tally.borrow_mut();
    tally.end(&format!("{error:#}"));
}

/// Watches up to its first keyframe, reads nothing any more, and waits to be ended, which is told in
/// the tally.
pub(crate) async fn stall(shared: Rc<Shared>, number: u32) {
    let mut viewer = Viewer::new(number);
    let stalled = viewer.come_and_stall(&shared).await;
    let mut tally = shared.tally.borrow_mut();
    match stalled {
        Ok(after) => tally.stalled_ends.add(after),
        Err(error) => tally.end(&format!("{error:#}")),
    }
}

enum Never {}

struct Viewer {
    number: u32,
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
    fn new(number: u32) -> Self {
        Self {
            number,
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
        let mut socket = self.come(shared, None).await?;
        loop {
            self.receive(&mut socket, shared, None).await?;
            if !self.out.is_empty() {
                socket.write_all(&self.out.split()).await?;
            }
        }
    }

    /// Stalls after the first keyframe; how long it took until it was ended.
    async fn come_and_stall(&mut self, shared: &Shared) -> Result<Duration> {
        let mut socket = self.come(shared, Some(STALLED)).await?;
        while !self.joined {
            self.receive(&mut socket, shared, None).await?;
        }
        let since = shared.clock.now();
        shared.tally.borrow_mut().stalled += 1;
        socket.ready(Interest::ERROR).await?;
        Ok(shared.clock.now() - since)
    }

    /// Connects and gets as far as `play`, not more at once than the door allows.
    async fn come(&mut self, shared: &Shared, receive: Option<u32>) -> Result<TcpStream> {
        let permit = std::sync::Arc::clone(&shared.door).acquire_owned().await?;
        let mut socket = dial(shared.place.address, self.number, receive).await?;
        self.enter(&mut socket, shared, permit).await?;
        Ok(socket)
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
        socket: &mut TcpStream,
        shared: &Shared,
        mut session: Option<&mut Session>,
    ) -> Result<()> {
        // In this way a read that did not fill the buffer is not followed by one that finds nothing.
        poll_fn(|context| {
            let mut input = shared.input.borrow_mut();
            let mut buffer = ReadBuf::new(&mut input);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer))?;
            let session = session.as_deref_mut();
            std::task::Poll::Ready(self.take(buffer.filled(), shared, session))
        })
        .await
    }

    fn take(&mut self, input: &[u8], shared: &Shared, session: Option<&mut Session>) -> Result<()> {
        if input.is_empty() {
            match self.refused.take() {
                Some(why) => bail!("refused: {why}"),
                None => bail!("the server closed the connection"),
            }
        }
        let now = shared.clock.now();
        if let Some(session) = session {
            session.handle(input, now)?;
        }
        let mut tally = shared.tally.borrow_mut();
        tally.bytes += input.len() as u64;
        self.received += input.len() as u64;
        self.read(input, now, &mut tally)
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
