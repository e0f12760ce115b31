//! Viewers and publishers inside the test, many in one thread, by our own client session over bare sockets: for
//! counting, for what the server says word by word, and for large crowds. Real programs prove that real
//! programs work; these prove what each connection was told and given.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtmp::amf::{Value, property};
use rtmp::client::{ConnectOptions, Event, Output, PublishKind, Session};
use rtmp::command::Command;
use rtmp::control::UserControl;
use rtmp::{Limits, Message, MessageKind};

use super::attack::{kind, tags};
use super::eventually::{comes_true, eventually};
use super::tape::Tape;

const PATIENCE: Duration = Duration::from_secs(15);

/// Something the server said by `onStatus`, or in answer to `connect`.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) description: String,
    /// Where it was told to connect to.
    pub(crate) tc_url: String,
    /// How long after the connection was begun.
    pub(crate) after: Duration,
}

/// One connection.
pub(crate) struct Viewer {
    stream: TcpStream,
    session: Session,
    begun: Instant,
    pub(crate) said: Vec<Said>,
    /// What its calls were answered.
    pub(crate) answers: Vec<Vec<Value>>,
    /// Video frames as they came, without headers of the container and of the codec.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) timestamps: Vec<u32>,
    /// Every message of its stream, where [`Viewer::record`] asked for that.
    pub(crate) tape: Option<Tape>,
    /// When each of them came, since the connection was begun.
    pub(crate) arrivals: Vec<Duration>,
    /// How long after its begin the server closed the connection.
    pub(crate) closed: Option<Duration>,
}

impl Viewer {
    /// Connects to `rtmp://address/app`.
    pub(crate) fn connect(address: &str, app: &str) -> Self {
        Viewer::connect_as(address, address, app)
    }

    /// Connects to an address, calling it by this host name.
    fn connect_as(address: &str, host: &str, app: &str) -> Self {
        let options = ConnectOptions::new(app, &format!("rtmp://{host}/{app}"));
        Viewer::connect_with(address, options)
    }

    fn connect_with(address: &str, options: ConnectOptions) -> Self {
        let begun = Instant::now();
        let stream = TcpStream::connect(address).expect("the address takes connections");
        stream
            .set_nodelay(true)
            .expect("a socket can be told not to wait");
        stream
            .set_nonblocking(true)
            .expect("a socket can be told not to block");
        let session = Session::new(options, Limits::default(), Duration::ZERO);
        Viewer {
            stream,
            session,
            begun,
            said: Vec::new(),
            answers: Vec::new(),
            frames: Vec::new(),
            timestamps: Vec::new(),
            tape: None,
            arrivals: Vec::new(),
            closed: None,
        }
    }

    /// Connects and asks for a stream.
    pub(crate) fn play(address: &str, app: &str, stream: &str) -> Self {
        let mut viewer = Viewer::connect(address, app);
        viewer.session.play(stream, -2.0);
        viewer
    }

    /// The same, saying that it connects again when it is asked to.
    pub(crate) fn play_announcing(address: &str, app: &str, stream: &str) -> Self {
        let mut options = ConnectOptions::new(app, &format!("rtmp://{address}/{app}"));
        options.caps_ex = Some(1);
        let mut viewer = Viewer::connect_with(address, options);
        viewer.session.play(stream, -2.0);
        viewer
    }

    /// Connects and asks for a stream from here on, in milliseconds.
    pub(crate) fn play_from(address: &str, app: &str, stream: &str, start_ms: u32) -> Self {
        let mut viewer = Viewer::connect(address, app);
        viewer.session.play(stream, f64::from(start_ms));
        viewer
    }

    /// Says something to the server, on its first message stream.
    pub(crate) fn says(&mut self, command: &str, arguments: Vec<Value>) {
        let command = Command::new(command, 0.0, arguments);
        self.session.send_command(1, &command);
    }

    /// Calls a command of the server and waits for the values of its answer.
    #[track_caller]
    pub(crate) fn calls(&mut self, command: &str, arguments: Vec<Value>) -> Vec<Value> {
        let before = self.answers.len();
        self.session.call(0, command, arguments);
        eventually(PATIENCE, "the call is answered", || {
            self.step();
            self.answers.get(before).cloned()
        })
    }

    /// Says how much it buffers.
    pub(crate) fn buffers(&mut self, length_ms: u32) {
        let buffer = UserControl::SetBufferLength {
            stream_id: 1,
            length_ms,
        };
        self.session.send_message(&buffer.message());
    }

    /// Connects, calling the server by this host name (its port added), and asks for a stream.
    pub(crate) fn play_as(address: &str, host: &str, app: &str, stream: &str) -> Self {
        let port = address.rsplit(':').next().expect("an address has a port");
        let mut viewer = Viewer::connect_as(address, &format!("{host}:{port}"), app);
        viewer.session.play(stream, -2.0);
        viewer
    }

