//! `publish` and `play`: the second ruling, with the stream known, and what the client does with it.

use std::sync::Arc;

use contract::address::{AddressError, Requested};
use contract::facts::{Action, Facts, Proof};
use contract::reason::Reason;
use contract::token::proof_in;
use rtmp::server::{Play, Publish};

use super::asking::{Asked, Beginning, Then};
use super::telling::{PLAY_FAILED, PUBLISH_FAILED};
use super::{Active, Ending, Kind, Output, Part, PlayerWish, Refused, Session, Wanted, tunnel};
use crate::admission::webhook::{inquiry, query_beyond};
use crate::admission::{self, Door, Outcome, Ruling};
use crate::limit::Held;

/// Streams that a client is refused while it has others, before it is taken to be trying names.
/// Chosen, because a page of cameras asks for each once.
const MAX_REFUSALS: u32 = 32;

/// A stream that the client was let in to, and how that was judged.
pub(super) struct Admitted {
    pub(super) wanted: Wanted,
    pub(super) facts: Facts,
    pub(super) ruling: Ruling,
    /// Its places among the viewers or publishers.
    pub(super) held: Vec<Held>,
}

/// A stream that the client was not let in to, as far as it could be read.
pub(super) struct Denied {
    pub(super) facts: Option<Facts>,
    pub(super) ruling: Ruling,
}

impl Session {
    pub(super) fn publish(&mut self, publish: &Publish, door: &Door<'_>) {
        let at = (publish.stream_id, Action::Publish);
        let then = Then::Publish(publish.kind);
        self.begin_stream(at, &publish.name, (Kind::Publish, then), door);
    }

    pub(super) fn play(&mut self, play: &Play, door: &Door<'_>) {
        // A player may go on to another stream on the same message stream.
        self.leave(play.stream_id);
        let kind = Kind::Play {
            reset: play.reset,
            started: false,
        };
        let at = (play.stream_id, Action::Play);
        let part = Part {
            from: play.from(),
            duration_ms: (play.duration >= 0.0).then_some(play.duration as u32),
            reset: play.reset,
            buffer_ms: self
                .buffer
                .filter(|(stream_id, _)| *stream_id == play.stream_id)
                .map(|(_, length_ms)| length_ms),
        };
        self.begin_stream(at, &play.name, (kind, Then::Play(part)), door);
    }

