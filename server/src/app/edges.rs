//! Verbs on edges: list, show, update, drain, undrain, retire, delete; and what edges do
//! themselves: join, prove who they are, report.
//!
//! An edge is lost when it has not reported for [`LOST_AFTER`], and active again with its next
//! report. A retired one is told so, and never comes back.

use std::time::Duration;

use contract::control::{JoinAnswer, JoinRequest};
use contract::id::{ClusterId, EdgeId};
use contract::limit::Limits;
use contract::name::Name;
use contract::order::OrderReceipt;
use contract::report::{Listeners, Report, ReportAnswer, Stamp};
use contract::snapshot::EdgeState;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::live::Intake;
use super::routes::cluster_fault;
use super::users::Role;
use super::{App, Caller, Error, From, Listing, Party, Permission, commit, random};
use crate::store::assignments::target_key;
use crate::store::record::first_where;
use crate::store::{edges as rows, join_tokens, orders};

pub use super::live::EdgeReport;
pub use crate::store::edges::Edge;

/// An edge that says nothing for so long is lost: ten reports.
pub const LOST_AFTER: Duration = Duration::from_secs(10);
/// What the credential of an edge begins with.
const CREDENTIAL_PREFIX: &str = "weir_edge_";
const EDGE: Error = Error::NotFound { noun: "edge" };

/// An edge with what it should have and what it said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeStatus {
    /// What is kept of it.
    #[serde(flatten)]
    pub edge: Edge,
    /// The snapshot that it should serve.
    pub wanted: Option<Stamp>,
    /// The generation that its directory should have.
    pub wanted_directory: u64,
    /// What it said last; nothing since the server was started.
    pub report: Option<EdgeReport>,
}

/// What can be changed of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeSettings {
    /// What people call it.
    pub name: Name,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Where siblings and redirected clients reach it, where that is not where it listens.
    pub public: Listeners,
    /// What it may have at once.
    pub limits: Limits,
}

/// Lists all edges by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller) -> Result<Listing<EdgeStatus>, Error> {
    caller.needs(Permission::Read)?;
    let edges = rows::all(&mut *app.store().read().await?).await?;
    let items = edges.into_iter().map(|edge| status(app, edge)).collect();
    Ok(Listing { items, next: None })
}

/// One edge.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: EdgeId) -> Result<EdgeStatus, Error> {
    caller.needs(Permission::Read)?;
    let edge = rows::by_id(&mut *app.store().read().await?, id)
        .await?
        .ok_or(EDGE)?;
    Ok(status(app, edge))
}

fn status(app: &App, edge: Edge) -> EdgeStatus {
    let ready = app.publisher().ready();
    EdgeStatus {
        wanted: ready.snapshots.get(&edge.id).map(|compiled| Stamp {
            generation: compiled.generation,
            hash: compiled.hash().to_owned(),
        }),
        wanted_directory: ready.directory,
        report: app.live().report(edge.id),
        edge,
    }
}

/// Changes an edge's name, cluster, public addresses or limits: `edit` makes of them what they shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: EdgeId,
    edit: impl FnOnce(EdgeSettings) -> Result<EdgeSettings, Error> + Send,
) -> Result<EdgeStatus, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before = rows::by_id(change.conn(), id).await?.ok_or(EDGE)?;
    let wanted = edit(EdgeSettings {
        name: before.name.clone(),
        cluster: before.cluster,
        public: before.public.clone(),
        limits: before.limits,
    })?;
    let mut faults = wanted.limits.faults();
    faults.extend(cluster_fault(&mut change, Some(wanted.cluster)).await?);
    accept(faults)?;
    name_is_free(&mut change, &wanted.name, Some(id)).await?;
    let EdgeSettings {
        name,
        cluster,
        public,
        limits,
    } = wanted;
    let after = Edge {
        name,
        cluster,
        public,
        limits,
        ..before.clone()
    };
    keep(&mut change, "update", &before, &after).await?;
    change.commit().await?;
    Ok(status(app, after))
}

/// Lets an edge take no new sessions; present ones go on.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn drain(app: &App, caller: &Caller, id: EdgeId) -> Result<EdgeStatus, Error> {
    mark(app, caller, id, "drain", |edge| {
        let mut marks = edge.marks;
        marks.draining = true;
        edge.marked(marks)
    })
    .await
}

/// Lets a drained edge take new sessions again.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn undrain(app: &App, caller: &Caller, id: EdgeId) -> Result<EdgeStatus, Error> {
    mark(app, caller, id, "undrain", |edge| {
        let mut marks = edge.marks;
        marks.draining = false;
        edge.marked(marks)
    })
    .await
}

async fn mark(
    app: &App,
    caller: &Caller,
    id: EdgeId,
    verb: &'static str,
    marked: impl FnOnce(&Edge) -> Edge,
) -> Result<EdgeStatus, Error> {
    let mut change = Change::begin(app, caller, Permission::DrainEdges).await?;
    let before = rows::by_id(change.conn(), id).await?.ok_or(EDGE)?;
    if before.marks.retired {
        return Err(Error::conflict(format!(
            "edge `{}` is retired",
            before.name
        )));
    }
    let after = marked(&before);
    keep(&mut change, verb, &before, &after).await?;
    change.commit().await?;
    Ok(status(app, after))
}