    /// Connects and wants to publish a stream.
    pub(crate) fn publish(address: &str, app: &str, stream: &str) -> Self {
        let mut viewer = Viewer::connect(address, app);
        viewer.session.publish(stream, PublishKind::Live);
        viewer
    }

    /// Sends and reads all that can be now.
    pub(crate) fn step(&mut self) {
        self.flush();
        let mut buffer = vec![0; 64 << 10];
        while self.closed.is_none() {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.closed = Some(self.begun.elapsed()),
                Ok(length) => {
                    let now = self.begun.elapsed();
                    self.session
                        .handle(&buffer[..length], now)
                        .expect("an edge keeps to the protocol");
                    self.flush();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.closed = Some(self.begun.elapsed()),
            }
        }
    }

    /// Reads at most so many bytes without looking at them; says how many. It understands nothing any more
    /// after that.
    pub(crate) fn skip(&mut self, most: usize) -> usize {
        let mut buffer = vec![0; most.min(64 << 10)];
        let mut skipped = 0;
        while skipped < most {
            let room = buffer.len().min(most - skipped);
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => {
                    self.closed.get_or_insert(self.begun.elapsed());
                    break;
                }
                Ok(length) => skipped += length,
                // Nothing is there, or it is closed, which the next read says too.
                Err(_) => break,
            }
        }
        skipped
    }

    /// The port at its own end.
    pub(crate) fn port(&self) -> u16 {
        let address = self.stream.local_addr().expect("a socket has an address");
        address.port()
    }

    /// When each frame came.
    pub(crate) fn arrived_at(&self) -> impl Iterator<Item = Instant> {
        self.arrivals.iter().map(|after| self.begun + *after)
    }

    fn flush(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => self.send(&bytes),
                Output::Event(event) => self.hear(event),
            }
        }
    }

    /// What a client sends is small; where the socket is full for a moment it waits.
    fn send(&mut self, mut bytes: &[u8]) {
        let sent = comes_true(PATIENCE, || {
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return true,
            }
            bytes.is_empty()
        });
        assert!(sent, "the peer takes nothing");
    }

    fn hear(&mut self, event: Event) {
        let after = self.begun.elapsed();
        match event {
            Event::Connected { info, .. } => {
                let code = info.iter().find(|(name, _)| name == "code");
                let code = code
                    .and_then(|(_, value)| value.as_str())
                    .unwrap_or_default()
                    .to_owned();
                self.said.push(Said {
                    code,
                    description: String::new(),
                    tc_url: String::new(),
                    after,
                });
            }
            Event::Rejected {
                code,
                description,
                object,
            }
            | Event::Status {
                code,
                description,
                object,
                ..
            } => {
                let tc_url = property(&object, "tcUrl").and_then(Value::as_str);
                self.said.push(Said {
                    code,
                    description,
                    tc_url: tc_url.unwrap_or_default().to_owned(),
                    after,
                });
            }
            Event::Media(message) => {
                if let Some(tape) = &mut self.tape {
                    tape.0.push(message.clone());
                }
                let is_frame =
                    message.kind == MessageKind::Video && message.payload.get(1) == Some(&1);
                if is_frame {
                    self.timestamps.push(message.timestamp);
                    self.arrivals.push(after);
                    self.frames.push(message.payload.slice(5..));
                }
            }
            Event::Answer { values, .. } => self.answers.push(values),
            Event::StreamReady { .. }
            | Event::Command { .. }
            | Event::StreamBegin { .. }
            | Event::StreamEof { .. }
            | Event::StreamIsRecorded { .. }
            | Event::PingResponse { .. }
            | Event::Other(_) => {}
        }
    }

    /// Keeps every message of its stream from now on.
    pub(crate) fn record(mut self) -> Self {
        self.tape = Some(Tape::default());
        self
    }

    /// Goes on until so many frames of video are on its tape, or the server has closed the connection, or the
    /// deadline passes; gives what was recorded.
    pub(crate) fn tape_of(mut self, frames: usize) -> Tape {
        let has = |viewer: &Viewer| {
            let tape = viewer.tape.as_ref().expect("it was asked to record");
            tape.frames_of(MessageKind::Video) >= frames
        };
        comes_true(PATIENCE, || {
            self.step();
            has(&self) || self.closed.is_some()
        });
        self.tape.expect("it was asked to record")
    }

    /// Sends messages of the stream that it publishes.
    #[track_caller]
    pub(crate) fn sends(&mut self, messages: &[Message]) {
        for message in messages {
            assert!(self.session.send_media(message), "nothing is published");
        }
        self.step();
    }

    /// What it was told under a code, if it was.
    pub(crate) fn told(&self, code: &str) -> Option<&Said> {
        self.said.iter().find(|said| said.code == code)
    }

    /// Goes on until it has so many video frames.
    #[track_caller]
    pub(crate) fn watches(&mut self, frames: usize) {
        let there = comes_true(PATIENCE, || {
            self.step();
            self.frames.len() >= frames || self.closed.is_some()
        });
        let enough = there && self.frames.len() >= frames;
        assert!(
            enough,
            "{} of {frames} frames, closed {:?}, told {:?}",
            self.frames.len(),
            self.closed,
            self.said
        );
    }

    /// The longest time between two frames.
    pub(crate) fn gap(&self) -> Duration {
        let steps = self.arrivals.windows(2).map(|two| two[1] - two[0]);
        steps.max().unwrap_or_default()
    }

    /// Goes on until the server has closed the connection.
    #[track_caller]
    pub(crate) fn is_ended(&mut self) -> Duration {
        eventually(PATIENCE, "the server closes the connection", || {
            self.step();
            self.closed
        })
    }

    /// Goes on until it was told this code.
    #[track_caller]
    pub(crate) fn is_told(&mut self, code: &str) -> Said {
        let told = comes_true(PATIENCE, || {
            self.step();
            self.told(code).is_some() || self.closed.is_some()
        });
        let found = self.told(code).cloned().filter(|_| told);
        found.unwrap_or_else(|| {
            panic!(
                "not told `{code}` but {:?}, closed {:?}",
                self.said, self.closed
            )
        })
    }

    /// Goes on until it plays or publishes, or the server has closed the connection.
    #[track_caller]
    pub(crate) fn until_told_or_ended(&mut self) {
        eventually(PATIENCE, "the server answers", || {
            self.step();
            let started = ["NetStream.Play.Start", "NetStream.Publish.Start"];
            let answered = started.iter().any(|code| self.told(code).is_some());
            (answered || self.closed.is_some()).then_some(())
        });
    }

    /// Whether an attempt to play is let in: asked anew, waited for until it is told.
    pub(crate) fn is_let_in(address: &str, app: &str, stream: &str) -> bool {
        let mut viewer = Viewer::play(address, app, stream);
        viewer.until_told_or_ended();
        viewer.told("NetStream.Play.Start").is_some()
    }

    /// Whether all frames so far are the file's, in order, over and over, without a gap.
    pub(crate) fn saw_only(&self, file: &[Bytes]) -> bool {
        let matches = |from: usize| {
            self.frames
                .iter()
                .zip(file.iter().cycle().skip(from))
                .all(|(a, b)| a == b)
        };
        !self.frames.is_empty() && (0..file.len()).any(matches)
    }
}

