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
use std::time::Duration;

use contract::reason::Reason;
use rtmp::server::PublishKind;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub(super) use fetch::Fetcher;

use super::Plane;
use super::way::Way;
use crate::live::{Publication, Pulling, PushEnd};

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

/// How long a publisher waits for the last words of the one before. Chosen, because a server that is well
/// takes them at once, and who takes a stream over does not wait for the backlog of a connection that is
/// given up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Starts pulling a stream for its viewers, until it is to give way to a publisher.
pub(super) fn pull(plane: &Plane, pulling: Pulling, way: Way) {
    let plane = plane.clone();
    tokio::spawn(async move { pulled(&plane, pulling, way).await });
}

async fn pulled(plane: &Plane, pulling: Pulling, way: Way) {
    let (cut, gives_way) = (plane.context.stop.hard(), pulling.gives_way());
    tokio::select! {
        biased;
        () = gives_way.cancelled() => {}
        () = cut.cancelled() => {}
        () = pull::run(plane, &pulling, way) => {}
    }
}

/// Starts forwarding a published stream from its hub, until its publisher is done. The answer says
/// whether a server took it, and the hub goes by it from then on; if none goes on taking it later, the hub
/// ends. Viewers who are left when the publisher is gone get the stream from where it comes then.
pub(super) fn push(
    plane: &Plane,
    publication: &Publication,
    way: Way,
    kind: PublishKind,
) -> oneshot::Receiver<Result<(), Reason>> {
    let (answer, answered) = oneshot::channel();
    let (plane, hub) = (plane.clone(), Arc::clone(publication.hub()));
    let end = PushEnd::default();
    let before = hub.follow_push(end.clone());
    let over = publication.over();
    let published = push::Published {
        number: publication.number(),
        kind,
        over: over.clone(),
        hurry: end.hurry,
    };
    let waited_for = plane.pushes.token();
    tokio::spawn(async move {
        let cut = plane.context.stop.hard();
        let ended = end.ended.drop_guard();
        let work = async {
            wait_for(before).await;
            push::run(&plane, &hub, way.clone(), published, answer).await;
        };
        tokio::select! {
            () = cut.cancelled() => return,
            () = work => {}
        }
        drop((ended, waited_for));
        tokio::select! {
            () = cut.cancelled() => return,
            () = over.cancelled() => {}
        }
        if let Some(pulling) = plane.live.resume(&hub) {
            pulled(&plane, pulling, way).await;
        }
    });
    answered
}

/// Waits until the push before has said its last words: a server takes a stream from one at a time.
async fn wait_for(before: Option<PushEnd>) {
    let Some(before) = before else { return };
    if timeout(FAREWELL, before.ended.cancelled()).await.is_err() {
        before.hurry.cancel();
        before.ended.cancelled().await;
    }
}
