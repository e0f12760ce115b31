//! Verbs on rules: list, show, create, update, move, delete; try out how a connection would be
//! judged.
//!
//! All rules stand in one order; a rule belongs to one cluster or to all. Trying out runs the
//! edge's own function on the edge's own settings and changes nothing.

use contract::admit::{self, Decision, Step, Verdict};
use contract::facts::Facts;
use contract::fault::FieldFault;
use contract::id::{AssignmentId, ClientId, EdgeId, GroupId, OriginId, RouteId, RuleId};
use contract::name::Name;
use contract::reason::Reason;
use contract::route::IdentityKind;
use contract::routing::NextHop;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::record::{name_is_free, present};
use super::routes::cluster_fault;
use super::{App, Caller, Error, Listing, Permission, record};
use crate::store::record::{by_id, by_position, put, remove};

pub use crate::store::record::Scoped;
pub use contract::rule::{Effect, Rule};

const RULE: &str = "rule";
/// The space between two rules' orders when they are numbered anew.
const STEP: i64 = 10;

/// A rule to begin a new one from: enabled, denying, without conditions, of every cluster.
#[must_use]
pub fn blank(name: Name) -> Scoped<Rule> {
    let it = Rule {
        id: RuleId::new(),
        name,
        enabled: true,
        order: 0,
        effect: Effect::Deny,
        conditions: Vec::new(),
    };
    Scoped { cluster: None, it }
}

/// Lists all rules in the order in which they are read.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller) -> Result<Listing<Scoped<Rule>>, Error> {
    record::in_order(app, caller).await
}

/// One rule.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: RuleId) -> Result<Scoped<Rule>, Error> {
    record::show(app, caller, id, RULE).await
}

/// Makes a rule; it gets an id of its own and is read after all others.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(
    app: &App,
    caller: &Caller,
    mut wanted: Scoped<Rule>,
) -> Result<Scoped<Rule>, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let others: Vec<Scoped<Rule>> = by_position(change.conn()).await?;
    wanted.it.id = RuleId::new();
    wanted.it.order = others
        .last()
        .map_or(STEP, |last| last.it.order.saturating_add(STEP));
    check(&mut change, &wanted).await?;
    let generation = change.generation();
    put(change.conn(), &wanted, generation).await?;
    let subject = Subject::new(Noun::Rules, wanted.it.id, &wanted.it.name);
    change.note("create", subject, None, Some(&wanted))?;
    change.commit().await?;
    Ok(wanted)
}

/// Changes a rule where it stands: `edit` makes of it what it shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: RuleId,
    edit: impl FnOnce(Scoped<Rule>) -> Result<Scoped<Rule>, Error> + Send,
) -> Result<Scoped<Rule>, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Scoped<Rule> = present(&mut change, id, RULE).await?;
    let mut after = edit(before.clone())?;
    after.it.id = id;
    after.it.order = before.it.order;
    check(&mut change, &after).await?;
    let generation = change.generation();
    put(change.conn(), &after, generation).await?;
    let subject = Subject::new(Noun::Rules, id, &after.it.name);
    change.note("update", subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Moves a rule to stand right before another, or last.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`] when the other does not exist.
pub async fn move_before(
    app: &App,
    caller: &Caller,
    id: RuleId,
    before: Option<RuleId>,
) -> Result<Listing<Scoped<Rule>>, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let mut rules: Vec<Scoped<Rule>> = by_position(change.conn()).await?;
    let from = rules
        .iter()
        .position(|rule| rule.it.id == id)
        .ok_or(Error::NotFound { noun: RULE })?;
    let moved = rules.remove(from);
    let name = moved.it.name.clone();
    let to = match before {
        None => rules.len(),
        Some(other) if other == id => from,
        Some(other) => rules
            .iter()
            .position(|rule| rule.it.id == other)
            .ok_or_else(|| Error::field("before", format!("there is no rule `{other}`")))?,
    };
    rules.insert(to, moved);
    let generation = change.generation();
    for (rule, order) in rules.iter_mut().zip((1i64..).map(|place| place * STEP)) {
        if rule.it.order != order {
            rule.it.order = order;
            put(change.conn(), rule, generation).await?;
        }
    }
    let subject = Subject::new(Noun::Rules, id, name);
    change.note(
        "move",
        subject,
        Some(&Place { place: from + 1 }),
        Some(&Place { place: to + 1 }),
    )?;
    change.commit().await?;
    Ok(Listing {
        items: rules,
        next: None,
    })
}

/// Where a rule stands, for the audit.
#[derive(Debug, Serialize)]
struct Place {
    place: usize,
}

/// Removes a rule.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn delete(app: &App, caller: &Caller, id: RuleId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let rule: Scoped<Rule> = present(&mut change, id, RULE).await?;
    let generation = change.generation();
    remove(change.conn(), &rule, generation).await?;
    let subject = Subject::new(Noun::Rules, id, &rule.it.name);
    change.note("delete", subject, Some(&rule), None)?;
    change.commit().await?;
    Ok(())
}

/// A connection to be judged as an edge would judge it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// By which edge.
    pub edge: EdgeId,
    /// The connection.
    pub facts: Facts,
    /// These rules instead of the edge's own, in this order: to try a change before it is made.
    #[serde(default)]
    pub rules: Option<Vec<Rule>>,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgment {
    /// `admit`, `relay`, `redirect`, `challenge`, `postpone` or `refuse`.
    pub verdict: &'static str,
    /// Why it is refused.
    pub reason: Option<Reason>,
    /// The verdict as a sentence.
    pub sentence: String,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// Who the client is.
    pub client: Option<ClientId>,
    /// The rule that decided, or that postponed.
    pub rule: Option<RuleId>,
    /// The assignment that governs.
    pub assignment: Option<AssignmentId>,
    /// The edge that it is carried or sent to.
    pub edge: Option<EdgeId>,
    /// The origins that are asked, in order.
    pub origins: Vec<OriginId>,
    /// How it could prove who it is.
    pub identity: Vec<IdentityKind>,
    /// What each stage said, in order.
    pub trace: Vec<Step>,
}

/// Judges a connection as an edge would. The order of the result's trace is the order of the
/// stages: route, identity, rules, assignment.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`] for an edge that is not there or retired,
/// [`Error::Invalid`] for rules that could not be published.
pub fn try_out(app: &App, caller: &Caller, trial: Trial) -> Result<Judgment, Error> {
    caller.needs(Permission::Try)?;
    let ready = app.publisher().ready();
    let compiled = ready
        .snapshots
        .get(&trial.edge)
        .ok_or(Error::NotFound { noun: "edge" })?;
    let mut snapshot = compiled.snapshot();
    if let Some(rules) = trial.rules {
        accept(rules.iter().flat_map(Rule::faults).collect())?;
        snapshot.rules = rules;
    }
    let decision = app
        .publisher()
        .with_directory(|directory| admit::judge(&snapshot, directory, &trial.facts));
    Ok(Judgment::of(decision))
}

