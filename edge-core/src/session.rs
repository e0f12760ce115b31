//! What an RTMP session means on an edge: its events become facts, facts become a ruling, the
//! ruling becomes answers to the client and wishes to the driver.
//!
//! Bytes, settings and the time go in; [`Output`]s come out. The invariants: nothing is asked of
//! the driver before the client is admitted for exactly that; each message stream plays or
//! publishes at most one stream, and is judged by itself; a refusal is followed by a close, unless
//! another of the client's streams goes on; no text of a server behind this edge, and no secret of
//! the client, stands in any answer or record.
//!
//! It does not know sockets, hubs or other sessions.

mod asking;
mod connect;
mod judged;
mod output;
mod places;
mod reconnect;
mod streams;
mod telling;
mod tunnel;

pub use output::{Closing, Ending, Output, Part, PlayerWish, Refused, Wanted};
pub use tunnel::{Far, Opening};

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::facts::Facts;
use contract::id::EdgeId;
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::report::{SessionRecord, SessionState};
use rtmp::amf::Properties;
use rtmp::server::{self, Connect, Event};
use rtmp::{Fault, Limits};

use crate::admission::{Door, Ruling};
use crate::limit::Held;
use asking::Asked;
use tunnel::Tunnel;

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// How it came.
    pub ingress: Ingress,
    /// The port on which it was accepted.
    pub port: u16,
}

/// One client's session.
pub struct Session {
    wire: server::Session,
    peer: Peer,
    /// What is known of the connection itself.
    connected: Option<Arc<Facts>>,
    /// What the record tells: the connection's facts, later those of its newest stream.
    facts: Option<Arc<Facts>>,
    /// The application as the client sent it, without the parameters of signing in.
    app: String,
    encoder: bool,
    /// What the client can do beyond the old format, for the server behind.
    offers: Properties,
    /// Whether it goes elsewhere when it is asked to.
    reconnects: bool,
    /// Where it was asked to go.
    asked_to: Option<Box<EdgeId>>,
    ruling: Option<Arc<Ruling>>,
    admitted: bool,
    /// What the client does, at most once a message stream; the wire bounds those.
    active: Vec<Active>,
    /// What the client said with `connect`, until that is answered: it is for a tunnel, if there
    /// will be one.
    said: Option<Box<Connect>>,
    tunnel: Option<Box<Tunnel>>,
    /// What waits for an application's word.
    asked: Option<Asked>,
    /// The application was asked when the client connected.
    asked_on_connect: bool,
    /// What the client said last that it buffers, and on which message stream.
    buffer: Option<(u32, u32)>,
    /// Its places under limits, for as long as it is connected.
    held: Vec<Held>,
    /// Streams that it was refused beside others.
    refusals: u32,
    closing: bool,
    outputs: VecDeque<Output>,
}

/// What the client does on one message stream.
struct Active {
    stream_id: u32,
    name: String,
    kind: Kind,
    facts: Arc<Facts>,
    ruling: Arc<Ruling>,
    /// Its places among the viewers or publishers.
    _held: Vec<Held>,
}

enum Kind {
    Play { reset: bool, started: bool },
    Publish,
}

impl Session {
    /// The session of a client that connected at `now`.
    #[must_use]
    pub fn new(peer: Peer, limits: Limits, now: Duration) -> Self {
        Self {
            wire: server::Session::new(limits, now),
            peer,
            connected: None,
            facts: None,
            app: String::new(),
            encoder: false,
            offers: Properties::new(),
            reconnects: false,
            asked_to: None,
            ruling: None,
            admitted: false,
            active: Vec::new(),
            said: None,
            tunnel: None,
            asked: None,
            asked_on_connect: false,
            buffer: None,
            held: Vec::new(),
            refusals: 0,
            closing: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what the client sent: at most some 64 KiB at once.
    pub fn handle(&mut self, input: &[u8], door: &Door<'_>, now: Duration) {
        if self.closing {
            return;
        }
        let fault = self.wire.handle(input, now).err();
        self.settle(door);
        if let Some(fault) = fault {
            self.fault(fault);
        }
    }

    /// When [`Session::handle_timeout`] wants to be called, if it does.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.wire.next_deadline().filter(|_| !self.closing)
    }

    /// Ends a session whose deadline has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Err(fault) = self.wire.handle_timeout(now) {
            self.fault(fault);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        if self.outputs.is_empty() {
            // Most sessions want nothing for hours: then this takes no room.
            self.outputs = VecDeque::new();
        }
        Some(output)
    }

