//! What is stale and answers all the same: at once while it is made fresh again, or when its origin takes longer than
//! usual and has said that this may be (RFC 5861). The fetch goes on meanwhile, for those who come later.

use std::sync::Arc;
use std::time::Duration;

use contract::counts::Outcome;
use contract::reason::Reason;
use edge_core::cache::status::Cause;
use http::Response;
use tokio::time::timeout;

use super::body::AnyBody;
use super::fill::Reader;
use super::job::Job;
use super::object::Object;
use super::proxy;
use crate::clock::now_ms;

/// A stale object that need not be waited for.
pub(super) struct StandIn {
    object: Arc<Object>,
    cause: Cause,
    /// How long the origin is waited for.
    patience: Duration,
}

impl StandIn {
    /// The stale object as one, if it may be used so.
    pub(super) fn of(job: &Job, stale: Option<&Arc<Object>>) -> Option<Self> {
        let object = Arc::clone(stale?);
        let policy = &object.head.policy;
        let now_ms = now_ms();
        let (cause, patience) = if policy.may_bridge(now_ms) {
            (Cause::Bridged, Duration::ZERO)
        } else if policy.need_not_wait(now_ms) {
            let pace = job.web.shared.reach.pace();
            (Cause::Stale, pace.patience(&job.passage.next))
        } else {
            return None;
        };
        Some(Self {
            object,
            cause,
            patience,
        })
    }

    /// Waits as long as the origin is waited for; whether it has answered, well or not.
    pub(super) async fn is_needless(&self, reader: &mut Reader) -> bool {
        !self.patience.is_zero() && timeout(self.patience, reader.turn()).await.is_ok()
    }

    /// The object as the answer.
    pub(super) async fn answer(&self, job: &Job) -> Result<Response<AnyBody>, Reason> {
        let story = proxy::story(Outcome::Stale, self.cause);
        proxy::stored(job, &self.object, story).await
    }
}

/// Reads a fill that nobody waits for, so that it goes on; it ends when the origin has been silent for too long.
pub(super) async fn read_to_the_end(mut reader: Reader) {
    reader.turn().await;
    while let Some(Ok(_)) = reader.next().await {}
}
