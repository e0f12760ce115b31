//! Admission: whether a connection may come in, and where it goes. Route, identity, rules,
//! assignment, in that order, from settings and facts alone.
//!
//! The edge asks it at `connect`, again at `play` or `publish`, and again for live sessions when
//! settings change; the console's tester and "why this edge?" ask the very same function.

mod identity;

use serde::Serialize;

use crate::assignment::{Elsewhere, Placement, Target, rendezvous};
use crate::directory::Directory;
use crate::facts::Facts;
use crate::hop::MAX_HOPS;
use crate::id::{AssignmentId, ClientId, EdgeId, RouteId, RuleId};
use crate::name::AppName;
use crate::reason::Reason;
use crate::route::{IdentityKind, Route, RouteAction, StreamMode};
use crate::routing::{self, NextHop, Routed, Routing};
use crate::rule::{self, Effect, Ruling};
use crate::snapshot::{EdgeState, Snapshot};
use crate::token::TokenUse;
use identity::{Identity, Wrong};

/// What becomes of a connection, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// Who the client is.
    pub client: Option<ClientId>,
    /// The rule that decided, or that postponed.
    pub rule: Option<RuleId>,
    /// The assignment that governs.
    pub assignment: Option<AssignmentId>,
    /// The play token that identifies it: its sessions are counted by this name.
    pub token: Option<TokenUse>,
    /// What each stage said, in order.
    pub trace: Vec<Step>,
}

impl Decision {
    /// Why a client is refused, where the last stage knows more than the reason says.
    #[must_use]
    pub fn because(&self) -> Option<&str> {
        match (&self.verdict, self.trace.last()) {
            (Verdict::Refuse(reason), Some(last)) if last.said != reason.sentence() => {
                Some(&last.said)
            }
            (_, _) => None,
        }
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is served here.
    Admit(Passage),
    /// It is let in and carried to the edge where it belongs: `next` names that edge.
    Relay(Passage),
    /// It is told to go to this edge, and follows.
    Redirect(EdgeId),
    /// It must first prove who it is, by one of these.
    Challenge(Vec<IdentityKind>),
    /// Nothing can be said before the stream and action are known. Nothing is dialed meanwhile.
    Postpone,
    /// It is refused.
    Refuse(Reason),
}

/// The way to the stream or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The route.
    pub route: RouteId,
    /// Whom to ask, in order.
    pub next: Vec<NextHop>,
    /// The application to ask for; for HTTP the whole decoded path without its first slash (`/` for
    /// the root), to be escaped again.
    pub app: AppName,
}

/// What one stage of admission said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which stage.
    pub stage: Stage,
    /// What it said, as a sentence without a full stop.
    pub said: String,
    /// The record that it is about, by id.
    pub subject: Option<String>,
}

/// The stages of admission, in their fixed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Which route matches.
    Route,
    /// Who it is.
    Identity,
    /// What the rules say.
    Rules,
    /// Where it belongs.
    Assignment,
}

/// Judges a connection.
#[must_use]
pub fn judge(snapshot: &Snapshot, directory: &Directory, facts: &Facts) -> Decision {
    let mut judgment = Judgment::new(snapshot, directory, facts.clone());
    let verdict = judgment.verdict().unwrap_or_else(|verdict| verdict);
    let Judgment { mut decision, .. } = judgment;
    decision.verdict = verdict;
    decision
}

/// Where a connection should be served, its client being known by now.
#[must_use]
pub fn place(snapshot: &Snapshot, directory: &Directory, facts: &Facts) -> Placement {
    let Some(assignment) = directory.governing(facts) else {
        return Placement::Here(None);
    };
    let can_take = |edge: EdgeId| {
        snapshot
            .neighbor(edge)
            .is_some_and(|edge| edge.state == EdgeState::Active)
    };
    let edge = match assignment.target {
        Target::Edge { edge } if edge == snapshot.edge => {
            return Placement::Here(Some(assignment.id));
        }
        Target::Edge { edge } => can_take(edge).then_some(edge),
        Target::Cluster { cluster } if cluster == snapshot.cluster => {
            return Placement::Here(Some(assignment.id));
        }
        Target::Cluster { cluster } => {
            let edges = snapshot
                .edges
                .iter()
                .filter(|edge| edge.cluster == cluster && can_take(edge.id));
            rendezvous(&placement_key(facts), edges.map(|edge| edge.id))
                .first()
                .copied()
        }
    };
    Placement::Elsewhere {
        assignment: assignment.id,
        edge,
        policy: assignment.elsewhere,
    }
}

