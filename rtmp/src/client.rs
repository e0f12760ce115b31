//! The session with a server that we connected to.
//!
//! In go its bytes and the time; out come bytes to send and [`Event`]s. `connect` goes out by
//! itself after the handshake; [`Session::play`] and [`Session::publish`] may be asked for at any
//! time and are carried out once `connect` is accepted. The invariants: what the server sends is
//! bounded as a client's is; answers are matched to our calls by their transaction only.
//!
//! It does not know why it was made: relays, the load client and the demo all use it.
//!
//! As with the server's session, feed no more than some 64 KiB at once and take all output before
//! the next call.

mod answer;
mod event;
mod options;

pub use crate::server::PublishKind;
pub use event::Event;
pub use options::ConnectOptions;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::amf::Value;
use crate::command::Command;
use crate::control::UserControl;
use crate::handshake::ClientHandshake;
use crate::link::{Heard, Link};
use crate::phase::Phase;
use crate::{Fault, Limits, Message, MessageKind, data};

/// How much we say that we buffer; servers that care send so much at once.
const BUFFER_MS: u32 = 3_000;

/// The transaction of `connect`, by custom.
const CONNECT: f64 = 1.0;

/// What a session wants of its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes, in this order.
    Send(Bytes),
    /// Something the server says.
    Event(Event),
}

/// Our session with one server.
pub struct Session {
    limits: Limits,
    /// What is said with `connect`; a tunnel has no word of its own.
    options: Option<ConnectOptions>,
    phase: Phase<ClientHandshake>,
    link: Link,
    events: VecDeque<Event>,
    next_transaction: f64,
    pending: Vec<(f64, Pending)>,
    /// What to do once connected.
    wanted: Vec<Purpose>,
    streams: Vec<Stream>,
    fault: Option<Fault>,
}

/// What a message stream is made for.
enum Purpose {
    Play { name: String, start: f64 },
    Publish { name: String, kind: PublishKind },
}

/// Whose answer is awaited.
enum Pending {
    CreateStream(Purpose),
    Call,
}

/// A message stream that the server gave us.
struct Stream {
    id: u32,
    purpose: Purpose,
}

impl Session {
    /// A session on a connection made at `now`. The handshake is there to be polled.
    pub fn new(options: ConnectOptions, limits: Limits, now: Duration) -> Self {
        Self::with(Some(options), limits, now)
    }

    /// A session that says nothing by itself: after the handshake ([`Session::is_connected`]) it
    /// carries the messages of somebody else, `connect` first, and everything that the server says
    /// comes out as [`Event::Other`]. Acknowledgements, chunk sizes and pings stay its own.
    pub fn tunnel(limits: Limits, now: Duration) -> Self {
        Self::with(None, limits, now)
    }

    fn with(options: Option<ConnectOptions>, limits: Limits, now: Duration) -> Self {
        let (handshake, hello) = ClientHandshake::new();
        let mut link = Link::new(limits.clone(), now);
        link.send_raw(&hello);
        // We chose this server, so its messages may be as large as an admitted client's.
        link.set_admitted(true);
        Self {
            phase: Phase::new(handshake, &limits, now),
            limits,
            options,
            link,
            events: VecDeque::new(),
            next_transaction: CONNECT + 1.0,
            pending: Vec::new(),
            wanted: Vec::new(),
            streams: Vec::new(),
            fault: None,
        }
    }

