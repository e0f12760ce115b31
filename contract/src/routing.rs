//! From what a client asked for to a route and the next hops.

use crate::address::{OriginAddress, Requested};
use crate::facts::Facts;
use crate::id::{EdgeId, OriginId};
use crate::name::AppName;
use crate::reason::Reason;
use crate::route::{Route, RouteKind};
use crate::snapshot::{Neighbor, Snapshot};

/// Who is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// A listed origin.
    Origin(OriginId),
    /// One of our own edges.
    Edge(EdgeId),
}

/// A route that matches, and what it makes of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed<'s> {
    /// The route.
    pub route: &'s Route,
    /// Whom to ask, in order.
    pub next: Vec<NextHop>,
    /// The application (for HTTP: the whole decoded path without its first slash) to ask for.
    pub app: AppName,
}

/// What routing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing<'s> {
    /// This route.
    Routed(Routed<'s>),
    /// A wrapped request that is not complete yet: nothing can be said of it.
    NotYet,
    /// Nothing: the client is refused.
    Refused(Reason),
}

/// Finds the route of a request.
#[must_use]
pub fn route<'s>(snapshot: &'s Snapshot, facts: &Facts) -> Routing<'s> {
    let requested = &facts.requested;
    let Some(app) = &requested.app else {
        return Routing::NotYet;
    };
    if requested.is_wrapped() {
        explicit(snapshot, facts, app)
    } else {
        implicit(snapshot, facts)
    }
}

fn implicit<'s>(snapshot: &'s Snapshot, facts: &Facts) -> Routing<'s> {
    let plane = facts.ingress.plane();
    let Some(resource) = facts.requested.resource(plane) else {
        return Routing::NotYet;
    };
    let found = snapshot
        .routes
        .iter()
        .filter(|route| route.kind == RouteKind::Implicit)
        .find(|route| route.matches(plane, &facts.host, facts.port, &resource));
    let Some(route) = found else {
        return Routing::Refused(Reason::NoRoute);
    };
    let Ok(app) = AppName::of_path(&route.rewritten(&resource)) else {
        return Routing::Refused(Reason::BadAddress);
    };
    let next = route
        .upstreams
        .iter()
        .copied()
        .map(NextHop::Origin)
        .collect();
    Routing::Routed(Routed { route, next, app })
}

/// The destination is only compared: with the addresses of our edges and of listed origins. "Not
/// listed" looks like "not reachable" from outside.
fn explicit<'s>(snapshot: &'s Snapshot, facts: &Facts, app: &AppName) -> Routing<'s> {
    let requested = &facts.requested;
    let (Some(first), Some(last)) = (requested.hops.first(), requested.hops.last()) else {
        return Routing::Refused(Reason::BadAddress);
    };
    let origins: Vec<OriginId> = snapshot
        .origins
        .iter()
        .filter(|origin| origin.address == *last)
        .map(|origin| origin.id)
        .collect();
    let plane = facts.ingress.plane();
    let found = snapshot
        .routes
        .iter()
        .filter(|route| route.kind == RouteKind::Explicit)
        .filter(|route| route.matches(plane, &facts.host, facts.port, app.as_str()))
        .find_map(|route| {
            let origin = route
                .upstreams
                .iter()
                .copied()
                .find(|one| origins.contains(one))?;
            Some((route, origin))
        });
    let Some((route, origin)) = found else {
        return Routing::Refused(Reason::Destination);
    };
    if requested.hops.len() == 1 {
        return Routing::Routed(Routed {
            route,
            next: vec![NextHop::Origin(origin)],
            app: app.clone(),
        });
    }
    match next_edge(snapshot, requested, first) {
        Ok((edge, app)) => Routing::Routed(Routed {
            route,
            next: vec![NextHop::Edge(edge.id)],
            app,
        }),
        Err(reason) => Routing::Refused(reason),
    }
}

fn next_edge<'s>(
    snapshot: &'s Snapshot,
    requested: &Requested,
    first: &OriginAddress,
) -> Result<(&'s Neighbor, AppName), Reason> {
    let edge = snapshot
        .edges
        .iter()
        .find(|edge| edge.rtmp.as_ref() == Some(&first.at))
        .ok_or(Reason::Destination)?;
    let own = snapshot.own().and_then(|edge| edge.rtmp.as_ref());
    let comes_back = requested.hops.iter().any(|hop| own == Some(&hop.at));
    if edge.id == snapshot.edge || comes_back {
        return Err(Reason::Loop);
    }
    let app = requested.beyond_first_hop().ok_or(Reason::NoApplication)?;
    Ok((edge, app))
}