/// A known client stays together; of unknown ones each address does.
fn placement_key(facts: &Facts) -> Vec<u8> {
    match facts.client {
        Some(client) => client.bits().to_be_bytes().to_vec(),
        None => facts.addr.to_string().into_bytes(),
    }
}

/// One judgment under way. Each stage returns `Err` with the verdict when it ends the matter.
struct Judgment<'s> {
    snapshot: &'s Snapshot,
    directory: &'s Directory,
    facts: Facts,
    decision: Decision,
}

impl<'s> Judgment<'s> {
    fn new(snapshot: &'s Snapshot, directory: &'s Directory, facts: Facts) -> Self {
        let decision = Decision {
            verdict: Verdict::Postpone,
            route: None,
            client: None,
            rule: None,
            assignment: None,
            token: None,
            trace: Vec::new(),
        };
        Self {
            snapshot,
            directory,
            facts,
            decision,
        }
    }

    fn say(&mut self, stage: Stage, subject: Option<String>, said: impl Into<String>) {
        self.decision.trace.push(Step {
            stage,
            said: said.into(),
            subject,
        });
    }

    fn verdict(&mut self) -> Result<Verdict, Verdict> {
        let routed = self.route()?;
        if self.facts.hop.is_some() {
            return Ok(self.carried(&routed));
        }
        self.identify(routed.route)?;
        self.rules(routed.route)?;
        self.assign(routed)
    }

