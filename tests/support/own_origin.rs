//! An origin made of our own `rtmp` crate, for what Debian's nginx does not speak: Enhanced RTMP. It lets everyone
//! in, keeps every message of every stream that is published to it, and plays a stream from its newest keyframe
//! on, with all headers before. A thread a connection; what is kept is bounded.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, Message, data};

use super::tape::{Tape, is_frame, is_keyframe};

/// How long a read waits before what is new is sent.
const TURN: Duration = Duration::from_millis(5);
/// How long a peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most messages that are kept of a stream: chosen, because a test's stream has some thousand.
const MOST: usize = 100_000;

#[derive(Default)]
struct Stream {
    messages: Vec<Message>,
    published: bool,
}

#[derive(Default)]
struct Shared {
    streams_by_name: Mutex<HashMap<String, Stream>>,
    stopped: AtomicBool,
}

/// The origin; dropped, it takes no more connections.
pub(crate) struct OwnOrigin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl OwnOrigin {
    /// Starts on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &theirs));
        OwnOrigin { address, shared }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether a stream (`app/name`) is being published now and has a keyframe.
    pub(crate) fn plays(&self, name: &str) -> bool {
        let streams = self.shared.streams();
        streams
            .get(name)
            .is_some_and(|stream| stream.published && stream.messages.iter().any(is_keyframe))
    }

    /// All that came of a stream.
    pub(crate) fn tape(&self, name: &str) -> Tape {
        let streams = self.shared.streams();
        Tape(
            streams
                .get(name)
                .map(|one| one.messages.clone())
                .unwrap_or_default(),
        )
    }
}

impl Drop for OwnOrigin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, HashMap<String, Stream>> {
        self.streams_by_name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let shared = Arc::clone(shared);
        // A connection that breaks is none of the origin's business.
        std::thread::spawn(move || Connection::new(socket, shared).and_then(Connection::serve));
    }
}

struct Connection {
    socket: TcpStream,
    session: Session,
    begun: Instant,
    shared: Arc<Shared>,
    app: String,
    /// The message stream and the name of what it publishes.
    publishes: Option<(u32, String)>,
    plays: Option<Playing>,
}

struct Playing {
    stream_id: u32,
    name: String,
    /// The next of the stream's messages.
    next: usize,
}

impl Connection {
    fn new(socket: TcpStream, shared: Arc<Shared>) -> std::io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TURN))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection {
            socket,
            session: Session::new(Limits::default(), Duration::ZERO),
            begun: Instant::now(),
            shared,
            app: String::new(),
            publishes: None,
            plays: None,
        })
    }

    fn serve(mut self) -> std::io::Result<()> {
        let mut input = vec![0; 64 << 10];
        while !self.shared.stopped.load(Ordering::Relaxed) {
            match self.socket.read(&mut input) {
                Ok(0) => break,
                Ok(length) => {
                    let heard = self.session.handle(&input[..length], self.begun.elapsed());
                    if heard.is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            if self
                .flush()
                .and_then(|()| self.play_on())
                .and_then(|()| self.flush())
                .is_err()
            {
                break;
            }
        }
        self.unpublish();
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => self.socket.write_all(&bytes)?,
                Output::Event(event) => self.hear(event),
            }
        }
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest asks nothing of a live origin"
    )]
    fn hear(&mut self, event: Event) {
        match event {
            Event::Connect(connect) => {
                self.app = without_query(&connect.app).to_owned();
                self.session.set_admitted(true);
                self.session.accept_connect(connect.transaction, Vec::new());
            }
            Event::Publish(publish) => {
                let name = self.path(&publish.name);
                let fresh = Stream {
                    published: true,
                    ..Stream::default()
                };
                self.shared.streams().insert(name.clone(), fresh);
                self.publishes = Some((publish.stream_id, name));
                self.session.accept_publish(publish.stream_id);
            }
            Event::Play(play) => self.play(play.stream_id, &play.name, play.reset),
            Event::Media(message) => self.keep(message),
            Event::CloseStream { stream_id } | Event::DeleteStream { stream_id } => {
                if self
                    .publishes
                    .as_ref()
                    .is_some_and(|(id, _)| *id == stream_id)
                {
                    self.unpublish();
                }
                self.plays = self
                    .plays
                    .take()
                    .filter(|plays| plays.stream_id != stream_id);
            }
            _ => {}
        }
    }

    fn keep(&mut self, message: Message) {
        let Some((_, name)) = &self.publishes else {
            return;
        };
        if let Some(stream) = self.shared.streams().get_mut(name)
            && stream.messages.len() < MOST
        {
            stream.messages.push(message);
        }
    }

    fn unpublish(&mut self) {
        if let Some((_, name)) = self.publishes.take()
            && let Some(stream) = self.shared.streams().get_mut(&name)
        {
            stream.published = false;
        }
    }

    fn play(&mut self, stream_id: u32, name: &str, reset: bool) {
        let path = self.path(name);
        let (first, next) = match self.shared.streams().get(&path) {
            Some(stream) if stream.published => stream.for_a_newcomer(),
            Some(_) | None => {
                let (code, why) = ("NetStream.Play.StreamNotFound", "nobody publishes this");
                self.session
                    .status(stream_id, "error", code, why, Vec::new());
                return;
            }
        };
        self.session.start_play(stream_id, name, reset, false);
        for message in first {
            self.send(stream_id, &message);
        }
        self.plays = Some(Playing {
            stream_id,
            name: path,
            next,
        });
    }

    fn send(&mut self, stream_id: u32, message: &Message) {
        let shown = data::for_viewers(message);
        self.session.send_message(&Message { stream_id, ..shown });
    }

    /// Sends what came since; says so when the stream has ended.
    fn play_on(&mut self) -> std::io::Result<()> {
        let Some(Playing {
            stream_id,
            name,
            next,
        }) = &self.plays
        else {
            return Ok(());
        };
        let (stream_id, from) = (*stream_id, *next);
        let (fresh, ended) = match self.shared.streams().get(name) {
            Some(stream) => {
                let from = from.min(stream.messages.len());
                (stream.messages[from..].to_vec(), !stream.published)
            }
            None => (Vec::new(), true),
        };
        for message in &fresh {
            self.send(stream_id, message);
        }
        if let Some(plays) = &mut self.plays {
            plays.next = from + fresh.len();
        }
        if ended {
            self.session.stream_eof(stream_id);
            self.plays = None;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{}", self.app, without_query(name))
    }
}

impl Stream {
    /// What a newcomer gets at once, and where it goes on: all that is no frame, then everything since the
    /// newest keyframe, of several of one moment the first.
    fn for_a_newcomer(&self) -> (Vec<Message>, usize) {
        let newest = self.messages.iter().rev().find(|one| is_keyframe(one));
        let Some(newest) = newest else {
            return (Vec::new(), 0);
        };
        let of_its_time = |one: &Message| is_keyframe(one) && one.timestamp == newest.timestamp;
        let start = self.messages.iter().position(of_its_time).unwrap_or(0);
        let headers = self.messages[..start].iter().filter(|one| !is_frame(one));
        (headers.cloned().collect(), start)
    }
}

fn without_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(before, _)| before)
}
