//! Limits at the door: whose they are for a client that was judged, and what it is told when one of
//! them leaves no room.
//!
//! A client that another of our edges carries here has its places there; it takes none here.

use std::sync::Arc;

use contract::facts::Facts;
use contract::limit::{Holder, Limits};
use contract::reason::Reason;
use contract::snapshot::Snapshot;

use super::{Door, Outcome, Ruling};
use crate::limit::{Held, Place};

/// Takes a place for a client that was let in, of all holders of limits but those where it `has`
/// one already. `None` when there is nothing to take.
///
/// # Errors
/// The ruling as a refusal, with the limit that is reached.
pub fn take(
    door: &Door<'_>,
    facts: &Facts,
    ruling: &Ruling,
    place: Place,
    has: &[Held],
) -> Result<Option<Held>, Box<Ruling>> {
    let (Some(gate), Some(snapshot), None) = (door.limits, door.snapshot, &facts.hop) else {
        return Ok(None);
    };
    let mut holders = holders(door, snapshot, ruling);
    holders.retain(|(holder, _)| !has.iter().any(|held| held.holders().contains(holder)));
    if holders.is_empty() {
        return Ok(None);
    }
    match gate.limiter.take(snapshot, holders, place, gate.now) {
        Ok(held) => Ok(Some(held)),
        Err(reached) => {
            let told = reached.says();
            let whose = name(door, snapshot, &reached.of);
            let record = format!(
                "{told}: {whose}; {} here, {} at other edges",
                reached.here, reached.elsewhere
            );
            Err(Box::new(Ruling {
                outcome: Outcome::Refuse(Reason::LimitReached),
                detail: Some(record),
                told: Some(told),
                ..ruling.clone()
            }))
        }
    }
}

/// The name under which the viewers of a stream are counted, the same on every edge.
#[must_use]
pub fn stream_name(facts: &Facts) -> Arc<str> {
    use std::fmt::Write as _;
    let requested = &facts.requested;
    let mut name = String::new();
    // Writing to a string does not fail.
    for hop in &requested.hops {
        let _ = write!(name, "?{hop}/");
    }
    if let Some(app) = &requested.app {
        let _ = write!(name, "{app}/");
    }
    if let Some(stream) = &requested.stream {
        let _ = write!(name, "{stream}");
    }
    name.into()
}

fn holders(door: &Door<'_>, snapshot: &Snapshot, ruling: &Ruling) -> Vec<(Holder, Limits)> {
    let edge = snapshot.own().map(|own| {
        let edge = snapshot.edge;
        (Holder::Edge { edge }, own.limits)
    });
    let route = ruling.route.and_then(|id| {
        let route = snapshot.routes.iter().find(|route| route.id == id)?;
        Some((Holder::Route { route: id }, route.limits))
    });
    let client = ruling.client.and_then(|id| {
        let client = door.directory.client(id)?;
        Some((Holder::Client { client: id }, client.limits))
    });
    let token = ruling.token.as_ref().and_then(|token| {
        let limits = Limits {
            connections: Some(u64::from(token.uses?)),
            ..Limits::default()
        };
        let token = token.id.clone();
        Some((Holder::Token { token }, limits))
    });
    [edge, route, client, token].into_iter().flatten().collect()
}

fn name(door: &Door<'_>, snapshot: &Snapshot, holder: &Holder) -> String {
    let of = |name: Option<String>, id: String| format!("{} {}", holder.kind(), name.unwrap_or(id));
    match holder {
        Holder::Edge { edge } => of(
            snapshot.neighbor(*edge).map(|edge| edge.name.to_string()),
            edge.to_string(),
        ),
        Holder::Route { route } => {
            let known = snapshot.routes.iter().find(|known| known.id == *route);
            of(known.map(|route| route.name.to_string()), route.to_string())
        }
        Holder::Client { client } => of(
            door.directory
                .client(*client)
                .map(|client| client.name.to_string()),
            client.to_string(),
        ),
        Holder::Token { token } => of(None, token.clone()),
    }
}
