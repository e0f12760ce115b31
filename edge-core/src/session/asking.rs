//! Waiting for an application's word (`contract::webhook`): what was about to be done is kept, all
//! that the client says meanwhile waits behind it, and the word goes on with it or refuses it.
//!
//! One question at a time. What waits is bounded by one read: the driver reads no more while it asks.

use contract::facts::Action;
use contract::reason::Reason;
use rtmp::Message;
use rtmp::server::PublishKind;

use super::streams::{Admitted, Denied};
use super::tunnel::said;
use super::{Kind, Output, Part, Session};
use crate::admission::webhook::{Inquiry, Word};
use crate::admission::{Door, Outcome, Ruling};

/// What is done if the word is good.
pub(super) enum Asked {
    /// `connect` is answered.
    Connect {
        transaction: f64,
        ruling: Box<Ruling>,
        admits: bool,
    },
    /// A stream begins.
    Stream(Box<Beginning>),
}

/// A stream that is about to begin.
pub(super) struct Beginning {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) admitted: Admitted,
    pub(super) then: Then,
}

/// What the driver is asked for when a stream begins.
pub(super) enum Then {
    Play(Part),
    Publish(PublishKind),
    /// The server at the tunnel's other end hears what the client said.
    Tunnel(Box<(said::Asked, Message)>),
}

impl Then {
    fn action(&self) -> Action {
        match self {
            Self::Play(_) => Action::Play,
            Self::Publish(_) => Action::Publish,
            Self::Tunnel(said) => said.0.action,
        }
    }
}

impl Session {
    pub(super) fn ask(&mut self, inquiry: Inquiry, asked: Asked) {
        self.asked = Some(asked);
        self.outputs.push_back(Output::Ask(Box::new(inquiry)));
    }

    /// The application's word on what was asked last came, or what holds in its silence.
    pub fn answered(&mut self, word: Word, door: &Door<'_>) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        if self.closing {
            return;
        }
        match asked {
            Asked::Connect {
                transaction,
                ruling,
                admits,
            } => {
                let ruling = word.in_ruling(*ruling, door);
                match ruling.outcome {
                    Outcome::Refuse(reason) => self.refuse_connect(transaction, ruling, reason),
                    Outcome::Admit(_)
                    | Outcome::Relay(_)
                    | Outcome::Redirect(_)
                    | Outcome::Challenge { .. }
                    | Outcome::Postpone => {
                        self.asked_on_connect = true;
                        self.accept_named(transaction, ruling, admits, door);
                        // The settings may have changed while it was asked.
                        self.rejudge(door);
                    }
                }
            }
            Asked::Stream(beginning) => self.stream_answered(*beginning, word, door),
        }
        self.settle(door);
    }

    fn stream_answered(&mut self, beginning: Beginning, word: Word, door: &Door<'_>) {
        let at = (beginning.admitted.wanted.stream_id, beginning.then.action());
        // The settings may have changed while it was asked.
        let mut admitted = match self.judge_stream(at, &beginning.name, door) {
            Ok(admitted) => admitted,
            Err(denied) => {
                self.refuse_stream(at, *denied, door);
                return;
            }
        };
        admitted.held = beginning.admitted.held;
        let ruling = word.in_ruling(admitted.ruling, door);
        match ruling.outcome {
            Outcome::Refuse(_) => {
                let facts = Some(admitted.facts);
                self.refuse_stream(at, Denied { facts, ruling }, door);
            }
            Outcome::Admit(_)
            | Outcome::Relay(_)
            | Outcome::Redirect(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone => {
                admitted.ruling = ruling;
                match self.take_stream(admitted, at.1, door) {
                    Ok(admitted) => self.begin(Beginning {
                        name: beginning.name,
                        kind: beginning.kind,
                        admitted,
                        then: beginning.then,
                    }),
                    Err(denied) => self.refuse_stream(at, *denied, door),
                }
            }
        }
    }

    /// The application may have said who the client is, who has limits of its own.
    fn accept_named(&mut self, transaction: f64, ruling: Ruling, admits: bool, door: &Door<'_>) {
        if admits
            && let Some(facts) = self.facts.clone()
            && let Err(refused) = self.take_connection(door, &facts, &ruling)
        {
            self.refuse_connect(transaction, *refused, Reason::LimitReached);
            return;
        }
        self.accept((transaction, admits), ruling, door);
    }
}
