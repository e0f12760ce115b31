//! Asking the upstreams of a request, one after the other, until one answers.

use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::{self, AnyBody};
use super::forward;
use super::job::Job;
use super::reach::{Failure, Target};

/// How long an upstream may take to answer; chosen, because slow applications do, and a client
/// that does not wait so long goes away by itself.
pub(super) const PATIENT: Duration = Duration::from_secs(30);
/// How long when something stale can stand in.
pub(super) const IMPATIENT: Duration = Duration::from_secs(3);

/// How long with a body to send; chosen, because a segment that takes longer comes too late.
const SENDING: Duration = Duration::from_secs(600);

/// An upstream's answer: its head came.
pub(super) struct Answered {
    pub(super) target: Target,
    pub(super) response: Response<Incoming>,
}

/// Asks for it without a body, at any upstream that is reached.
///
/// # Errors
/// The reason to tell the client.
pub(super) async fn ask(
    job: &Job,
    method: &Method,
    headers: &HeaderMap,
    patience: Duration,
) -> Result<Answered, Reason> {
    let until = Instant::now() + patience;
    for hop in order(job) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match one(job, hop, method, headers.clone(), body::empty(), left).await {
            Ok(answered) => return Ok(answered),
            Err(Failure::NotReached | Failure::NoAnswer) => {}
            Err(Failure::TimedOut) => break,
        }
    }
    Err(Reason::OriginUnreachable)
}

/// Sends a body along; the first upstream in order is the only one that is asked, because what was
/// sent cannot be sent again.
///
/// # Errors
/// The reason to tell the client.
pub(super) async fn send(
    job: &Job,
    method: &Method,
    headers: &HeaderMap,
    body: AnyBody,
) -> Result<Answered, Reason> {
    let hop = order(job).into_iter().next();
    let hop = hop.ok_or(Reason::OriginUnreachable)?;
    one(job, hop, method, headers.clone(), body, SENDING)
        .await
        .map_err(|_| Reason::OriginUnreachable)
}

fn order(job: &Job) -> Vec<NextHop> {
    job.web.shared.reach.order(&job.passage.next)
}

async fn one(
    job: &Job,
    hop: NextHop,
    method: &Method,
    headers: HeaderMap,
    body: AnyBody,
    deadline: Duration,
) -> Result<Answered, Failure> {
    let target = Target::of(hop, &job.snapshot).ok_or(Failure::NotReached)?;
    let request = forward::request(job, method, &target, headers, body);
    let response = job.web.shared.reach.ask(&target, request, deadline).await?;
    Ok(Answered { target, response })
}