    /// Judges what the client wants to do, and asks the application where the route says so.
    pub(super) fn begin_stream(
        &mut self,
        (stream_id, action): (u32, Action),
        name: &str,
        (kind, then): (Kind, Then),
        door: &Door<'_>,
    ) {
        let admitted = self
            .judge_stream((stream_id, action), name, door)
            .and_then(|admitted| self.take_stream(admitted, action, door));
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(denied) => {
                self.refuse_stream((stream_id, action), *denied, door);
                return;
            }
        };
        let asks = inquiry(
            door,
            &admitted.facts,
            &admitted.ruling,
            !self.asked_on_connect,
        );
        let beginning = Beginning {
            name: name.to_owned(),
            kind,
            admitted,
            then,
        };
        match asks {
            Some(inquiry) => self.ask(inquiry, Asked::Stream(Box::new(beginning))),
            None => self.begin(beginning),
        }
    }

    /// The client is let in to a stream.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let Beginning {
            name,
            kind,
            admitted,
            then,
        } = beginning;
        let Admitted {
            wanted,
            facts,
            ruling,
            held,
        } = admitted;
        let (facts, ruling) = (Arc::new(facts), Arc::new(ruling));
        self.facts = Some(Arc::clone(&facts));
        self.ruling = Some(Arc::clone(&ruling));
        self.admit();
        let stream_id = wanted.stream_id;
        let wanted = Box::new(wanted);
        self.outputs.push_back(match then {
            Then::Play(part) => Output::Subscribe(wanted, part),
            Then::Publish(kind) => Output::Publish(wanted, kind),
            Then::Tunnel(said) => Output::Forward(tunnel::clean(said.1, &said.0, &ruling)),
        });
        // Nearly always there is one.
        self.active.reserve_exact(1);
        self.active.push(Active {
            stream_id,
            name,
            kind,
            facts,
            ruling,
            _held: held,
        });
    }

    /// Says how long a stream is, if the client may play it and somebody knows.
    pub(super) fn ask_length(&mut self, transaction: f64, name: &str, door: &Door<'_>) {
        // Who may not is told so when it plays. Where an application decides it is asked then, and
        // nothing is fetched before.
        if let Ok(admitted) = self.judge_stream((0, Action::Play), name, door)
            && inquiry(
                door,
                &admitted.facts,
                &admitted.ruling,
                !self.asked_on_connect,
            )
            .is_none()
        {
            self.outputs.push_back(Output::Length {
                transaction,
                wanted: Box::new(admitted.wanted),
            });
        }
    }

    /// Whether the client may do this; where not, how that was judged.
    pub(super) fn judge_stream(
        &self,
        (stream_id, action): (u32, Action),
        name: &str,
        door: &Door<'_>,
    ) -> Result<Admitted, Box<Denied>> {
        let unread = |reason| {
            let ruling = admission::refused(reason);
            Box::new(Denied {
                facts: None,
                ruling,
            })
        };
        let Some(facts) = self.connected.as_deref().cloned() else {
            return Err(unread(Reason::ProtocolFault));
        };
        let facts = self
            .with_stream(facts, name, action, door)
            .map_err(unread)?;
        let ruling = admission::judge(door, &facts);
        let (passage, relayed) = match &ruling.outcome {
            Outcome::Admit(passage) => (passage.clone(), false),
            Outcome::Relay(passage) => (passage.clone(), true),
            Outcome::Refuse(_)
            | Outcome::Redirect(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone => {
                let facts = Some(facts);
                return Err(Box::new(Denied { facts, ruling }));
            }
        };
        let stream = match facts.requested.stream.clone() {
            Some(stream) if self.is_on_its_way(&passage) => stream,
            elsewhere @ (Some(_) | None) => {
                let reason = match elsewhere {
                    Some(_) => Reason::Destination,
                    None => Reason::BadAddress,
                };
                let ruling = Ruling {
                    outcome: Outcome::Refuse(reason),
                    ..ruling
                };
                let facts = Some(facts);
                return Err(Box::new(Denied { facts, ruling }));
            }
        };
        let wanted = Wanted {
            stream_id,
            passage,
            relayed,
            stream,
            query: query_beyond(&facts.requested, &ruling),
            offers: self.offers.clone(),
        };
        Ok(Admitted {
            wanted,
            facts,
            ruling,
            held: Vec::new(),
        })
    }

    fn with_stream(
        &self,
        facts: Facts,
        name: &str,
        action: Action,
        door: &Door<'_>,
    ) -> Result<Facts, Reason> {
        let requested = Requested::parse(&self.app, Some(name)).map_err(|error| match error {
            AddressError::NoApplication => Reason::NoApplication,
            AddressError::Scheme(_)
            | AddressError::Host(_)
            | AddressError::Port(_)
            | AddressError::UserInfo
            | AddressError::Trailing(_)
            | AddressError::TooManyPrefixes
            | AddressError::Path(_)
            | AddressError::Name(_) => Reason::BadAddress,
        })?;
        let proof = match facts.proof {
            Proof::None => proof_in(&requested),
            known @ (Proof::StreamPassword { .. }
            | Proof::WrongStreamPassword
            | Proof::PlayToken { .. }) => known,
        };
        Ok(Facts {
            at_ms: door.at_ms,
            action: Some(action),
            requested,
            proof,
            ..facts
        })
    }

    /// `onStatus` with the reason and the decision's id, then a close; a client that has other
    /// streams keeps those.
    pub(super) fn refuse_stream(
        &mut self,
        (stream_id, action): (u32, Action),
        Denied { facts, ruling }: Denied,
        door: &Door<'_>,
    ) {
        let (reason, extra) = match ruling.outcome {
            Outcome::Redirect(edge) => match self.address_of(door, edge) {
                Some(to) => {
                    let redirect = format!("{to}/{}", self.app);
                    let extra = vec![("redirect".to_owned(), redirect.into())];
                    (Reason::Redirected, extra)
                }
                None => (Reason::WrongEdge, Vec::new()),
            },
            Outcome::Refuse(reason) => (reason, Vec::new()),
            Outcome::Admit(_)
            | Outcome::Relay(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone => (Reason::IdentityRequired, Vec::new()),
        };
        let says = ruling.says(reason);
        self.wire
            .status(stream_id, "error", failed(action), &says, extra);
        if !self.active.is_empty() {
            self.refuse_beside(Refused {
                facts,
                ruling,
                reason,
            });
            return;
        }
        if facts.is_some() {
            self.facts = facts.map(Arc::new);
        }
        let detail = ruling.detail.clone();
        self.ruling = Some(ruling.into());
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Refused, reason, detail);
    }

    /// A stream was refused while others go on, as often as a client in good faith needs it.
    fn refuse_beside(&mut self, refused: Refused) {
        self.flush();
        self.outputs.push_back(Output::Refused(Box::new(refused)));
        self.refusals += 1;
        if self.refusals > MAX_REFUSALS {
            let detail = format!("more than {MAX_REFUSALS} streams were refused to it");
            self.tell_all(Reason::ProtocolFault);
            self.close(Ending::Ended, Reason::ProtocolFault, Some(detail));
        }
    }

    /// What the client does on a message stream.
    pub(super) fn at(&self, stream_id: u32) -> Option<&Active> {
        self.active.iter().find(|one| one.stream_id == stream_id)
    }

    pub(super) fn remove(&mut self, stream_id: u32) -> Option<Active> {
        let place = self
            .active
            .iter()
            .position(|one| one.stream_id == stream_id)?;
        let removed = self.active.remove(place);
        self.describe_newest();
        Some(removed)
    }

    /// One stream is gone: the record tells of what goes on.
    pub(super) fn describe_newest(&mut self) {
        if let Some(newest) = self.active.last() {
            self.facts = Some(Arc::clone(&newest.facts));
            self.ruling = Some(Arc::clone(&newest.ruling));
            self.outputs.push_back(Output::Changed);
        }
    }

    /// The client leaves what it did on a message stream.
    pub(super) fn leave(&mut self, stream_id: u32) {
        if let Some(active) = self.remove(stream_id) {
            let ends = self.ended(&active);
            self.outputs.push_back(ends);
        }
    }

    /// The client is done publishing a stream, which it names; some name another by mistake, which
    /// does not matter to one that publishes only one.
    pub(super) fn unpublish(&mut self, name: &str) {
        let publishes = |active: &&Active| matches!(active.kind, Kind::Publish);
        let mut all = self.active.iter().filter(publishes);
        let named = all.clone().find(|active| active.name == name);
        let only = all.next().filter(|_| all.next().is_none());
        if let Some(stream_id) = named.or(only).map(|active| active.stream_id) {
            self.leave(stream_id);
        }
    }

    pub(super) fn pause(&mut self, stream_id: u32, paused: bool, position_ms: u32) {
        if !self.plays_on(stream_id) {
            return;
        }
        let (code, text) = if paused {
            ("NetStream.Pause.Notify", "Paused.")
        } else {
            ("NetStream.Unpause.Notify", "Playing again.")
        };
        self.wire
            .status(stream_id, "status", code, text, Vec::new());
        self.flush();
        let wish = PlayerWish::Pause {
            paused,
            position_ms,
        };
        self.wish(stream_id, wish);
    }

    pub(super) fn wish(&mut self, stream_id: u32, wish: PlayerWish) {
        if self.plays_on(stream_id) {
            self.outputs.push_back(Output::Player { stream_id, wish });
        }
    }

    fn plays_on(&self, stream_id: u32) -> bool {
        let at = self.at(stream_id);
        at.is_some_and(|active| matches!(active.kind, Kind::Play { .. }))
    }
}

fn failed(action: Action) -> &'static str {
    match action {
        Action::Play => PLAY_FAILED,
        Action::Publish => PUBLISH_FAILED,
    }
}