/// Many viewers at once.
pub(crate) struct Crowd(pub(crate) Vec<Viewer>);

impl Crowd {
    /// So many viewers of one stream, begun as fast as they are let in: an edge takes at most 256 connections
    /// of one address at a time that it has not let in yet.
    pub(crate) fn of(count: usize, address: &str, app: &str, stream: &str) -> Self {
        const AT_ONCE: usize = 100;
        let mut crowd = Crowd(Vec::with_capacity(count));
        while crowd.0.len() < count {
            let more = AT_ONCE.min(count - crowd.0.len());
            crowd
                .0
                .extend((0..more).map(|_| Viewer::play(address, app, stream)));
            if crowd.0.len() < count {
                comes_true(PATIENCE, || {
                    crowd.step();
                    crowd
                        .0
                        .iter()
                        .all(|viewer| !viewer.said.is_empty() || viewer.closed.is_some())
                });
            }
        }
        crowd
    }

    pub(crate) fn step(&mut self) {
        self.0.iter_mut().for_each(Viewer::step);
    }

    /// Goes on until each has so many frames more than now.
    #[track_caller]
    pub(crate) fn watches(&mut self, frames: usize) {
        let wanted: Vec<usize> = self
            .0
            .iter()
            .map(|viewer| viewer.frames.len() + frames)
            .collect();
        let satisfied = |(viewer, wanted): (&Viewer, &usize)| viewer.frames.len() >= *wanted;
        let all = comes_true(PATIENCE * 2, || {
            self.step();
            self.0.iter().zip(&wanted).all(satisfied)
        });
        let closed = self
            .0
            .iter()
            .filter(|viewer| viewer.closed.is_some())
            .count();
        let content = self
            .0
            .iter()
            .zip(&wanted)
            .filter(|pair| satisfied(*pair))
            .count();
        assert!(
            all,
            "{content} of {} viewers have their frames, {closed} were closed",
            wanted.len()
        );
    }

    /// Goes on until each was told this code.
    #[track_caller]
    pub(crate) fn is_told(&mut self, code: &str) {
        eventually(PATIENCE, "every viewer is told", || {
            self.step();
            self.0
                .iter()
                .all(|viewer| viewer.told(code).is_some())
                .then_some(())
        });
    }
}

/// The video frames of an FLV file, without headers of the container and of the codec.
pub(crate) fn frames_of(file: &Path) -> Vec<Bytes> {
    let file = std::fs::read(file).expect("the file can be read");
    let frames = tags(&file)
        .into_iter()
        .filter(|tag| tag.kind == kind::VIDEO && tag.payload.get(1) == Some(&1));
    frames
        .map(|tag| Bytes::from(tag.payload).slice(5..))
        .collect()
}
