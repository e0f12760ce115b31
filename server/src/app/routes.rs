//! Verbs on routes: list, show, create, update, delete.
//!
//! A route belongs to one cluster or to all. Routes are tried by their `order`, then by id.

use contract::fault::FieldFault;
use contract::id::{ClusterId, OriginId, RouteId};
use contract::name::Name;
use contract::origin::Origin;
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::rule::Effect;
use contract::webhook::Webhook;

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::record::{name_is_free, present};
use super::{App, Caller, Error, Listing, Permission, record};
use crate::store::clusters::Cluster;
use crate::store::record::{by_id, put, remove};

pub use crate::store::record::Scoped;
use contract::limit::Limits;
pub use contract::route::{
    CacheSettings, IdentityKind, LiveSettings, Route, RouteAction, RouteKind, SecondPublisher,
    StreamMode,
};

const ROUTE: &str = "route";

/// A route to begin a new one from: RTMP, implicit, every host and application, denying unless a
/// rule allows, of every cluster, without origins yet.
#[must_use]
pub fn blank(name: Name) -> Scoped<Route> {
    let it = Route {
        id: RouteId::new(),
        name,
        enabled: true,
        order: 0,
        plane: Plane::Rtmp,
        kind: RouteKind::Implicit,
        host: Pattern::any(),
        port: None,
        app: Pattern::any(),
        action: RouteAction::Serve,
        upstreams: Vec::new(),
        rewrite: None,
        identity: Vec::new(),
        default_effect: Effect::Deny,
        webhook: None,
        mode: StreamMode::default(),
        live: LiveSettings::default(),
        cache: CacheSettings::default(),
        query: contract::query::QueryRule::default(),
        limits: Limits::default(),
    };
    Scoped { cluster: None, it }
}

/// Lists all routes in the order in which they are tried.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller) -> Result<Listing<Scoped<Route>>, Error> {
    record::in_order(app, caller).await
}

/// One route.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: RouteId) -> Result<Scoped<Route>, Error> {
    record::show(app, caller, id, ROUTE).await
}

/// Makes a route; it gets an id of its own.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(
    app: &App,
    caller: &Caller,
    mut wanted: Scoped<Route>,
) -> Result<Scoped<Route>, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    wanted.it.id = RouteId::new();
    check(&mut change, &wanted).await?;
    let generation = change.generation();
    put(change.conn(), &wanted, generation).await?;
    let subject = Subject::new(Noun::Routes, wanted.it.id, &wanted.it.name);
    change.note("create", subject, None, Some(&wanted))?;
    change.commit().await?;
    Ok(wanted)
}

/// Changes a route: `edit` makes of it what it shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: RouteId,
    edit: impl FnOnce(Scoped<Route>) -> Result<Scoped<Route>, Error> + Send,
) -> Result<Scoped<Route>, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Scoped<Route> = present(&mut change, id, ROUTE).await?;
    let mut after = edit(before.clone())?;
    after.it.id = id;
    check(&mut change, &after).await?;
    let generation = change.generation();
    put(change.conn(), &after, generation).await?;
    let subject = Subject::new(Noun::Routes, id, &after.it.name);
    change.note("update", subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Removes a route.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn delete(app: &App, caller: &Caller, id: RouteId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let route: Scoped<Route> = present(&mut change, id, ROUTE).await?;
    let generation = change.generation();
    remove(change.conn(), &route, generation).await?;
    let subject = Subject::new(Noun::Routes, id, &route.it.name);
    change.note("delete", subject, Some(&route), None)?;
    change.commit().await?;
    Ok(())
}

async fn check(change: &mut Change, route: &Scoped<Route>) -> Result<(), Error> {
    let mut faults = route.it.faults();
    faults.extend(cluster_fault(change, route.cluster).await?);
    if let Some(id) = route.it.webhook
        && by_id::<Webhook>(change.conn(), id).await?.is_none()
    {
        let message = format!("there is no webhook `{id}`");
        faults.push(FieldFault::new("webhook", message));
    }
    for id in &route.it.upstreams {
        faults.extend(upstream_fault(change, &route.it, *id).await?);
    }
    accept(faults)?;
    name_is_free::<Scoped<Route>>(change, &route.it.name, route.it.id, ROUTE).await
}

async fn upstream_fault(
    change: &mut Change,
    route: &Route,
    id: OriginId,
) -> Result<Option<FieldFault>, Error> {
    let message = match by_id::<Origin>(change.conn(), id).await? {
        None => format!("there is no origin `{id}`"),
        Some(origin) if origin.address.plane() != route.plane => format!(
            "`{}` does not speak {}, which this route needs",
            origin.name,
            route.plane.as_str()
        ),
        Some(_) => return Ok(None),
    };
    Ok(Some(FieldFault::new("upstreams", message)))
}

/// What is wrong with the cluster that a setting names.
pub(super) async fn cluster_fault(
    change: &mut Change,
    cluster: Option<ClusterId>,
) -> Result<Option<FieldFault>, Error> {
    let Some(id) = cluster else {
        return Ok(None);
    };
    match by_id::<Cluster>(change.conn(), id).await? {
        Some(_) => Ok(None),
        None => Ok(Some(FieldFault::new(
            "cluster",
            format!("there is no cluster `{id}`"),
        ))),
    }
}
