//! Relays: the edge's one pull or push of a stream with a server behind it.
//!
//! A hub and the way to its stream go in; media go between the hub and the server until one of
//! them ends. A relay runs as a task of its own and gives way when its hub wants it to. What a
//! server says is read for its meaning and never passed on to a client.

mod feed;
mod fetch;
mod link;
mod pull;
mod push;
pub(super) mod race;

use std::sync::Arc;

use contract::reason::Reason;
use rtmp::server::PublishKind;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(super) use fetch::Fetcher;

use super::Plane;
use super::way::Way;
use crate::live::{Hub, Publication};

/// Why a server behind does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not reached, or went away.
    Unreachable,
    /// It hung up without a word on what it was asked.
    HungUp,
    /// It said no.
    Refused,
}

impl Failure {
    /// What a client is told.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Unreachable => Reason::OriginUnreachable,
            Self::HungUp | Self::Refused => Reason::OriginRefused,
        }
    }
}

/// Starts pulling a stream into its hub, until it is to give way to a publisher.
pub(super) fn pull(plane: &Plane, hub: &Arc<Hub>, way: Way, gives_way: CancellationToken) {
    let (plane, hub) = (plane.clone(), Arc::clone(hub));
    tokio::spawn(async move {
        let cut = plane.context.stop.hard();
        tokio::select! {
            biased;
            () = gives_way.cancelled() => {}
            () = cut.cancelled() => {}
            () = pull::run(&plane, &hub, way) => {}
        }
    });
}

/// Starts forwarding a published stream from its hub, until its publisher is done. The answer says whether a server took it; if
/// none goes on taking it later, the hub ends.
pub(super) fn push(
    plane: &Plane,
    publication: &Publication,
    way: Way,
    kind: PublishKind,
) -> oneshot::Receiver<Result<(), Reason>> {
    let (answer, answered) = oneshot::channel();
    let (plane, hub) = (plane.clone(), Arc::clone(publication.hub()));
    let published = push::Published {
        from: publication.from(),
        kind,
        over: publication.over(),
    };
    tokio::spawn(async move {
        let cut = plane.context.stop.hard();
        tokio::select! {
            () = cut.cancelled() => {}
            () = push::run(&plane, &hub, &way, published, answer) => {}
        }
    });
    answered
}
