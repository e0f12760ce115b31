//! A tunnel: one client, one session with a server behind, and all that they say to each other.
//!
//! `connect` is judged as any; a client that a route of mode tunnel lets in gets a session of its
//! own with the application, and hears its answers: results, calls, shared objects, data, media and
//! control of streams pass both ways as they are. Streams are judged when they are asked for, and
//! media passes only where publishing was let in.
//!
//! The invariants: what comes out goes in the order in which it came in; a stream that is asked for
//! leads nowhere but where the tunnel does; the edge's own token goes no further; a word that names
//! the server behind, in what a server says of itself, reaches no client.

mod masking;
pub(super) mod said;

use contract::admit::Passage;
use contract::facts::Action;
use contract::hop::HOP_PROPERTY;
use contract::reason::Reason;
use contract::route::StreamMode;
use rtmp::amf::{Properties, Value};
use rtmp::command::Command;
use rtmp::server::Connect;
use rtmp::{Fault, Message, MessageKind};

use super::asking::Then;
use super::connect::{REJECTED, offers};
use super::telling::says;
use super::{Active, Ending, Kind, Output, Session, judged};
use crate::admission::webhook::{beyond, query_beyond};
use crate::admission::{Door, Outcome, Ruling};
use masking::Hidden;
use said::{Asked, Said};

/// Streams that a client may have at once in a tunnel: as many as outside of one (laws.md, 6).
const MAX_STREAMS: usize = 32;

/// A tunnel that the client was let in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The way to the application.
    pub passage: Passage,
    /// Whether the client is carried to the edge where it belongs, which is asked as this one was.
    pub relayed: bool,
}

/// The server behind that a tunnel leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Far {
    /// Where it is, as the application's URL begins: `rtmp://host:port`.
    pub at: String,
    /// What another edge of ours is told of the client.
    pub hop: Option<String>,
    /// Names of it that no client may read: host names and addresses.
    pub hidden: Vec<String>,
}

/// How a session's tunnel stands.
pub(super) struct Tunnel {
    passage: Passage,
    connect: Box<Connect>,
    /// The query of the application without our own parameters.
    query: Option<String>,
    hidden: Hidden,
    /// Whether the server behind was reached.
    opened: bool,
    /// Whether it has answered `connect`.
    answered: bool,
}

impl Session {
    /// The tunnel that this ruling lets the client into, if its route is one.
    fn tunnel_for(&self, ruling: &Ruling, door: &Door<'_>) -> Option<Opening> {
        let mut routes = door.snapshot?.routes.iter();
        let route = routes.find(|route| Some(route.id) == ruling.route)?;
        if route.mode != StreamMode::Tunnel {
            return None;
        }
        let (passage, relayed) = match &ruling.outcome {
            Outcome::Admit(passage) => (passage.clone(), false),
            Outcome::Relay(passage) => (passage.clone(), true),
            Outcome::Redirect(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone
            | Outcome::Refuse(_) => return None,
        };
        Some(Opening { passage, relayed })
    }

    /// Asks for the tunnel, where the ruling lets the client into one; the server's answer to
    /// `connect` will be the client's.
    pub(super) fn enter_tunnel(&mut self, ruling: &Ruling, door: &Door<'_>) -> bool {
        let Some(opening) = self.tunnel_for(ruling, door) else {
            return false;
        };
        let (Some(connect), Some(facts)) = (self.said.take(), &self.connected) else {
            return false;
        };
        self.tunnel = Some(Box::new(Tunnel {
            passage: opening.passage.clone(),
            connect,
            query: query_beyond(&facts.requested, ruling),
            hidden: Hidden::default(),
            opened: false,
            answered: false,
        }));
        self.outputs.push_back(Output::Tunnel(Box::new(opening)));
        true
    }

    /// The server behind was reached: what the client said goes there, `connect` first.
    pub fn tunnel_opened(&mut self, far: Far, door: &Door<'_>) {
        let Some(tunnel) = self.tunnel.as_mut().filter(|_| !self.closing) else {
            return;
        };
        tunnel.opened = true;
        let connect = tunnel.connect_to(&far);
        tunnel.hidden = Hidden::new(far.hidden);
        self.wire.begin_tunnel();
        self.flush();
        self.outputs.push_back(Output::Forward(connect));
        self.settle(door);
    }

    /// No server behind could be reached.
    pub fn tunnel_failed(&mut self, reason: Reason, door: &Door<'_>) {
        let wrapped = self
            .connected
            .as_ref()
            .is_some_and(|facts| facts.requested.is_wrapped());
        let Some(tunnel) = self.tunnel.as_ref().filter(|_| !self.closing) else {
            return;
        };
        let transaction = tunnel.connect.transaction;
        if wrapped {
            // A destination that is not listed is refused when a stream is asked for; this one must
            // not look otherwise.
            self.tunnel = None;
            self.wire.accept_connect(transaction, Vec::new());
            self.flush();
            self.settle(door);
            return;
        }
        self.reject_tunnel(transaction, reason);
    }

    /// The server behind hung up, or takes nothing any more.
    pub fn tunnel_lost(&mut self) {
        if self.tunnel.is_some() {
            self.end(Reason::OriginUnreachable);
        }
    }

    /// Whether the server behind was reached and has not answered `connect` yet.
    #[must_use]
    pub fn awaits_tunnel(&self) -> bool {
        let tunnel = self.tunnel.as_ref();
        tunnel.is_some_and(|tunnel| tunnel.opened && !tunnel.answered)
    }

    /// The transaction of `connect`, while a tunnel's client waits for its answer.
    pub(super) fn unanswered_tunnel(&self) -> Option<f64> {
        let tunnel = self.tunnel.as_ref().filter(|tunnel| !tunnel.answered)?;
        Some(tunnel.connect.transaction)
    }

    fn reject_tunnel(&mut self, transaction: f64, reason: Reason) {
        let says = says(self.facts.as_deref(), self.ruling.as_deref(), reason);
        self.wire
            .reject_connect(transaction, REJECTED, &says, Vec::new());
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Ended, reason, None);
    }

