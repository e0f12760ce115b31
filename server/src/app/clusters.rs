//! Verbs on clusters: list, show, create, update, delete.

use contract::assignment::Assignment;
use contract::id::ClusterId;
use contract::name::Name;
use contract::route::Route;
use contract::rule::Rule;

use super::change::{Change, Noun, Subject};
use super::record::{name_is_free, present};
use super::{App, Caller, Error, Listing, Permission, Window, record};
use crate::store::edges;
use crate::store::record::{Scoped, all_where, first_where, put, remove};

pub use crate::store::clusters::Cluster;

const CLUSTER: &str = "cluster";

/// Lists clusters by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, window: &Window) -> Result<Listing<Cluster>, Error> {
    record::list(app, caller, window, |cluster: &Cluster| {
        cluster.name.to_string()
    })
    .await
}

/// One cluster.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: ClusterId) -> Result<Cluster, Error> {
    record::show(app, caller, id, CLUSTER).await
}

/// Makes a cluster.
///
/// # Errors
/// [`Error::Denied`], [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, caller: &Caller, name: Name) -> Result<Cluster, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let cluster = Cluster {
        id: ClusterId::new(),
        name,
    };
    name_is_free::<Cluster>(&mut change, &cluster.name, cluster.id, CLUSTER).await?;
    let generation = change.generation();
    put(change.conn(), &cluster, generation).await?;
    let subject = Subject::new(Noun::Clusters, cluster.id, &cluster.name);
    change.note("create", subject, None, Some(&cluster))?;
    change.commit().await?;
    Ok(cluster)
}

/// Changes a cluster's name.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when the name is taken.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: ClusterId,
    name: Name,
) -> Result<Cluster, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Cluster = present(&mut change, id, CLUSTER).await?;
    let after = Cluster { id, name };
    name_is_free::<Cluster>(&mut change, &after.name, id, CLUSTER).await?;
    let generation = change.generation();
    put(change.conn(), &after, generation).await?;
    let subject = Subject::new(Noun::Clusters, id, &after.name);
    change.note("update", subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Removes a cluster that nothing belongs to.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when an edge, route, rule or
/// assignment belongs to it.
pub async fn delete(app: &App, caller: &Caller, id: ClusterId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let cluster: Cluster = present(&mut change, id, CLUSTER).await?;
    nothing_belongs_to(&mut change, id).await?;
    let generation = change.generation();
    remove(change.conn(), &cluster, generation).await?;
    let subject = Subject::new(Noun::Clusters, id, &cluster.name);
    change.note("delete", subject, Some(&cluster), None)?;
    change.commit().await?;
    Ok(())
}

async fn nothing_belongs_to(change: &mut Change, id: ClusterId) -> Result<(), Error> {
    let text = id.to_string();
    let conn = change.conn();
    let mut users = Vec::new();
    let edges = edges::all(&mut *conn).await?;
    users.extend(
        edges
            .iter()
            .filter(|edge| edge.cluster == id)
            .map(|edge| format!("edge `{}`", edge.name)),
    );
    let routes = all_where::<Scoped<Route>>(&mut *conn, "cluster_id", &text).await?;
    users.extend(
        routes
            .iter()
            .map(|route| format!("route `{}`", route.it.name)),
    );
    let rules = all_where::<Scoped<Rule>>(&mut *conn, "cluster_id", &text).await?;
    users.extend(rules.iter().map(|rule| format!("rule `{}`", rule.it.name)));
    if let Some(assignment) = first_where::<Assignment>(&mut *conn, "target", &text).await? {
        users.push(format!("assignment `{}`", assignment.id));
    }
    match users.first() {
        Some(first) => Err(Error::conflict(format!(
            "{first} belongs to this cluster; move or remove it first"
        ))),
        None => Ok(()),
    }
}
