//! Answering a request that was let in: from the store, from a fill, or from an upstream alone.
//! Each request counts once, under the outcome that answered it.

use std::sync::Arc;

use contract::counts::Outcome;
use contract::reason::Reason;
use edge_core::cache::conditional;
use edge_core::cache::directives::Directives;
use edge_core::cache::invalidation;
use edge_core::cache::policy::{self, Exchange, NotStored};
use edge_core::cache::range::{Part, Wanted};
use edge_core::cache::status::{CACHE_STATUS, Cause};
use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use super::asked::Asked;
use super::body::{self, AnyBody, BodyError};
use super::exchange::{self, Answered, PATIENT};
use super::fetch::{Fetch, PrivateAnswer, length};
use super::fill::{Reader, Turn};
use super::flight::Boarding;
use super::forward;
use super::job::Job;
use super::object::{Held, Object};
use super::posted;
use super::serve::{self, Story};
use super::slices::{Broke, Missing, Slices};
use super::stand_in::{StandIn, read_to_the_end};
use super::store::Found;
use crate::clock::now_ms;

/// Answers a request that was let in. `body` is the client's.
///
/// # Errors
/// The reason to refuse it after all.
pub(super) async fn answer(job: &Job, body: AnyBody) -> Result<Response<AnyBody>, Reason> {
    let asked = &job.asked;
    let why = if !asked.is_read() || asked.has_body {
        Some(NotStored::Method)
    } else if job.is_relayed
        || !job.route().cache.enabled
        || job.route().cache.max_object_bytes == 0
    {
        Some(NotStored::Route)
    } else {
        None
    };
    match why {
        Some(why) => alone(job, body, (Outcome::Bypass, Cause::Plain), Some(why)).await,
        None => from_store(job, body).await,
    }
}

/// What is stored for this request, fresh or not.
fn found(job: &Job) -> Found {
    let shared = &job.web.shared;
    let request = || forward::fields(&job.asked);
    let found = shared.store.find(&job.asked.key(), request, now_ms());
    match found {
        // Another route may have had another origin.
        Found::Object(object) if object.head.route != job.passage.route => Found::Nothing,
        Found::Object(_) | Found::Nothing | Found::Others | Found::Unstorable => found,
    }
}

fn fresh(job: &Job) -> Option<Arc<Object>> {
    match found(job) {
        Found::Object(object) if object.head.policy.is_fresh(now_ms()) => Some(object),
        Found::Object(_) | Found::Nothing | Found::Others | Found::Unstorable => None,
    }
}

/// The answer from what is stored and fresh; it is a hit if nothing of it must be fetched.
async fn hit(job: &Job, object: &Object) -> Result<Response<AnyBody>, Reason> {
    let (outcome, cause) = match missing(job, object) {
        None => (Outcome::Hit, Cause::Plain),
        Some(_) if Directives::of(&job.asked.headers).only_if_cached => {
            return Ok(not_at_hand(job));
        }
        Some(Missing::OnTheirWay) => (Outcome::Joined, Cause::Part),
        Some(Missing::Nowhere) => (Outcome::Miss, Cause::Part),
    };
    stored(job, object, story(outcome, cause)).await
}

/// What an object lacks of the bytes that are asked for.
fn missing(job: &Job, object: &Object) -> Option<Missing> {
    let Held::Slices(slices) = &object.body else {
        return None;
    };
    let asked = &job.asked;
    if asked.method == Method::HEAD || conditional::is_known(&asked.headers, &object.head.headers) {
        return None;
    }
    let store = &job.web.shared.store;
    let lacks = |part: Part| {
        let of_part = Slices::of_part(part.from, part.until);
        slices.missing(of_part, |slice| store.has_slice(slices.generation, slice))
    };
    match serve::wanted(asked, &object.head, slices.length) {
        Wanted::Whole => lacks(Part {
            from: 0,
            until: slices.length,
        }),
        Wanted::Part(part) => lacks(part),
        Wanted::Parts(parts) => parts.into_iter().filter_map(lacks).max(),
        Wanted::Nothing => None,
    }
}

/// A stored object as the answer, counted under what its story tells.
pub(super) async fn stored(
    job: &Job,
    object: &Object,
    story: Story,
) -> Result<Response<AnyBody>, Reason> {
    match serve::object(job, object, story).await {
        Ok(response) => {
            job.counts.count(story.outcome);
            Ok(response)
        }
        // It is not stored any more: the next request begins anew.
        Err(Broke::Changed) => {
            let told = (Outcome::Miss, Cause::Stale);
            ask_alone(job, told, Some(NotStored::Part)).await
        }
        Err(Broke::Off) => {
            job.counts.count(Outcome::Miss);
            Err(Reason::OriginUnreachable)
        }
    }
}

pub(super) const fn story(outcome: Outcome, cause: Cause) -> Story {
    Story {
        outcome,
        cause,
        forwarded: None,
        not_stored: None,
    }
}

