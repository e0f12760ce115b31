//! `publish` and `play`: the second ruling, with the stream known, and what the client does with it.

use contract::address::{AddressError, Requested};
use contract::facts::{Action, Facts, Proof};
use contract::reason::Reason;
use contract::token::{TOKEN_PARAMETER, is_play_token};
use rtmp::server::{Play, Publish};

use super::connect::{edge_address, token_of};
use super::telling::{PLAY_FAILED, PUBLISH_FAILED};
use super::{Active, Ending, Kind, Output, Part, PlayerWish, Session, Wanted, judged};
use crate::admission::{self, Door, Outcome, Ruling};

/// A stream that the client was let in to, and how that was judged.
struct Admitted {
    wanted: Wanted,
    facts: Facts,
    ruling: Ruling,
}

/// A stream that the client was not let in to, as far as it could be read.
struct Denied {
    facts: Option<Facts>,
    ruling: Ruling,
}

impl Session {
    pub(super) fn publish(&mut self, publish: &Publish, door: &Door<'_>) {
        let at = (publish.stream_id, Action::Publish);
        let Some(wanted) = self.begin_stream(at, &publish.name, Kind::Publish, door) else {
            return;
        };
        self.outputs
            .push_back(Output::Publish(Box::new(wanted), publish.kind));
    }

    pub(super) fn play(&mut self, play: &Play, door: &Door<'_>) {
        // A player may go on to another stream on the same message stream.
        self.leave(play.stream_id);
        let kind = Kind::Play {
            reset: play.reset,
            started: false,
        };
        let at = (play.stream_id, Action::Play);
        let Some(wanted) = self.begin_stream(at, &play.name, kind, door) else {
            return;
        };
        let part = Part {
            from: play.from(),
            duration_ms: (play.duration >= 0.0).then_some(play.duration as u32),
            reset: play.reset,
        };
        self.outputs
            .push_back(Output::Subscribe(Box::new(wanted), part));
    }

    /// Judges what the client wants to do; `None` when it was refused.
    fn begin_stream(
        &mut self,
        (stream_id, action): (u32, Action),
        name: &str,
        kind: Kind,
        door: &Door<'_>,
    ) -> Option<Wanted> {
        let Admitted {
            wanted,
            facts,
            ruling,
        } = match self.judge_stream((stream_id, action), name, door) {
            Ok(admitted) => admitted,
            Err(denied) => {
                self.refuse_stream((stream_id, action), *denied, door);
                return None;
            }
        };
        self.facts = Some(facts.clone());
        self.ruling = Some(ruling.clone());
        self.admit();
        self.active.push(Active {
            stream_id,
            name: name.to_owned(),
            kind,
            facts,
            ruling,
        });
        Some(wanted)
    }

    /// Says how long a stream is, if the client may play it and somebody knows.
    pub(super) fn ask_length(&mut self, transaction: f64, name: &str, door: &Door<'_>) {
        // Who may not is told so when it plays.
        if let Ok(admitted) = self.judge_stream((0, Action::Play), name, door) {
            self.outputs.push_back(Output::Length {
                transaction,
                wanted: Box::new(admitted.wanted),
            });
        }
    }

    /// Whether the client may do this; where not, how that was judged.
    fn judge_stream(
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
        let Some(facts) = self.connected.clone() else {
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
        let Some(stream) = facts.requested.stream.clone() else {
            let ruling = Ruling {
                outcome: Outcome::Refuse(Reason::BadAddress),
                ..ruling
            };
            let facts = Some(facts);
            return Err(Box::new(Denied { facts, ruling }));
        };
        let wanted = Wanted {
            stream_id,
            passage,
            relayed,
            stream,
            query: query_for_server(&facts.requested, &ruling),
            offers: self.offers.clone(),
        };
        Ok(Admitted {
            wanted,
            facts,
            ruling,
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

    /// `onStatus` with the reason and the decision's id, then a close; a client that has other
    /// streams keeps those.
    fn refuse_stream(
        &mut self,
        (stream_id, action): (u32, Action),
        Denied { facts, ruling }: Denied,
        door: &Door<'_>,
    ) {
        let (reason, extra) = match ruling.outcome {
            Outcome::Redirect(edge) => match edge_address(door, edge) {
                Some(to) => {
                    let redirect = format!("rtmp://{to}/{}", self.app);
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
            self.flush();
            return;
        }
        if facts.is_some() {
            self.facts = facts;
        }
        let detail = ruling.detail.clone();
        self.ruling = Some(ruling);
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Refused, reason, detail);
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
            self.facts = Some(newest.facts.clone());
            self.ruling = Some(newest.ruling.clone());
            self.outputs.push_back(Output::Changed);
        }
    }

    /// The client leaves what it did on a message stream.
    pub(super) fn leave(&mut self, stream_id: u32) {
        if let Some(active) = self.remove(stream_id) {
            self.outputs.push_back(judged::ended(&active));
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

/// The query without the token that was for this edge: one of the fleet's own, or one that says who
/// the client is. Any other is between the client and the application.
fn query_for_server(requested: &Requested, ruling: &Ruling) -> Option<String> {
    let is_ours = |pair: &&str| {
        pair.split_once('=').is_some_and(|(name, value)| {
            name == TOKEN_PARAMETER && (ruling.token.is_some() || is_play_token(value))
        })
    };
    let query = requested.query.as_deref()?;
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}