    /// Takes what the wire has to say.
    fn settle(&mut self, door: &Door<'_>) {
        loop {
            // While an application is asked, what the client says waits in the wire.
            if self.asked.is_some() {
                self.flush();
                return;
            }
            match self.wire.poll_output() {
                Some(server::Output::Send(bytes)) => self.outputs.push_back(Output::Send(bytes)),
                Some(server::Output::Event(_)) if self.closing => {}
                Some(server::Output::Event(event)) => self.hear(event, door),
                None => return,
            }
        }
    }

    fn hear(&mut self, event: Event, door: &Door<'_>) {
        match event {
            Event::Connect(connect) => self.connect(connect, door),
            Event::Publish(publish) => self.publish(&publish, door),
            Event::Play(play) => self.play(&play, door),
            Event::Media(message) => {
                let at = self.at(message.stream_id);
                if at.is_some_and(|active| matches!(active.kind, Kind::Publish)) {
                    self.outputs.push_back(Output::Media(message));
                }
            }
            Event::Pause {
                stream_id,
                paused,
                position_ms,
            } => self.pause(stream_id, paused, position_ms as u32),
            Event::Seek {
                stream_id,
                position_ms,
            } => {
                let position_ms = position_ms as u32;
                self.wish(stream_id, PlayerWish::Seek { position_ms });
            }
            Event::ReceiveAudio { stream_id, wanted } => {
                self.wish(stream_id, PlayerWish::Audio(wanted));
            }
            Event::ReceiveVideo { stream_id, wanted } => {
                self.wish(stream_id, PlayerWish::Video(wanted));
            }
            Event::BufferLength {
                stream_id,
                length_ms,
            } => {
                // Many players say it before they play.
                self.buffer = Some((stream_id, length_ms));
                self.wish(stream_id, PlayerWish::Buffer { length_ms });
            }
            Event::GetStreamLength { transaction, name } => {
                self.ask_length(transaction, &name, door);
            }
            Event::FcUnpublish { name, .. } => self.unpublish(&name),
            Event::CloseStream { stream_id } | Event::DeleteStream { stream_id } => {
                self.leave(stream_id);
            }
            Event::Command { command, .. } => self.call(&command),
            Event::PingResponse { .. } => self.outputs.push_back(Output::Alive),
            Event::Other(message) if self.tunnel.is_some() => self.say_in_tunnel(message, door),
            // These are answered by the wire, or need no answer: what they announce is judged when
            // it is asked for.
            Event::ReleaseStream { .. }
            | Event::FcPublish { .. }
            | Event::FcSubscribe { .. }
            | Event::CreateStream { .. }
            | Event::Other(_) => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        let reason = match fault {
            Fault::Version(_) | Fault::Handshake => Reason::BadHandshake,
            Fault::HandshakeTimeout(_) | Fault::ConnectTimeout(_) => Reason::TimedOut,
            Fault::NoHeader(_)
            | Fault::ChunkStreams(_)
            | Fault::ChunkSize { .. }
            | Fault::MessageSize { .. }
            | Fault::Unfinished(_)
            | Fault::TinyChunks(_)
            | Fault::MessagesBeforeAdmission(_)
            | Fault::Commands(_)
            | Fault::ShortControl(_)
            | Fault::AmfTruncated
            | Fault::AmfDepth(_)
            | Fault::AmfNodes(_)
            | Fault::AmfString { .. }
            | Fault::AmfMarker(_)
            | Fault::CommandName
            | Fault::CommandTransaction
            | Fault::BeforeConnect(_)
            | Fault::SecondConnect
            | Fault::ConnectArguments
            | Fault::MessageStreams(_)
            | Fault::MessageStream(_)
            | Fault::MessageStreamBusy(_)
            | Fault::Name(_)
            | Fault::Aggregate
            | Fault::AggregateParts(_) => Reason::ProtocolFault,
        };
        self.close(Ending::Ended, reason, Some(fault.to_string()));
    }

    /// What the wire wrote since goes out before whatever comes next.
    fn flush(&mut self) {
        while let Some(bytes) = self.wire.take_send() {
            self.outputs.push_back(Output::Send(bytes));
        }
    }

    fn close(&mut self, ending: Ending, reason: Reason, detail: Option<String>) {
        if self.closing {
            return;
        }
        self.flush();
        self.closing = true;
        self.active.clear();
        self.asked = None;
        self.held.clear();
        self.outputs.push_back(Output::Close(Closing {
            ending,
            reason,
            detail,
        }));
    }

    /// Ends the session for a reason that lies outside of it: a kick, a stop, the stream's end.
    pub fn end(&mut self, reason: Reason) {
        self.tell_all(reason);
        self.close(Ending::Ended, reason, None);
    }

    /// One of the client's streams ended; with its last one the session does.
    pub fn stream_ended(&mut self, stream_id: u32, reason: Reason) {
        let Some(active) = self.remove(stream_id) else {
            return;
        };
        self.tell_end(active, reason);
        if self.active.is_empty() {
            self.close(Ending::Ended, reason, None);
        }
    }

    /// Asks whether the client is still there; [`Output::Alive`] is the answer.
    pub fn ping(&mut self, now: Duration) {
        self.wire.ping(now);
        self.flush();
    }

    /// Counts bytes that were written past this session: a viewer's media.
    pub fn sent_past(&mut self, bytes: u64) {
        self.wire.acknowledge_sent(bytes);
    }

    /// Whether it is waiting for nothing more than to be closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether the client has been let in.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// The facts by which it is judged, once it has connected.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }

    /// Writes what is known of the session into its record.
    pub fn describe(&self, record: &mut SessionRecord) {
        if self.admitted {
            record.state = SessionState::Live;
        }
        describe(
            &self.app,
            self.facts.as_deref(),
            self.ruling.as_deref(),
            record,
        );
    }

    /// Writes what is known of a stream that was refused beside others into a record of its own.
    pub fn describe_refused(&self, refused: &Refused, record: &mut SessionRecord) {
        let (facts, ruling) = (refused.facts.as_ref(), Some(&refused.ruling));
        describe(&self.app, facts.or(self.facts.as_deref()), ruling, record);
    }
}

fn describe(app: &str, facts: Option<&Facts>, ruling: Option<&Ruling>, record: &mut SessionRecord) {
    if let Some(facts) = facts {
        // Of a client that another edge carries here: its own address, not that edge's.
        record.addr = facts.addr;
        record.host.clone_from(&facts.host);
        record.user_agent.clone_from(&facts.user_agent);
        record.action = facts.action;
        record.app = shown_app(facts, app);
        let stream = facts.requested.stream.as_ref();
        record.stream = stream.map(ToString::to_string);
        record.through = facts
            .hop
            .as_ref()
            .map(|hop| hop.edges.clone())
            .unwrap_or_default();
    }
    if let Some(ruling) = ruling {
        ruling.describe(record);
    }
}

/// The application for people: without its query, where tokens stand.
fn shown_app(facts: &Facts, sent: &str) -> String {
    let requested = &facts.requested;
    match &requested.app {
        Some(app) => requested
            .hops
            .iter()
            .map(|hop| format!("?{hop}/"))
            .chain([app.to_string()])
            .collect(),
        None => {
            let (lead, rest) = sent.split_at(usize::from(sent.starts_with('?')));
            let rest = rest.split('?').next().unwrap_or(rest);
            // A name and password may stand before a host in what could not be read.
            let rest = rest.rsplit_once('@').map_or(rest, |(_, after)| after);
            format!("{lead}{rest}")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]
mod tests;