    /// What the server behind says.
    pub fn tunnel_hears(&mut self, message: Message) {
        let Some(tunnel) = self.tunnel.as_mut().filter(|_| !self.closing) else {
            return;
        };
        let (message, refused) = tunnel.told(message);
        self.wire.send_message(&message);
        self.flush();
        if refused {
            self.close(Ending::Ended, Reason::OriginRefused, None);
        }
    }

    /// What the client says in a tunnel.
    pub(super) fn say_in_tunnel(&mut self, message: Message, door: &Door<'_>) {
        match message.kind {
            MessageKind::CommandAmf0 | MessageKind::CommandAmf3 => {
                self.tunnel_command(message, door);
            }
            MessageKind::Audio | MessageKind::Video | MessageKind::Aggregate => {
                let at = self.at(message.stream_id);
                if at.is_some_and(|active| matches!(active.kind, Kind::Publish)) {
                    self.outputs.push_back(Output::Forward(message));
                }
            }
            MessageKind::DataAmf0
            | MessageKind::DataAmf3
            | MessageKind::SharedObjectAmf0
            | MessageKind::SharedObjectAmf3
            | MessageKind::UserControl
            | MessageKind::Other(_) => self.outputs.push_back(Output::Forward(message)),
            // The link obeys these itself.
            MessageKind::SetChunkSize
            | MessageKind::Abort
            | MessageKind::Acknowledgement
            | MessageKind::WindowAckSize
            | MessageKind::SetPeerBandwidth => {}
        }
    }

    fn tunnel_command(&mut self, message: Message, door: &Door<'_>) {
        let stream_id = message.stream_id;
        match said::read(&message) {
            Err(fault) => self.fault(fault),
            Ok(Said::Stream(asked)) => self.begin_in_tunnel(message, asked, door),
            Ok(Said::Announced { asked, transaction }) => {
                // It does nothing yet, but what it says of a stream would be heard by the server.
                match self.judge_stream((stream_id, asked.action), &asked.name, door) {
                    Ok(admitted) => {
                        let message = clean(message, &asked, &admitted.ruling);
                        self.outputs.push_back(Output::Forward(message));
                    }
                    // Who may not is told so when it plays or publishes.
                    Err(_) if transaction != 0.0 => {
                        let values = vec![Value::Null, Value::Undefined];
                        self.wire.result(transaction, values);
                        self.flush();
                    }
                    Err(_) => {}
                }
            }
            Ok(Said::Close { other }) => {
                self.remove(other.unwrap_or(stream_id));
                self.outputs.push_back(Output::Forward(message));
            }
            Ok(Said::Else) => self.outputs.push_back(Output::Forward(message)),
        }
    }