impl Judgment {
    fn of(decision: Decision) -> Self {
        let Decision {
            verdict,
            route,
            client,
            rule,
            assignment,
            token: _,
            trace,
        } = decision;
        let mut judgment = Self {
            verdict: "",
            reason: None,
            sentence: String::new(),
            route,
            client,
            rule,
            assignment,
            edge: None,
            origins: Vec::new(),
            identity: Vec::new(),
            trace,
        };
        let (verdict, sentence) = match verdict {
            Verdict::Admit(passage) => {
                judgment.follow(&passage.next);
                ("admit", "the client is let in and served here".to_owned())
            }
            Verdict::Relay(passage) => {
                judgment.follow(&passage.next);
                (
                    "relay",
                    "the client is let in and carried to its edge".to_owned(),
                )
            }
            Verdict::Redirect(edge) => {
                judgment.edge = Some(edge);
                (
                    "redirect",
                    "the client is told to go to its edge".to_owned(),
                )
            }
            Verdict::Challenge(identity) => {
                judgment.identity = identity;
                (
                    "challenge",
                    "the client must first prove who it is".to_owned(),
                )
            }
            Verdict::Postpone => (
                "postpone",
                "nothing can be said before the stream and action are known".to_owned(),
            ),
            Verdict::Refuse(reason) => {
                judgment.reason = Some(reason);
                (
                    "refuse",
                    format!("the client is refused: {}", reason.sentence()),
                )
            }
        };
        judgment.verdict = verdict;
        judgment.sentence = sentence;
        judgment
    }

    fn follow(&mut self, next: &[NextHop]) {
        for hop in next {
            match hop {
                NextHop::Origin(origin) => self.origins.push(*origin),
                NextHop::Edge(edge) => self.edge = self.edge.or(Some(*edge)),
            }
        }
    }
}

async fn check(change: &mut Change, rule: &Scoped<Rule>) -> Result<(), Error> {
    let mut faults = rule.it.faults();
    faults.extend(cluster_fault(change, rule.cluster).await?);
    for (at, condition) in rule.it.conditions.iter().enumerate() {
        for (field, values) in condition.to_form() {
            for value in &values {
                if let Some(missing) = missing(change, value).await? {
                    faults.push(FieldFault::new(format!("conditions.{at}.{field}"), missing));
                }
            }
        }
    }
    accept(faults)?;
    name_is_free::<Scoped<Rule>>(change, &rule.it.name, rule.it.id, RULE).await
}

/// What is wrong with a value that is the id of a client or group.
async fn missing(change: &mut Change, value: &str) -> Result<Option<String>, Error> {
    if let Ok(id) = value.parse::<ClientId>() {
        let client: Option<contract::client::Client> = by_id(change.conn(), id).await?;
        return Ok(client
            .is_none()
            .then(|| format!("there is no client `{id}`")));
    }
    if let Ok(id) = value.parse::<GroupId>() {
        let group: Option<contract::client::Group> = by_id(change.conn(), id).await?;
        return Ok(group.is_none().then(|| format!("there is no group `{id}`")));
    }
    Ok(None)
}
