//! The session with a client that connected to us.
//!
//! In go its bytes and the time; out come bytes to send and [`Event`]s. Handshake,
//! acknowledgements, pings, `createStream` and the plain answers of a publisher's opening are done
//! here; whether a client may connect, publish or play is asked by an event and answered by a
//! method. The invariants: before `connect` nothing but control passes; media passes only on
//! message streams that asked to publish; nothing is said of what follows `connect` before that is
//! answered; after a fault or a rejection nothing passes any more.
//!
//! It does not know rules, routes or other sessions, and it takes every name as the client sent it,
//! checked by [`crate::name::check`] only.
//!
//! How much comes out of one call is bounded by what goes in: an event needs at least a byte. Feed
//! no more than some 64 KiB at once, take all output before the next call, and stop reading while
//! an answer to `connect`, `publish` or `play` is being thought about.

mod answer;
mod command;
mod event;
mod tunnel;

pub use command::OFFERS;
pub use event::{Connect, Event, Play, PlayFrom, Publish, PublishKind};

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::amf::Properties;
use crate::command::Command;
use crate::control::UserControl;
use crate::handshake::ServerHandshake;
use crate::link::{Heard, Link};
use crate::phase::Phase;
use crate::{Fault, Limits, Message, MessageKind, data};

/// What a session wants of its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes, in this order.
    Send(Bytes),
    /// Something the client wants or says.
    Event(Event),
}

/// One client's session.
pub struct Session {
    limits: Limits,
    phase: Phase<ServerHandshake>,
    link: Link,
    events: VecDeque<Event>,
    /// Answers to what came in one piece with `connect`: they wait for the answer to that.
    early: Vec<Command>,
    /// Whether `connect` was handed out and is not answered yet: what follows waits for that.
    undecided: bool,
    /// What came in one piece with `connect`, as it came: it is for a tunnel, if there will be one.
    behind_connect: Vec<Message>,
    /// Whether everything is handed out as it came.
    tunnels: bool,
    /// What each message stream is used for; the first has id 1.
    streams: Vec<StreamUse>,
    /// What the client can do beyond the old format, to be echoed.
    offered: Properties,
    /// The AMF that the client asked for at `connect`, to be echoed: 0 or 3.
    object_encoding: f64,
    /// Whether it sends its commands in AMF3 form, and so gets them.
    speaks_amf3: bool,
    accepted: bool,
    admitted: bool,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamUse {
    Free,
    Idle,
    Publishing,
    Playing,
}

impl Session {
    /// A session of a client that connected at `now`.
    pub fn new(limits: Limits, now: Duration) -> Self {
        Self {
            phase: Phase::new(ServerHandshake::new(), &limits, now),
            link: Link::new(limits.clone(), now),
            limits,
            events: VecDeque::new(),
            early: Vec::new(),
            undecided: false,
            behind_connect: Vec::new(),
            tunnels: false,
            streams: Vec::new(),
            offered: Vec::new(),
            object_encoding: 0.0,
            speaks_amf3: false,
            accepted: false,
            admitted: false,
            fault: None,
        }
    }

    /// Takes what the client sent.
    ///
    /// # Errors
    /// Any [`Fault`]; the session is over then, and every later call repeats it. What came before
    /// the fault can still be polled.
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
            self.phase = Phase::Connect {
                deadline: now + self.limits.connect,
            };
        }
        while !matches!(self.phase, Phase::Rejected) {
            let Some(heard) = self.link.next(&mut input)? else {
                break;
            };
            match heard {
                Heard::Message(message) => self.hear(message)?,
                Heard::Control(event) => self.hear_control(event),
            }
        }
        self.link.acknowledge();
        Ok(())
    }

    fn hear(&mut self, message: Message) -> Result<(), Fault> {
        if self.tunnels {
            self.hear_in_tunnel(message);
            return Ok(());
        }
        if !self.accepted && matches!(self.phase, Phase::Connected) {
            self.behind_connect.push(message.clone());
        }
        if matches!(
            message.kind,
            MessageKind::CommandAmf0 | MessageKind::CommandAmf3
        ) {
            return self.hear_command(&message);
        }
        if matches!(self.phase, Phase::Connect { .. }) {
            return Err(Fault::BeforeConnect(message.kind.code()));
        }
        match message.kind {
            MessageKind::Audio
            | MessageKind::Video
            | MessageKind::DataAmf0
            | MessageKind::DataAmf3 => {
                if self.stream_use(message.stream_id) == StreamUse::Publishing {
                    self.events.push_back(Event::Media(message));
                }
            }
            MessageKind::Aggregate => {
                if self.stream_use(message.stream_id) == StreamUse::Publishing {
                    self.events
                        .extend(data::parts(&message)?.into_iter().map(Event::Media));
                }
            }
            MessageKind::SharedObjectAmf0
            | MessageKind::SharedObjectAmf3
            | MessageKind::Other(_)
            | MessageKind::CommandAmf0
            | MessageKind::CommandAmf3
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
        match event {
            UserControl::PingResponse(timestamp) => {
                self.events.push_back(Event::PingResponse { timestamp });
            }
            UserControl::SetBufferLength {
                stream_id,
                length_ms,
            } => {
                self.events.push_back(Event::BufferLength {
                    stream_id,
                    length_ms,
                });
            }
            // A client has no streams to speak of.
            UserControl::StreamBegin(_)
            | UserControl::StreamEof(_)
            | UserControl::StreamDry(_)
            | UserControl::StreamIsRecorded(_)
            | UserControl::PingRequest(_)
            | UserControl::Other(_) => {}
        }
    }

    fn stream_use(&self, stream_id: u32) -> StreamUse {
        self.slot(stream_id)
            .map_or(StreamUse::Free, |slot| self.streams[slot])
    }

    /// The place of a message stream that may exist.
    fn slot(&self, stream_id: u32) -> Option<usize> {
        let slot = usize::try_from(stream_id.checked_sub(1)?).ok()?;
        (slot < self.streams.len()).then_some(slot)
    }

    /// The next thing to do; `None` when there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(bytes) = self.take_send() {
            return Some(Output::Send(bytes));
        }
        if self.undecided {
            return None;
        }
        let event = self.events.pop_front()?;
        if self.events.is_empty() {
            // Players are silent for hours: what they said once takes no room meanwhile.
            self.events = VecDeque::new();
        }
        self.undecided = matches!(event, Event::Connect(_)) && !self.accepted;
        Some(Output::Event(event))
    }

    /// What is to be written now, with no thought for what the client says.
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

    /// Says that the client was admitted: the wider bounds hold from now on. Players need it too,
    /// for the bound on messages counts all that they say, answers to pings among them.
    pub fn set_admitted(&mut self, admitted: bool) {
        self.admitted = admitted;
        self.link.set_admitted(admitted);
    }

    /// Whether the client was admitted.
    pub fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Whether `connect` was accepted: from then on chunks of [`crate::chunk::CHUNK_SIZE`] may be
    /// written past this session, between its own sends.
    pub fn is_accepted(&self) -> bool {
        self.accepted
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

    /// Bytes that the client says have arrived.
    pub fn acknowledged(&self) -> u64 {
        self.link.acknowledged()
    }
}
