//! Admission as the edge does it: `contract::admit` with what an edge adds — an id to each
//! decision, the sign-in exchange of RTMP encoders, and the way onward.
//!
//! Settings, facts and the time go in, a [`Ruling`] comes out. Without settings everything is
//! refused. It does not know sockets or sessions, and dials nothing.

pub mod adobe;
pub mod limits;
pub mod webhook;

use contract::admit::{self, Decision, Passage, Verdict};
use contract::directory::Directory;
use contract::facts::Facts;
use contract::id::{AssignmentId, ClientId, DecisionId, EdgeId, RouteId, RuleId};
use contract::reason::Reason;
use contract::report::SessionRecord;
use contract::route::{IdentityKind, RouteAction, RouteKind, StreamMode};
use contract::snapshot::Snapshot;
use contract::token::TokenUse;

use crate::limit::Gate;

/// By what is judged, and when.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The settings in force; `None` before the first ones.
    pub snapshot: Option<&'a Snapshot>,
    /// Clients and assignments.
    pub directory: &'a Directory,
    /// Now, in Unix milliseconds.
    pub at_ms: u64,
    /// What is counted for limits; `None` where only a judgment is wanted.
    pub limits: Option<Gate<'a>>,
}

/// What was decided on a connection, under an id by which it can be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Its id.
    pub id: DecisionId,
    /// What becomes of the connection.
    pub outcome: Outcome,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// Who the client is.
    pub client: Option<ClientId>,
    /// The rule that decided.
    pub rule: Option<RuleId>,
    /// The assignment that governs.
    pub assignment: Option<AssignmentId>,
    /// The play token that identifies it.
    pub token: Option<TokenUse>,
    /// Why it is refused, where more is known than the reason says: for the record, without secrets.
    pub detail: Option<String>,
    /// What of that the client is told.
    pub told: Option<String>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is served here.
    Admit(Passage),
    /// It is let in and carried to the edge where it belongs.
    Relay(Passage),
    /// It is told to go to this edge.
    Redirect(EdgeId),
    /// It is asked for its stream password.
    Challenge {
        /// A play token would do as well, and may still come with the stream's name.
        or_token: bool,
    },
    /// Nothing can be said before the stream and the action are known.
    Postpone,
    /// It is refused.
    Refuse(Reason),
}

impl Ruling {
    /// What a client is told with a refusal: why, and under which id to look it up.
    #[must_use]
    pub fn says(&self, reason: Reason) -> String {
        match &self.told {
            Some(told) => format!("{}: {told} ({})", reason.sentence(), self.id),
            None => format!("{} ({})", reason.sentence(), self.id),
        }
    }

    /// Writes what was decided into a session's record.
    pub fn describe(&self, record: &mut SessionRecord) {
        record.decision = Some(self.id);
        record.route = self.route;
        record.client = self.client;
        record.rule = self.rule;
        record.assignment = self.assignment;
    }
}

/// Judges a connection.
#[must_use]
pub fn judge(door: &Door<'_>, facts: &Facts) -> Ruling {
    let Some(snapshot) = door.snapshot else {
        return refused(Reason::NoSettings);
    };
    let decision = admit::judge(snapshot, door.directory, facts);
    let outcome = outcome(door, snapshot, facts, &decision);
    Ruling {
        id: DecisionId::new(),
        route: decision.route,
        client: decision.client,
        rule: decision.rule,
        assignment: decision.assignment,
        detail: match &outcome {
            Outcome::Refuse(_) => decision.because().map(str::to_owned),
            Outcome::Admit(_)
            | Outcome::Relay(_)
            | Outcome::Redirect(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone => None,
        },
        told: None,
        token: decision.token,
        outcome,
    }
}

/// A refusal for a reason that no rule was asked about.
#[must_use]
pub fn refused(reason: Reason) -> Ruling {
    Ruling {
        id: DecisionId::new(),
        outcome: Outcome::Refuse(reason),
        route: None,
        client: None,
        rule: None,
        assignment: None,
        token: None,
        detail: None,
        told: None,
    }
}

fn outcome(door: &Door<'_>, snapshot: &Snapshot, facts: &Facts, decision: &Decision) -> Outcome {
    match &decision.verdict {
        Verdict::Admit(passage) => Outcome::Admit(passage.clone()),
        Verdict::Relay(passage) => Outcome::Relay(passage.clone()),
        Verdict::Redirect(edge) => Outcome::Redirect(*edge),
        Verdict::Challenge(kinds) => {
            // A token may still come with the stream's name, a password only with `connect`.
            let password = kinds.contains(&IdentityKind::StreamPassword);
            // It is too late then for a tunnel, which is dialed at `connect`.
            let or_token =
                kinds.contains(&IdentityKind::PlayToken) && !is_tunnel(snapshot, decision);
            match facts.action {
                None if password => Outcome::Challenge { or_token },
                None if or_token => Outcome::Postpone,
                None | Some(_) => Outcome::Refuse(Reason::IdentityRequired),
            }
        }
        Verdict::Postpone if decision.route.is_none() && asks_password(door, snapshot, facts) => {
            Outcome::Challenge { or_token: false }
        }
        Verdict::Postpone => match facts.action {
            None => Outcome::Postpone,
            // All is known by now; what still cannot be judged is not let in.
            Some(_) => Outcome::Refuse(Reason::NoApplication),
        },
        // A listed destination that cannot be reached is known only when a stream is asked for. One that
        // is not listed is refused at the same place, or `connect` would tell the two apart.
        Verdict::Refuse(Reason::Destination) if facts.action.is_none() => Outcome::Postpone,
        Verdict::Refuse(reason) => Outcome::Refuse(*reason),
    }
}

fn is_tunnel(snapshot: &Snapshot, decision: &Decision) -> bool {
    let mut routes = snapshot.routes.iter();
    routes.any(|route| Some(route.id) == decision.route && route.mode == StreamMode::Tunnel)
}

/// Whether a client whose wrapped address is not complete at `connect` must be asked for its stream
/// password now, because every explicit route that it may come to asks for it and `connect` is the
/// only place where encoders answer.
fn asks_password(door: &Door<'_>, snapshot: &Snapshot, facts: &Facts) -> bool {
    if facts.action.is_some() || facts.hop.is_some() || facts.proof != Default::default() {
        return false;
    }
    let known = door.directory.client_by_addr(facts.addr).is_some();
    let mut routes = snapshot
        .routes
        .iter()
        .filter(|route| {
            route.enabled
                && route.kind == RouteKind::Explicit
                && route.action == RouteAction::Serve
                && route.plane == facts.ingress.plane()
                && route.host.matches_host(&facts.host)
                && route.port.is_none_or(|port| port == facts.port)
        })
        .peekable();
    routes.peek().is_some()
        && routes.all(|route| {
            let asks = |kind| route.identity.contains(&kind);
            asks(IdentityKind::StreamPassword)
                && !asks(IdentityKind::PlayToken)
                && !(known && asks(IdentityKind::Network))
        })
}

#[cfg(test)]
pub(crate) mod fixture;