    /// Takes what the server sent.
    ///
    /// # Errors
    /// Any [`Fault`]; the session is over then, and every later call repeats it.
    pub fn handle(&mut self, input: &[u8], now: Duration) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.take(input, now)
            .inspect_err(|fault| self.fault = Some(*fault))
    }

    fn take(&mut self, mut input: &[u8], now: Duration) -> Result<(), Fault> {
        self.link.arrived(input.len(), now);
        if let Phase::Handshake { handshake, .. } = &mut self.phase {
            if let Some(answer) = handshake.handle(&mut input)? {
                self.link.send_raw(&answer);
            }
            if !handshake.is_done() {
                return Ok(());
            }
            self.link.announce_window(false);
            self.link.announce_chunk_size();
            match &self.options {
                Some(options) => {
                    self.phase = Phase::Connect {
                        deadline: now + self.limits.connect,
                    };
                    self.link.send(&options.command(CONNECT).message(0));
                }
                None => {
                    self.phase = Phase::Connected;
                    self.link.tunnel();
                }
            }
        }
        while let Some(heard) = self.link.next(&mut input)? {
            match heard {
                Heard::Message(message) => self.hear(message)?,
                Heard::Control(event) => self.hear_control(event),
            }
        }
        self.link.acknowledge();
        Ok(())
    }

    fn hear(&mut self, message: Message) -> Result<(), Fault> {
        if self.options.is_none() {
            self.events.push_back(Event::Other(message));
            return Ok(());
        }
        match message.kind {
            MessageKind::CommandAmf0 | MessageKind::CommandAmf3 => self.hear_command(&message)?,
            MessageKind::Audio
            | MessageKind::Video
            | MessageKind::DataAmf0
            | MessageKind::DataAmf3 => {
                self.events.push_back(Event::Media(message));
            }
            MessageKind::Aggregate => {
                self.events
                    .extend(data::parts(&message)?.into_iter().map(Event::Media));
            }
            MessageKind::SharedObjectAmf0
            | MessageKind::SharedObjectAmf3
            | MessageKind::Other(_)
            | MessageKind::SetChunkSize
            | MessageKind::Abort
            | MessageKind::Acknowledgement
            | MessageKind::UserControl
            | MessageKind::WindowAckSize
            | MessageKind::SetPeerBandwidth => self.events.push_back(Event::Other(message)),
        }
        Ok(())
    }

    fn hear_control(&mut self, event: UserControl) {
        self.events.push_back(match event {
            UserControl::StreamBegin(stream_id) => Event::StreamBegin { stream_id },
            UserControl::StreamEof(stream_id) => Event::StreamEof { stream_id },
            UserControl::StreamIsRecorded(stream_id) => Event::StreamIsRecorded { stream_id },
            UserControl::PingResponse(timestamp) => Event::PingResponse { timestamp },
            UserControl::StreamDry(_)
            | UserControl::SetBufferLength { .. }
            | UserControl::PingRequest(_)
            | UserControl::Other(_) => return,
        });
    }

    /// The next thing to do; `None` when there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(bytes) = self.link.take_output() {
            return Some(Output::Send(bytes));
        }
        self.events.pop_front().map(Output::Event)
    }

    /// What is to be written now, with no thought for what the server says.
    pub fn take_send(&mut self) -> Option<Bytes> {
        self.link.take_output()
    }

    /// When [`Session::handle_timeout`] wants to be called, if it does.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.phase.deadline().filter(|_| self.fault.is_none())
    }

    /// Ends a session whose deadline has passed.
    ///
    /// # Errors
    /// [`Fault::HandshakeTimeout`], [`Fault::ConnectTimeout`].
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Fault> {
        let over = self.phase.check(&self.limits, now);
        over.inspect_err(|fault| self.fault = Some(*fault))
    }

    /// Asks for a stream from `start` on, in milliseconds as on the wire; -1,000 is live only,
    /// -2,000 live, then recorded. The answers are [`Event::StreamReady`], then
    /// [`Event::Status`], then media.
    pub fn play(&mut self, name: &str, start: f64) {
        self.want(Purpose::Play {
            name: name.to_owned(),
            start,
        });
    }

    /// Asks to publish a stream. The answers are [`Event::StreamReady`], then an
    /// [`Event::Status`] with `NetStream.Publish.Start`; media may be sent from then on.
    pub fn publish(&mut self, name: &str, kind: PublishKind) {
        self.want(Purpose::Publish {
            name: name.to_owned(),
            kind,
        });
    }

    fn want(&mut self, purpose: Purpose) {
        if !matches!(self.phase, Phase::Connected) {
            self.wanted.push(purpose);
            return;
        }
        if let Purpose::Publish { name, .. } = &purpose {
            for command in ["releaseStream", "FCPublish"] {
                let arguments = vec![Value::Null, name.as_str().into()];
                let transaction = self.transaction();
                self.send_command(0, &Command::new(command, transaction, arguments));
            }
        }
        let transaction = self.transaction();
        self.send_command(
            0,
            &Command::new("createStream", transaction, vec![Value::Null]),
        );
        self.pending
            .push((transaction, Pending::CreateStream(purpose)));
    }

    /// Calls what the server understands; the answer is [`Event::Answer`] with the transaction
    /// returned here.
    pub fn call(&mut self, stream_id: u32, name: &str, arguments: Vec<Value>) -> f64 {
        let transaction = self.transaction();
        self.send_command(stream_id, &Command::new(name, transaction, arguments));
        self.pending.push((transaction, Pending::Call));
        transaction
    }

    /// Sends audio, video or data on the first message stream that publishes, whatever the
    /// message's own says. False when there is none.
    pub fn send_media(&mut self, message: &Message) -> bool {
        let Some(stream_id) = self.publishing() else {
            return false;
        };
        self.link.send(&Message {
            stream_id,
            ..message.clone()
        });
        true
    }

    /// The first message stream that publishes. When it is [`crate::chunk::SHARED_STREAM_ID`],
    /// shared chunks may be written past this session.
    pub fn publishing(&self) -> Option<u32> {
        self.streams
            .iter()
            .find(|stream| matches!(stream.purpose, Purpose::Publish { .. }))
            .map(|stream| stream.id)
    }

    /// Ends all publishing.
    pub fn unpublish(&mut self) {
        self.end_streams(|purpose| matches!(purpose, Purpose::Publish { .. }));
    }

    /// Ends publishing and playing; the driver closes the connection after this is sent.
    pub fn close(&mut self) {
        self.wanted.clear();
        self.end_streams(|_| true);
    }

    fn end_streams(&mut self, ends: impl Fn(&Purpose) -> bool) {
        let (ended, kept) = std::mem::take(&mut self.streams)
            .into_iter()
            .partition(|stream| ends(&stream.purpose));
        self.streams = kept;
        let ended: Vec<Stream> = ended;
        for stream in ended {
            if let Purpose::Publish { name, .. } = &stream.purpose {
                let transaction = self.transaction();
                let arguments = vec![Value::Null, name.as_str().into()];
                self.send_command(0, &Command::new("FCUnpublish", transaction, arguments));
            }
            let arguments = vec![Value::Null, Value::Number(f64::from(stream.id))];
            self.send_command(0, &Command::new("deleteStream", 0.0, arguments));
        }
    }

    /// Sends a command on a message stream; 0 is the connection.
    pub fn send_command(&mut self, stream_id: u32, command: &Command) {
        self.link.send(&command.message(stream_id));
    }

    /// Sends any message as it is.
    pub fn send_message(&mut self, message: &Message) {
        self.link.send(message);
    }

    /// Asks whether the server is there; [`Event::PingResponse`] is the answer.
    pub fn ping(&mut self, now: Duration) {
        let timestamp = (now.as_millis() & u128::from(u32::MAX)) as u32;
        self.link
            .send(&UserControl::PingRequest(timestamp).message());
    }

    /// Counts bytes that the driver wrote past this session.
    pub fn acknowledge_sent(&mut self, count: u64) {
        self.link.sent_elsewhere(count);
    }

    /// Whether `connect` was accepted.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// Bytes of memory that unfinished messages hold.
    pub fn held(&self) -> usize {
        self.link.held()
    }

    /// Bytes received, handshake included.
    pub fn received(&self) -> u64 {
        self.link.received()
    }

    /// Bytes handed out to send, handshake and [`Session::acknowledge_sent`] included.
    pub fn sent(&self) -> u64 {
        self.link.sent()
    }

    /// Bytes that the server says have arrived.
    pub fn acknowledged(&self) -> u64 {
        self.link.acknowledged()
    }

    fn transaction(&mut self) -> f64 {
        let transaction = self.next_transaction;
        self.next_transaction += 1.0;
        transaction
    }
}