/// Takes an edge out for good: its credential opens nothing from now on, and it erases what it
/// keeps when it hears of it.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when an assignment points at it.
pub async fn retire(app: &App, caller: &Caller, id: EdgeId) -> Result<EdgeStatus, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before = rows::by_id(change.conn(), id).await?.ok_or(EDGE)?;
    let target = target_key(&contract::assignment::Target::Edge { edge: id });
    let assignment: Option<contract::assignment::Assignment> =
        first_where(change.conn(), "target", &target).await?;
    if let Some(assignment) = assignment {
        return Err(Error::conflict(format!(
            "assignment `{}` points at this edge; reassign its clients first",
            assignment.id
        )));
    }
    let mut marks = before.marks;
    marks.retired = true;
    let after = before.marked(marks);
    keep(&mut change, "retire", &before, &after).await?;
    change.commit().await?;
    let now_ms = app.clock().now_ms();
    app.limits().forget(id);
    let ended = app.live().forget(id, now_ms);
    app.statistics().keep(&ended, None, now_ms).await?;
    Ok(status(app, after))
}

/// Removes a retired edge from the list. Its sessions stay in the statistics.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when it is not retired.
pub async fn delete(app: &App, caller: &Caller, id: EdgeId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let edge = rows::by_id(change.conn(), id).await?.ok_or(EDGE)?;
    if !edge.marks.retired {
        return Err(Error::conflict(
            "only a retired edge can be removed; retire it first",
        ));
    }
    rows::delete(change.conn(), id).await?;
    change.note(
        "delete",
        Subject::new(Noun::Edges, id, &edge.name),
        Some(&edge),
        None,
    )?;
    change.commit().await?;
    Ok(())
}

async fn keep(
    change: &mut Change,
    verb: &'static str,
    before: &Edge,
    after: &Edge,
) -> Result<(), Error> {
    let generation = change.generation();
    rows::update(change.conn(), after, generation).await?;
    let subject = Subject::new(Noun::Edges, after.id, &after.name);
    change.note(verb, subject, Some(before), Some(after))
}