    fn route(&mut self) -> Result<Routed<'s>, Verdict> {
        self.chain()?;
        match routing::route(self.snapshot, &self.facts) {
            Routing::Routed(routed) => {
                self.decision.route = Some(routed.route.id);
                let said = format!("the route {} matches", routed.route.name);
                self.say(Stage::Route, Some(routed.route.id.to_string()), said);
                match routed.route.action {
                    RouteAction::Serve => Ok(routed),
                    RouteAction::Reject => Err(Verdict::Refuse(Reason::RouteRejects)),
                }
            }
            Routing::NotYet => {
                self.say(
                    Stage::Route,
                    None,
                    "the wrapped address is not complete yet",
                );
                Err(Verdict::Postpone)
            }
            Routing::Refused(reason) => {
                self.say(Stage::Route, None, reason.sentence());
                Err(Verdict::Refuse(reason))
            }
        }
    }

    fn chain(&mut self) -> Result<(), Verdict> {
        let Some(hop) = &self.facts.hop else {
            return Ok(());
        };
        let reason = if hop.edges.contains(&self.snapshot.edge) {
            Reason::Loop
        } else if hop.edges.len() >= MAX_HOPS {
            Reason::TooManyHops
        } else {
            return Ok(());
        };
        self.say(Stage::Route, None, reason.sentence());
        Err(Verdict::Refuse(reason))
    }

    /// Another of our edges has admitted the client and vouches for it.
    fn carried(&mut self, routed: &Routed<'_>) -> Verdict {
        let first = self
            .facts
            .hop
            .as_ref()
            .and_then(|hop| hop.edges.first())
            .map(ToString::to_string);
        self.decision.client = self.facts.hop.as_ref().and_then(|hop| hop.client);
        self.say(
            Stage::Identity,
            first,
            "another edge of the fleet has admitted the client",
        );
        self.passage(routed, routed.next.clone(), routed.app.clone())
    }

    fn identify(&mut self, route: &Route) -> Result<(), Verdict> {
        let proven = match identity::identify(self.snapshot, self.directory, &self.facts, route) {
            Ok(proven) => proven,
            Err(Wrong { reason, because }) => {
                self.say(Stage::Identity, None, because);
                return Err(Verdict::Refuse(reason));
            }
        };
        self.decision.token = proven.token().cloned();
        if let Some(client) = proven.client() {
            self.facts.client = Some(client.id);
            self.facts.groups.clone_from(&client.groups);
            self.decision.client = Some(client.id);
            let said = format!("the client is {}, known {}", client.name, proven.how());
            self.say(Stage::Identity, Some(client.id.to_string()), said);
            if !client.enabled {
                return Err(Verdict::Refuse(Reason::ClientDisabled));
            }
        } else {
            self.say(Stage::Identity, None, proven.how());
        }
        if route.identity.is_empty()
            || proven
                .kind()
                .is_some_and(|kind| route.identity.contains(&kind))
        {
            return Ok(());
        }
        self.say(
            Stage::Identity,
            Some(route.id.to_string()),
            Reason::IdentityRequired.sentence(),
        );
        match proven {
            Identity::Unknown | Identity::Network(_) => {
                Err(Verdict::Challenge(route.identity.clone()))
            }
            Identity::StreamPassword(_) | Identity::PlayToken(_, _) => {
                Err(Verdict::Refuse(Reason::IdentityRequired))
            }
        }
    }

    fn rules(&mut self, route: &Route) -> Result<(), Verdict> {
        // A tunnel is dialed at `connect`, and nothing is dialed undecided.
        let decides_now = route.mode == StreamMode::Tunnel && self.facts.action.is_none();
        let decide = if decides_now {
            rule::decide_now
        } else {
            rule::decide
        };
        match decide(&self.snapshot.rules, route.default_effect, &self.facts) {
            Ruling::Rule(id, effect) => {
                self.decision.rule = Some(id);
                let said = format!(
                    "the rule {} decides: {}",
                    self.rule_name(id),
                    effect.as_str()
                );
                self.say(Stage::Rules, Some(id.to_string()), said);
                match effect {
                    Effect::Allow => Ok(()),
                    Effect::Deny => Err(Verdict::Refuse(Reason::DeniedByRule)),
                }
            }
            Ruling::Default(effect) => {
                let said = format!(
                    "no rule holds; the default of the route is to {}",
                    effect.as_str()
                );
                self.say(Stage::Rules, Some(route.id.to_string()), said);
                match effect {
                    Effect::Allow => Ok(()),
                    Effect::Deny => Err(Verdict::Refuse(Reason::DeniedByDefault)),
                }
            }
            Ruling::Postponed(id) => {
                self.decision.rule = Some(id);
                let said = format!(
                    "the rule {} asks for what is not known yet",
                    self.rule_name(id)
                );
                self.say(Stage::Rules, Some(id.to_string()), said);
                Err(Verdict::Postpone)
            }
        }
    }

    fn rule_name(&self, id: RuleId) -> String {
        let rule = self.snapshot.rules.iter().find(|rule| rule.id == id);
        rule.map_or_else(|| id.to_string(), |rule| rule.name.to_string())
    }

    fn assign(&mut self, routed: Routed<'_>) -> Result<Verdict, Verdict> {
        let (assignment, edge, policy) = match place(self.snapshot, self.directory, &self.facts) {
            Placement::Here(assignment) => {
                self.decision.assignment = assignment;
                let said = match assignment {
                    Some(_) => "the client belongs here",
                    None => "no assignment governs this client: it is served where it comes",
                };
                self.say(Stage::Assignment, assignment.map(|id| id.to_string()), said);
                return Ok(self.passage(&routed, routed.next.clone(), routed.app.clone()));
            }
            Placement::Elsewhere {
                assignment,
                edge,
                policy,
            } => (assignment, edge, policy),
        };
        self.decision.assignment = Some(assignment);
        let name = edge
            .and_then(|edge| self.snapshot.neighbor(edge))
            .map(|edge| edge.name.to_string());
        let said = match &name {
            Some(name) => format!("the client belongs to {name}: {}", policy.as_str()),
            None => "the client belongs to an edge that is not up".to_owned(),
        };
        self.say(Stage::Assignment, Some(assignment.to_string()), said);
        let Some(edge) = edge else {
            return Err(Verdict::Refuse(Reason::WrongEdge));
        };
        match policy {
            Elsewhere::Refuse => Err(Verdict::Refuse(Reason::WrongEdge)),
            Elsewhere::Redirect if self.facts.follows_redirect() => Err(Verdict::Redirect(edge)),
            Elsewhere::Redirect | Elsewhere::Relay => self.relay(&routed, edge),
        }
    }

    /// The other edge is asked for what the client asked for, not for what this one would have
    /// asked the origin for: it has routes of its own.
    fn relay(&mut self, routed: &Routed<'_>, edge: EdgeId) -> Result<Verdict, Verdict> {
        let requested = &self.facts.requested;
        let wrapped: String = requested
            .hops
            .iter()
            .map(|hop| format!("?{hop}/"))
            .collect();
        let app = requested
            .resource(self.facts.ingress.plane())
            .unwrap_or_default();
        match AppName::of_path(&format!("{wrapped}{app}")) {
            Ok(app) => {
                let passage = Passage {
                    route: routed.route.id,
                    next: vec![NextHop::Edge(edge)],
                    app,
                };
                Ok(Verdict::Relay(passage))
            }
            Err(_) => Err(Verdict::Refuse(Reason::BadAddress)),
        }
    }

    fn passage(&self, routed: &Routed<'_>, next: Vec<NextHop>, app: AppName) -> Verdict {
        Verdict::Admit(Passage {
            route: routed.route.id,
            next,
            app,
        })
    }
}

#[cfg(test)]
mod tests;
