//! `publish` and `play`: the second ruling, with the stream known, and how streams begin and end.

use contract::address::{AddressError, Requested};
use contract::facts::{Action, Facts, Proof};
use contract::reason::Reason;
use contract::token::TOKEN_PARAMETER;
use rtmp::server::{Play, Publish};

use super::connect::{edge_address, token_of};
use super::{Active, Ending, Kind, Output, PlayerWish, Session, Wanted};
use crate::admission::{self, Door, Outcome, Ruling};

const PLAY_FAILED: &str = "NetStream.Play.Failed";
const PLAY_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
const PUBLISH_FAILED: &str = "NetStream.Publish.BadName";
const CLOSED: &str = "NetConnection.Connect.Closed";

impl Session {
    pub(super) fn publish(&mut self, publish: &Publish, door: &Door<'_>) {
        let at = (publish.stream_id, Action::Publish);
        let Some(wanted) = self.admit_stream(at, &publish.name, door) else {
            return;
        };
        self.active = Some(Active {
            stream_id: publish.stream_id,
            name: publish.name.clone(),
            kind: Kind::Publish,
        });
        self.outputs
            .push_back(Output::Publish(Box::new(wanted), publish.kind));
    }

    pub(super) fn play(&mut self, play: &Play, door: &Door<'_>) {
        // A player may go on to another stream on the same message stream.
        self.leave(play.stream_id);
        let at = (play.stream_id, Action::Play);
        let Some(wanted) = self.admit_stream(at, &play.name, door) else {
            return;
        };
        self.active = Some(Active {
            stream_id: play.stream_id,
            name: play.name.clone(),
            kind: Kind::Play {
                reset: play.reset,
                started: false,
            },
        });
        self.outputs.push_back(Output::Subscribe(Box::new(wanted)));
    }