async fn name_is_free(change: &mut Change, name: &Name, but: Option<EdgeId>) -> Result<(), Error> {
    match rows::by_name(change.conn(), name.as_str()).await? {
        Some(other) if Some(other.id) != but => Err(Error::conflict(format!(
            "there is already an edge named `{name}`"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Lets an edge enroll by a join token, which is used up by it.
///
/// # Errors
/// [`Error::Unknown`] when the token opens nothing (any more), [`Error::Conflict`] when the name is
/// taken.
pub async fn join(app: &App, request: JoinRequest, from: From) -> Result<JoinAnswer, Error> {
    let id = EdgeId::new();
    let name = request.name.clone().unwrap_or_else(|| fallback_name(id));
    let caller = caller(id, &name, from);
    let mut change = Change::begin_for_edge(app, &caller).await?;
    let now_ms = change.now_ms();
    let key = random::key_of(request.secret.expose());
    let token = join_tokens::take(change.conn(), &key, now_ms)
        .await?
        .ok_or(Error::Unknown)?;
    let name = token.name.unwrap_or(name);
    name_is_free(&mut change, &name, None).await?;
    let credential = random::secret(CREDENTIAL_PREFIX);
    let edge = Edge {
        id,
        name: name.clone(),
        cluster: token.cluster,
        state: EdgeState::Pending,
        version: request.version,
        listeners: request.listeners,
        public: Listeners::default(),
        limits: Limits::default(),
        created_ms: now_ms,
        marks: rows::Marks::default(),
        orders_from: orders::newest(change.conn()).await?,
    };
    let generation = change.generation();
    rows::insert(
        change.conn(),
        &edge,
        &random::key_of(credential.expose()),
        generation,
    )
    .await?;
    change.note(
        "join",
        Subject::new(Noun::Edges, id, &name),
        None,
        Some(&edge),
    )?;
    change.commit().await?;
    tracing::info!(edge.id = %id, edge.name = %name, "an edge joined");
    Ok(JoinAnswer {
        edge: id,
        name,
        cluster: token.cluster,
        credential,
    })
}

/// What an edge is called that did not say and whose token does not: by the end of its id.
fn fallback_name(id: EdgeId) -> Name {
    let text = id.to_string();
    let end = &text[text.len().saturating_sub(6)..];
    Name::parse(&format!("edge-{end}")).expect("letters and digits make a name")
}

fn caller(id: EdgeId, name: &Name, from: From) -> Caller {
    // An edge asks for nothing that a role could open: what it may do is what its verbs do.
    Caller {
        party: Party::Edge { id },
        name: name.to_string(),
        role: Role::Auditor,
        from: Some(from),
    }
}

/// The edge that proves itself by this credential; a retired one included, for it must be told.
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`].
pub async fn of_credential(app: &App, credential: &str) -> Result<Option<Edge>, Error> {
    if !credential.starts_with(CREDENTIAL_PREFIX) {
        return Ok(None);
    }
    let mut conn = app.store().read().await?;
    Ok(rows::by_credential(&mut conn, &random::key_of(credential)).await?)
}

/// Takes an edge's report. What it says is over is kept before the report counts as taken; taking
/// one twice changes nothing.
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`]: the edge sends it again.
pub async fn report(
    app: &App,
    edge: &Edge,
    report: Report,
    from: From,
) -> Result<ReportAnswer, Error> {
    let now_ms = app.clock().now_ms();
    let sequence = report.sequence;
    match app.live().look(edge.id, &report, now_ms) {
        Intake::Repeated(known) => Ok(ReportAnswer {
            sequence: known,
            at_ms: now_ms,
            wants_whole: false,
            cluster: app.limits().others(edge.cluster, edge.id, now_ms),
        }),
        Intake::New {
            ended,
            wants_whole,
            totals_due,
        } => {
            let totals = totals_due.then_some((edge.id, &report.totals));
            if !ended.is_empty() || totals_due {
                app.statistics().keep(&ended, totals, now_ms).await?;
            }
            receive(app, edge.id, &report.receipts).await?;
            let told = Told::of(&report);
            app.limits().take(edge.cluster, edge.id, &report, now_ms);
            app.live().take(edge.id, report, totals_due, now_ms);
            note_changes(app, edge, told, from).await?;
            Ok(ReportAnswer {
                sequence,
                at_ms: now_ms,
                wants_whole,
                cluster: app.limits().others(edge.cluster, edge.id, now_ms),
            })
        }
    }
}

/// What an edge says of itself.
struct Told {
    listeners: Listeners,
    version: String,
}

impl Told {
    fn of(report: &Report) -> Self {
        Self {
            listeners: report.listeners.clone(),
            version: report.version.clone(),
        }
    }

    /// Whether it is what is kept of the edge.
    fn is_known(&self, edge: &Edge) -> bool {
        edge.marks.seen
            && !edge.marks.lost
            && edge.listeners == self.listeners
            && edge.version == self.version
    }
}

async fn receive(app: &App, edge: EdgeId, receipts: &[OrderReceipt]) -> Result<(), Error> {
    if receipts.is_empty() {
        return Ok(());
    }
    let mut tx = app.store().write().await?;
    for receipt in receipts {
        orders::receive(&mut tx, edge, receipt).await?;
    }
    commit(tx).await
}

/// Notes what an edge says of itself: that it is there, where it listens, what it runs.
async fn note_changes(app: &App, edge: &Edge, told: Told, from: From) -> Result<(), Error> {
    if told.is_known(edge) {
        return Ok(());
    }
    let caller = caller(edge.id, &edge.name, from);
    let mut change = Change::begin_for_edge(app, &caller).await?;
    let Some(before) = rows::by_id(change.conn(), edge.id).await? else {
        return Ok(());
    };
    if told.is_known(&before) {
        return Ok(());
    }
    let mut marks = before.marks;
    let verb = if marks.lost {
        "return"
    } else if marks.seen {
        "report"
    } else {
        "start"
    };
    marks.seen = true;
    marks.lost = false;
    let mut after = before.marked(marks);
    after.listeners = told.listeners;
    after.version = told.version;
    keep(&mut change, verb, &before, &after).await?;
    change.commit().await?;
    tracing::info!(edge.id = %edge.id, edge.name = %edge.name, verb, "an edge said something new");
    Ok(())
}

/// Marks the edges that have said nothing for too long; gives how many.
pub(crate) async fn mark_lost(app: &App) -> Result<usize, Error> {
    let now_ms = app.clock().now_ms();
    let lost_after_ms = u64::try_from(LOST_AFTER.as_millis()).unwrap_or(u64::MAX);
    let is_silent = |edge: &Edge| {
        let said_ms = app.live().reported_ms(edge.id).unwrap_or(app.0.started_ms);
        edge.marks.seen
            && !edge.marks.lost
            && !edge.marks.retired
            && now_ms.saturating_sub(said_ms) > lost_after_ms
    };
    let edges = rows::all(&mut *app.store().read().await?).await?;
    if !edges.iter().any(is_silent) {
        return Ok(0);
    }
    let mut change = Change::begin(app, &Caller::server(), Permission::DrainEdges).await?;
    let mut count = 0;
    for before in rows::all(change.conn())
        .await?
        .into_iter()
        .filter(is_silent)
    {
        let mut marks = before.marks;
        marks.lost = true;
        keep(&mut change, "lose", &before, &before.marked(marks)).await?;
        tracing::warn!(edge.id = %before.id, edge.name = %before.name, "an edge is lost");
        count += 1;
    }
    change.commit().await?;
    Ok(count)
}
