//! Asking the upstreams of a request, one after the other, until one answers. One that hangs is not
//! waited for while another could be asked; what was sent to one is never sent to another.

use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt as _;
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

/// How long when another upstream can be asked instead; chosen as for one try of a relay (laws.md,
/// 5.3): with ten seconds for all.
const IN_TURN: Duration = Duration::from_secs(2);

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
    let mut hops = order(job).into_iter().peekable();
    while let Some(hop) = hops.next() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let others = hops.peek().is_some();
        let deadline = if others { left.min(IN_TURN) } else { left };
        match one(job, hop, method, headers.clone(), body::empty(), deadline).await {
            Ok(answered) => return Ok(answered),
            // It only reads: to ask twice changes nothing (RFC 9110, section 9.2.1).
            Err(Failure::NotReached | Failure::NoAnswer | Failure::TimedOut) => {}
        }
    }
    Err(Reason::OriginUnreachable)
}

/// Sends a body along, to the first upstream that is reached: what was sent cannot be sent again.
///
/// # Errors
/// The reason to tell the client.
pub(super) async fn send(
    job: &Job,
    method: &Method,
    headers: &HeaderMap,
    body: AnyBody,
) -> Result<Answered, Reason> {
    let body = body::Lent::new(body);
    for hop in order(job) {
        let lent = body.clone().boxed_unsync();
        match one(job, hop, method, headers.clone(), lent, SENDING).await {
            Ok(answered) => return Ok(answered),
            Err(Failure::NotReached) if !body.is_begun() => {}
            Err(Failure::NotReached | Failure::NoAnswer | Failure::TimedOut) => break,
        }
    }
    Err(Reason::OriginUnreachable)
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