    /// Judges what the client wants to do; `None` when it was refused.
    fn admit_stream(
        &mut self,
        (stream_id, action): (u32, Action),
        name: &str,
        door: &Door<'_>,
    ) -> Option<Wanted> {
        let facts = self.facts.clone()?;
        if self.active.is_some() {
            // One stream at a time: who asks for a second one is told, and keeps the first.
            let ruling = admission::refused(Reason::LimitReached);
            let says = ruling.says(Reason::LimitReached);
            let code = failed(action);
            self.wire
                .status(stream_id, "error", code, &says, Vec::new());
            self.flush();
            return None;
        }
        let facts = match self.with_stream(facts, name, action, door) {
            Ok(facts) => facts,
            Err(reason) => {
                self.refuse_stream(stream_id, action, admission::refused(reason), reason);
                return None;
            }
        };
        let ruling = admission::judge(door, &facts);
        let stream = facts.requested.stream.clone();
        let query = query_for_server(&facts.requested);
        self.facts = Some(facts);
        let (passage, relayed) = match ruling.outcome.clone() {
            Outcome::Admit(passage) => (passage, false),
            Outcome::Relay(passage) => (passage, true),
            Outcome::Refuse(reason) => {
                self.refuse_stream(stream_id, action, ruling, reason);
                return None;
            }
            Outcome::Redirect(edge) => {
                let to = edge_address(door, edge);
                self.redirect_stream(stream_id, action, ruling, to);
                return None;
            }
            Outcome::Challenge { .. } | Outcome::Postpone => {
                let reason = Reason::IdentityRequired;
                self.refuse_stream(stream_id, action, ruling, reason);
                return None;
            }
        };
        let Some(stream) = stream else {
            self.refuse_stream(stream_id, action, ruling, Reason::BadAddress);
            return None;
        };
        self.ruling = Some(ruling);
        self.admit();
        Some(Wanted {
            stream_id,
            passage,
            relayed,
            stream,
            query,
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
            Proof::None => token_of(&requested),
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

    /// `onStatus` with the reason and the decision's id, then a close.
    fn refuse_stream(&mut self, stream_id: u32, action: Action, ruling: Ruling, reason: Reason) {
        let says = ruling.says(reason);
        self.ruling = Some(ruling);
        self.wire
            .status(stream_id, "error", failed(action), &says, Vec::new());
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Refused, reason, None);
    }

    fn redirect_stream(
        &mut self,
        stream_id: u32,
        action: Action,
        ruling: Ruling,
        to: Option<String>,
    ) {
        let Some(to) = to else {
            self.refuse_stream(stream_id, action, ruling, Reason::WrongEdge);
            return;
        };
        let says = ruling.says(Reason::Redirected);
        let redirect = format!("rtmp://{to}/{}", self.app);
        let extra = vec![("redirect".to_owned(), redirect.into())];
        self.ruling = Some(ruling);
        self.wire
            .status(stream_id, "error", failed(action), &says, extra);
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Refused, Reason::Redirected, None);
    }

    /// The stream is there: the player is told so, and media may follow.
    pub fn play_started(&mut self) {
        let Some(active) = &mut self.active else {
            return;
        };
        if let Kind::Play { reset, started } = &mut active.kind {
            *started = true;
            let (id, reset) = (active.stream_id, *reset);
            self.wire.start_play(id, &active.name, reset, false);
        }
        self.flush();
    }

    /// The stream cannot be had: the player is told why, then closed.
    pub fn play_failed(&mut self, reason: Reason) {
        self.fail(reason);
    }

    /// The stream was taken: the publisher may go on.
    pub fn publish_started(&mut self) {
        if let Some(active) = &self.active {
            self.wire.accept_publish(active.stream_id);
        }
        self.flush();
    }

    /// The stream was not taken: the publisher is told why, then closed.
    pub fn publish_failed(&mut self, reason: Reason) {
        self.fail(reason);
    }

    fn fail(&mut self, reason: Reason) {
        let Some(active) = self.active.take() else {
            return;
        };
        let code = match active.kind {
            Kind::Publish => PUBLISH_FAILED,
            Kind::Play { .. } if reason == Reason::StreamNotFound => PLAY_NOT_FOUND,
            Kind::Play { .. } => PLAY_FAILED,
        };
        let says = self.says(reason);
        self.wire
            .status(active.stream_id, "error", code, &says, Vec::new());
        self.close(Ending::Ended, reason, None);
    }

    fn says(&self, reason: Reason) -> String {
        // To a client that names the destination itself, "not reachable" looks like "not listed"; the
        // record keeps what was so.
        let wrapped = self
            .facts
            .as_ref()
            .is_some_and(|facts| facts.requested.is_wrapped());
        let unreachable = matches!(reason, Reason::OriginUnreachable | Reason::OriginRefused);
        let reason = if wrapped && unreachable {
            Reason::Destination
        } else {
            reason
        };
        match &self.ruling {
            Some(ruling) => ruling.says(reason),
            None => reason.sentence().to_owned(),
        }
    }

    /// Tells the client that its session ends, in the way that fits what it does.
    pub(super) fn tell_end(&mut self, reason: Reason) {
        if self.closing || !self.wire.is_accepted() {
            return;
        }
        let says = self.says(reason);
        match self.active.take() {
            None => self.wire.status(0, "error", CLOSED, &says, Vec::new()),
            Some(Active {
                stream_id,
                name,
                kind: Kind::Play { started: true, .. },
            }) if reason == Reason::StreamEnded => {
                self.wire.unpublish_notify(stream_id, &name);
                self.wire.stream_eof(stream_id);
            }
            Some(Active {
                stream_id,
                kind: Kind::Play { .. },
                ..
            }) => self
                .wire
                .status(stream_id, "error", PLAY_FAILED, &says, Vec::new()),
            Some(Active {
                stream_id,
                kind: Kind::Publish,
                ..
            }) => self
                .wire
                .status(stream_id, "error", PUBLISH_FAILED, &says, Vec::new()),
        }
        self.flush();
    }

    /// The client leaves what it did on a message stream.
    pub(super) fn leave(&mut self, stream_id: u32) {
        let Some(active) = self.active.take_if(|active| active.stream_id == stream_id) else {
            return;
        };
        self.outputs.push_back(match active.kind {
            Kind::Play { .. } => Output::Unsubscribe,
            Kind::Publish => Output::Unpublish,
        });
    }

    pub(super) fn pause(&mut self, stream_id: u32, paused: bool) {
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
        self.wish(stream_id, PlayerWish::Pause(paused));
    }

    pub(super) fn wish(&mut self, stream_id: u32, wish: PlayerWish) {
        if self.plays_on(stream_id) {
            self.outputs.push_back(Output::Player(wish));
        }
    }

    fn plays_on(&self, stream_id: u32) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.stream_id == stream_id && matches!(active.kind, Kind::Play { .. })
        })
    }
}

fn failed(action: Action) -> &'static str {
    match action {
        Action::Play => PLAY_FAILED,
        Action::Publish => PUBLISH_FAILED,
    }
}

/// The query without the token: that was for this edge.
fn query_for_server(requested: &Requested) -> Option<String> {
    let kept: Vec<&str> = requested
        .query
        .as_deref()?
        .split('&')
        .filter(|pair| pair.split('=').next() != Some(TOKEN_PARAMETER))
        .collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}