async fn from_store(job: &Job, body: AnyBody) -> Result<Response<AnyBody>, Reason> {
    let (stale, cause) = match found(job) {
        Found::Object(object) if object.head.policy.is_fresh(now_ms()) => {
            return hit(job, &object).await;
        }
        Found::Object(object) => (Some(object), Cause::Stale),
        Found::Nothing => (None, Cause::Plain),
        Found::Others => (None, Cause::Variant),
        Found::Unstorable => {
            let told = (Outcome::Bypass, Cause::Remembered);
            return alone(job, body, told, None).await;
        }
    };
    let directives = Directives::of(&job.asked.headers);
    if directives.only_if_cached {
        return Ok(not_at_hand(job));
    }
    if directives.no_store {
        // It asks for itself: what one client does not want to be stored must neither make others
        // wait nor be remembered against them.
        let told = (Outcome::Bypass, Cause::Asked);
        return alone(job, body, told, Some(NotStored::NoStore)).await;
    }
    if job.asked.method == Method::HEAD {
        return alone(job, body, (Outcome::Miss, cause), Some(NotStored::Method)).await;
    }
    let shared = &job.web.shared;
    let key = job.asked.key();
    if wants_part(&job.asked) && shared.store.is_partless(&key, now_ms()) {
        return alone(job, body, (Outcome::Miss, cause), Some(NotStored::Part)).await;
    }
    let name = shared.store.flight_name(&key, &forward::fields(&job.asked));
    let stands_in = StandIn::of(job, stale.as_ref());
    match shared.flights.board(&name, || fresh(job)) {
        Boarding::Landed(object) => hit(job, &object).await,
        Boarding::Full => match stands_in {
            Some(stands_in) => stands_in.answer(job).await,
            None => Err(Reason::LimitReached),
        },
        Boarding::Joined(mut reader) => match stands_in {
            Some(stands_in) if !stands_in.is_needless(&mut reader).await => {
                stands_in.answer(job).await
            }
            Some(_) | None => joined(job, reader, body, cause).await,
        },
        Boarding::Began(fill, reader) => {
            let (private, waiting) = oneshot::channel();
            let fetch = Fetch {
                job: job.clone(),
                key,
                name,
                fill,
                stale,
                private,
                part: None,
            };
            tokio::spawn(fetch.run());
            let mut reader = reader;
            match stands_in {
                Some(stands_in) if !stands_in.is_needless(&mut reader).await => {
                    tokio::spawn(read_to_the_end(reader));
                    stands_in.answer(job).await
                }
                Some(_) | None => began(job, reader, waiting, cause).await,
            }
        }
    }
}

async fn began(
    job: &Job,
    mut reader: Reader,
    waiting: oneshot::Receiver<PrivateAnswer>,
    cause: Cause,
) -> Result<Response<AnyBody>, Reason> {
    match reader.turn().await {
        Turn::Private => {
            let PrivateAnswer { answered, why } =
                waiting.await.map_err(|_| Reason::OriginUnreachable)?;
            // The whole, or more than the part, was asked for to be stored. A part is asked for as
            // the client did.
            let is_part = answered.response.status() == StatusCode::PARTIAL_CONTENT;
            if (why == NotStored::TooLarge || is_part) && wants_part(&job.asked) {
                drop(answered);
                return ask_alone(job, (Outcome::Miss, cause), Some(why)).await;
            }
            job.counts.count(Outcome::Miss);
            Ok(passed_on(job, answered, (Outcome::Miss, cause), Some(why)))
        }
        Turn::Shared { head, .. } => Ok(shared_turn(job, &head, reader, (Outcome::Miss, cause))),
        Turn::Sliced { object, .. } => sliced(job, &object, (Outcome::Miss, cause)).await,
        Turn::Confirmed(object) => confirmed(job, &object, Outcome::Revalidated).await,
        Turn::StandIn(object) => stored(job, &object, story(Outcome::Stale, cause)).await,
        Turn::Failed(reason) => {
            job.counts.count(Outcome::Miss);
            Err(reason)
        }
    }
}

async fn joined(
    job: &Job,
    mut reader: Reader,
    body: AnyBody,
    cause: Cause,
) -> Result<Response<AnyBody>, Reason> {
    match reader.turn().await {
        Turn::Shared { head, varies } => {
            if !varies.is_for(&job.asked) {
                drop(reader);
                let told = (Outcome::Miss, Cause::Variant);
                return alone(job, body, told, Some(NotStored::Varies)).await;
            }
            Ok(shared_turn(job, &head, reader, (Outcome::Joined, cause)))
        }
        Turn::Sliced { object, varies } => {
            if !varies.is_for(&job.asked) {
                let told = (Outcome::Miss, Cause::Variant);
                return alone(job, body, told, Some(NotStored::Varies)).await;
            }
            sliced(job, &object, (Outcome::Joined, cause)).await
        }
        Turn::Private => {
            drop(reader);
            alone(job, body, (Outcome::Bypass, Cause::Remembered), None).await
        }
        Turn::Confirmed(object) => confirmed(job, &object, Outcome::Joined).await,
        Turn::StandIn(object) => stored(job, &object, story(Outcome::Stale, cause)).await,
        Turn::Failed(reason) => {
            job.counts.count(Outcome::Joined);
            Err(reason)
        }
    }
}