    fn begin_in_tunnel(&mut self, message: Message, asked: Asked, door: &Door<'_>) {
        let stream_id = message.stream_id;
        self.remove(stream_id);
        if self.active.len() >= MAX_STREAMS {
            self.fault(Fault::MessageStreams(MAX_STREAMS as u32));
            return;
        }
        let kind = match asked.action {
            Action::Publish => Kind::Publish,
            Action::Play => Kind::Play {
                reset: false,
                started: false,
            },
        };
        let at = (stream_id, asked.action);
        let name = asked.name.clone();
        let then = Then::Tunnel(Box::new((asked, message)));
        self.begin_stream(at, &name, (kind, then), door);
    }

    /// Whether a stream by this way may be asked for: in a tunnel only where that leads.
    pub(super) fn is_on_its_way(&self, passage: &Passage) -> bool {
        self.tunnel.as_ref().is_none_or(|tunnel| {
            (tunnel.passage.route, &tunnel.passage.app) == (passage.route, &passage.app)
        })
    }

    /// What the driver does when a stream of the client ends here.
    pub(super) fn ended(&self, active: &Active) -> Output {
        if self.tunnel.is_none() {
            return judged::ended(active);
        }
        let close = Command::new("closeStream", 0.0, vec![Value::Null]);
        Output::Forward(close.message(active.stream_id))
    }
}

impl Tunnel {
    /// What the client said with `connect`, to the server behind.
    fn connect_to(&self, far: &Far) -> Message {
        let mut app = self.passage.app.to_string();
        if let Some(query) = &self.query {
            app = format!("{app}?{query}");
        }
        let tc_url = format!("{}/{app}", far.at);
        let offers = offers(&self.connect.object);
        let mut object: Properties = Vec::with_capacity(self.connect.object.len() + 1);
        for (key, value) in &self.connect.object {
            let value = match key.as_str() {
                HOP_PROPERTY => continue,
                "app" => app.as_str().into(),
                "tcUrl" => tc_url.as_str().into(),
                // Going elsewhere when told so is this edge's to ask for.
                "capsEx" => match rtmp::amf::property(&offers, key) {
                    Some(flags) => flags.clone(),
                    None => continue,
                },
                _ => value.clone(),
            };
            object.push((key.clone(), value));
        }
        if let Some(hop) = &far.hop {
            object.push((HOP_PROPERTY.to_owned(), hop.as_str().into()));
        }
        let arguments = [Value::Object(object)]
            .into_iter()
            .chain(self.connect.arguments.iter().cloned())
            .collect();
        Command::new("connect", self.connect.transaction, arguments).message(0)
    }

    /// The server's message for the client, and whether it says no to `connect`.
    fn told(&mut self, message: Message) -> (Message, bool) {
        let Some((name, transaction)) = said::head(&message) else {
            return (message, false);
        };
        let answers = !self.answered && transaction == self.connect.transaction;
        let (of_itself, refuses) = match name.as_str() {
            "_error" => (true, answers),
            "onStatus" | "close" => (true, false),
            "_result" => (answers, false),
            _ => (false, false),
        };
        self.answered |= answers && matches!(name.as_str(), "_error" | "_result");
        let message = if of_itself {
            self.hidden.masked(message)
        } else {
            message
        };
        (message, refuses)
    }
}

/// The message without a token that was for this edge: of a client that a token let in, any.
pub(super) fn clean(message: Message, asked: &Asked, ruling: &Ruling) -> Message {
    let (Some((stream, query)), Some(at)) = (asked.name.split_once('?'), &asked.at) else {
        return message;
    };
    let kept = beyond(query, ruling);
    if kept.as_deref() == Some(query) {
        return message;
    }
    let name = match kept {
        Some(kept) => format!("{stream}?{kept}"),
        None => stream.to_owned(),
    };
    said::renamed(message, &name, at)
}