fn wants_part(asked: &Asked) -> bool {
    asked.headers.contains_key(http::header::RANGE)
}

fn shared_turn(
    job: &Job,
    head: &super::object::Head,
    reader: Reader,
    (outcome, cause): (Outcome, Cause),
) -> Response<AnyBody> {
    job.counts.count(outcome);
    let story = Story {
        outcome,
        cause,
        forwarded: Some(head.status),
        not_stored: None,
    };
    serve::filling(&job.asked, head, reader, story)
}

async fn confirmed(
    job: &Job,
    object: &Object,
    outcome: Outcome,
) -> Result<Response<AnyBody>, Reason> {
    let story = Story {
        outcome,
        cause: Cause::Stale,
        forwarded: Some(StatusCode::NOT_MODIFIED),
        not_stored: None,
    };
    stored(job, object, story).await
}

async fn sliced(
    job: &Job,
    object: &Object,
    (outcome, cause): (Outcome, Cause),
) -> Result<Response<AnyBody>, Reason> {
    let story = Story {
        outcome,
        cause,
        forwarded: Some(object.head.status),
        not_stored: None,
    };
    stored(job, object, story).await
}

/// `only-if-cached` and nothing that is fresh (RFC 9111, section 5.2.1.7).
fn not_at_hand(job: &Job) -> Response<AnyBody> {
    job.counts.count(Outcome::Bypass);
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    let story = story(Outcome::Bypass, Cause::Asked).value(None);
    response.headers_mut().insert(CACHE_STATUS, story);
    response
}

/// Asks an upstream for this request alone.
async fn alone(
    job: &Job,
    body: AnyBody,
    told: (Outcome, Cause),
    why: Option<NotStored>,
) -> Result<Response<AnyBody>, Reason> {
    if !job.asked.has_body && job.asked.is_read() {
        return ask_alone(job, told, why).await;
    }
    job.counts.count(told.0);
    let headers = forward::fields(&job.asked);
    let requested_ms = now_ms();
    let answered = exchange::send(job, &job.asked.method, &headers, body).await?;
    let status = answered.response.status();
    // An unsafe method that succeeded changed what is stored (RFC 9111, section 4.4).
    let changed = !job.asked.is_read() && (status.is_success() || status.is_redirection());
    let response = passed_on(job, answered, told, why);
    if changed {
        let asked = job.asked.key();
        job.web.forget(&asked);
        for named in invalidation::named(&asked, response.headers()) {
            job.web.forget(&job.web.counted(named));
        }
    }
    Ok(posted::keep(job, response, requested_ms))
}

async fn ask_alone(
    job: &Job,
    told: (Outcome, Cause),
    why: Option<NotStored>,
) -> Result<Response<AnyBody>, Reason> {
    job.counts.count(told.0);
    let headers = forward::fields(&job.asked);
    let requested_ms = now_ms();
    let answered = exchange::ask(job, &job.asked.method, &headers, PATIENT).await?;
    if told.0 == Outcome::Bypass && why.is_none() {
        look_again(job, &answered, requested_ms);
    }
    Ok(passed_on(job, answered, told, why))
}

/// What was remembered as not storable may have become so: the next request begins a fill then.
fn look_again(job: &Job, answered: &Answered, requested_ms: u64) {
    let exchange = Exchange {
        method: &job.asked.method,
        request: &job.asked.headers,
        status: answered.response.status(),
        response: answered.response.headers(),
        requested_ms,
        responded_ms: now_ms(),
    };
    let small = length(answered.response.headers()).is_none_or(|length| length <= job.largest());
    if small && policy::policy(&exchange, &job.route().cache).is_ok() {
        job.web.shared.store.remove(&job.asked.key());
    }
}

/// An upstream's answer, passed on as it comes.
fn passed_on(
    job: &Job,
    answered: Answered,
    (outcome, cause): (Outcome, Cause),
    not_stored: Option<NotStored>,
) -> Response<AnyBody> {
    let (parts, body) = answered.response.into_parts();
    let headers = forward::response(
        &parts.headers,
        &job.asked,
        &answered.target,
        Some(job.route()),
    );
    let counts = job.counts.clone();
    let counted = body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            counts.fetched(data.len() as u64);
        }
        frame
    });
    let mut response = Response::new(counted.map_err(BodyError::from).boxed_unsync());
    *response.status_mut() = parts.status;
    *response.headers_mut() = headers;
    let told = response.headers_mut();
    // Of HEAD and 304 the length is told though no body comes.
    if let Some(length) = length(&parts.headers)
        && parts.status != StatusCode::NO_CONTENT
    {
        told.insert(CONTENT_LENGTH, length.into());
    }
    let story = Story {
        outcome,
        cause,
        forwarded: Some(parts.status),
        not_stored,
    };
    // Another edge of ours has told its own story already: ours stands after it (RFC 9211).
    told.append(CACHE_STATUS, story.value(None));
    response
}
