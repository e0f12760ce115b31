//! Fetching an object for all who wait: the task behind a fill.
//!
//! It outlives the client that began it as long as someone reads. Only a body that came whole is
//! stored; what was begun before a purge is not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use contract::reason::Reason;
use edge_core::cache::conditional;
use edge_core::cache::head;
use edge_core::cache::key::Key;
use edge_core::cache::policy::{self, Exchange, NotStored, Policy};
use edge_core::cache::range;
use edge_core::cache::vary;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, RANGE, SET_COOKIE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::oneshot;

use super::exchange::{self, Answered, IMPATIENT, PATIENT};
use super::fill::{Fill, Turn, Varying};
use super::forward;
use super::job::Job;
use super::object::{Head, Held, Object};
use super::slices::{SLICE_BYTES, Slices};
use super::source::Source;
use crate::clock::now_ms;

/// The largest body that is fetched at once and held whole, where its origin gives parts. Chosen:
/// longer than the segments of HLS and DASH, which are read from end to end.
const WHOLE_BYTES: u64 = 8 << 20;

/// An answer that is only for the one who began.
pub(super) struct PrivateAnswer {
    pub(super) answered: Answered,
    pub(super) why: NotStored,
}

/// One fetch.
pub(super) struct Fetch {
    pub(super) job: Job,
    pub(super) key: Key,
    /// The name under which requests join.
    pub(super) name: String,
    pub(super) fill: Arc<Fill>,
    /// What is stored and not fresh any more.
    pub(super) stale: Option<Arc<Object>>,
    pub(super) private: oneshot::Sender<PrivateAnswer>,
    /// The part that is asked for, where it is not the whole.
    pub(super) part: Option<FirstPart>,
}

/// Whole slices of an object of which nothing is known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstPart {
    from: u64,
    /// Without one, all that follows.
    until: Option<u64>,
}

/// What is known of an object from its first answer.
struct Whole {
    headers: HeaderMap,
    policy: Policy,
    length: u64,
    validator: HeaderValue,
}

/// What an answer is to the cache.
enum Kind {
    Stored(Policy),
    /// An origin's fault: those who wait get it too, nobody after them.
    Passing,
    Private(NotStored),
}

/// Ends the fill whatever happens, a panic included.
struct Landing {
    job: Job,
    name: String,
    fill: Arc<Fill>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.job.web.shared.flights.land(&self.name, &self.fill);
        self.fill.cut();
    }
}

impl Fetch {
    /// Fetches. Readers of the fill hear what becomes of it.
    pub(super) async fn run(mut self) {
        let _landing = Landing {
            job: self.job.clone(),
            name: self.name.clone(),
            fill: Arc::clone(&self.fill),
        };
        let mut headers = forward::fields(&self.job.asked);
        head::ask_for_all(&mut headers);
        let plain = headers.clone();
        self.part = self.first_part();
        if let Some(part) = &self.part {
            headers.insert(RANGE, range::ask(part.from, part.until));
        }
        let confirms = self
            .stale
            .as_ref()
            .is_some_and(|stale| conditional::confirm(&mut headers, &stale.head.headers));
        let requested_ms = now_ms();
        let answered = match self.ask(&headers).await {
            Ok(answered) => answered,
            Err(reason) => return self.failed(reason),
        };
        if confirms && answered.response.status() == StatusCode::NOT_MODIFIED {
            return self.confirmed(&answered, &plain, requested_ms);
        }
        self.answered(answered, plain, requested_ms).await;
    }

    /// The slices that the client's first range lies in, unless the whole is held at once.
    fn first_part(&self) -> Option<FirstPart> {
        let is_whole = |object: &Arc<Object>| matches!(object.body, Held::Whole { .. });
        if self.stale.as_ref().is_some_and(is_whole) {
            return None;
        }
        let (from, until) = range::first(&self.job.asked.headers)?;
        Some(FirstPart {
            from: from / SLICE_BYTES * SLICE_BYTES,
            until: until.map(|until| until.div_ceil(SLICE_BYTES).saturating_mul(SLICE_BYTES)),
        })
    }

    async fn ask(&self, headers: &HeaderMap) -> Result<Answered, Reason> {
        let patience = if self.stand_in().is_some() {
            IMPATIENT
        } else {
            PATIENT
        };
        exchange::ask(&self.job, &Method::GET, headers, patience).await
    }

    /// What is stale, and may be used when the origin fails.
    fn stand_in(&self) -> Option<Arc<Object>> {
        let stale = self.stale.as_ref();
        stale
            .filter(|stale| stale.head.policy.may_stand_in(now_ms()))
            .cloned()
    }

    fn failed(&self, reason: Reason) {
        self.fill.turn(match self.stand_in() {
            Some(stale) => Turn::StandIn(stale),
            None => Turn::Failed(reason),
        });
    }

    /// Takes a 304.
    fn confirmed(&self, answered: &Answered, sent: &HeaderMap, requested_ms: u64) {
        let Some(stale) = &self.stale else {
            return;
        };
        let said = self.public(answered);
        let headers = conditional::updated(&stale.head.headers, &said);
        let exchange = Exchange {
            method: &Method::GET,
            request: sent,
            status: stale.head.status,
            response: &headers,
            requested_ms,
            responded_ms: now_ms(),
        };
        let policy = policy::policy(&exchange, &self.job.route().cache);
        let object = Arc::new(Object {
            head: Head {
                headers: headers.clone(),
                policy: policy.unwrap_or(Policy::passing(now_ms())),
                ..stale.head.clone()
            },
            ..Object::clone(stale)
        });
        match policy {
            Ok(_) => self.store(&object),
            Err(_) => drop(self.job.web.shared.store.remove(&self.key)),
        }
        self.fill.turn(Turn::Confirmed(object));
    }

    fn public(&self, answered: &Answered) -> HeaderMap {
        forward::response(
            answered.response.headers(),
            &self.job.asked,
            &answered.target,
            Some(self.job.route()),
        )
    }

    fn store(&self, object: &Arc<Object>) {
        if !self.fill.outdated.load(Ordering::Acquire) {
            let shared = &self.job.web.shared;
            let request = forward::fields(&self.job.asked);
            shared.store.insert(&self.key, &request, Arc::clone(object));
            // A purge may have come between the two.
            if self.fill.outdated.load(Ordering::Acquire) {
                shared.store.remove(&self.key);
            }
        }
    }

    async fn answered(self, answered: Answered, sent: HeaderMap, requested_ms: u64) {
        let status = answered.response.status();
        if is_fault(status)
            && let Some(stale) = self.stand_in()
        {
            return self.fill.turn(Turn::StandIn(stale));
        }
        if status == StatusCode::PARTIAL_CONTENT
            && let Some(part) = self.part
        {
            return self.part_came(answered, sent, requested_ms, part);
        }
        let headers = self.public(&answered);
        let raw = answered.response.headers();
        let length = length(raw);
        let validator = range::strong_validator(raw).filter(|_| status == StatusCode::OK);
        let exchange = Exchange {
            method: &Method::GET,
            request: &sent,
            status,
            response: &headers,
            requested_ms,
            responded_ms: now_ms(),
        };
        if let Some(length) =
            length.filter(|length| WHOLE_BYTES < *length && *length <= self.job.most())
            && let Some(validator) = &validator
            && gives_parts(raw)
            && let Ok(policy) = policy::policy(&exchange, &self.job.route().cache)
        {
            let whole = Whole {
                headers,
                policy,
                length,
                validator: validator.clone(),
            };
            return self.sliced(whole, 0, length, sent, answered);
        }
        let policy = match self.kind(&exchange, raw, length) {
            Kind::Stored(policy) => Some(policy),
            Kind::Passing => None,
            Kind::Private(why) => return self.private(answered, why),
        };
        let Some(names) = vary::fields(&headers) else {
            return self.private(answered, NotStored::Varies);
        };
        let head = Arc::new(Head {
            status,
            headers,
            policy: policy.unwrap_or(Policy::passing(now_ms())),
            length,
            route: self.job.passage.route,
        });
        let varies = Arc::new(Varying {
            selected: vary::selected(&names, &forward::fields(&self.job.asked)),
            names,
        });
        self.fill.turn(Turn::Shared {
            head: Arc::clone(&head),
            varies,
        });
        let source = Source::new(
            self.job.clone(),
            sent,
            validator,
            (0, length),
            answered.response.into_body(),
        );
        if !self.pump(source).await {
            return;
        }
        if policy.is_some()
            && let Some((chunks, size)) = self.fill.kept()
        {
            self.store(&Arc::new(Object {
                head: Head {
                    length: Some(size),
                    ..Head::clone(&head)
                },
                body: Held::Whole {
                    chunks,
                    size,
                    generation: self.job.web.shared.store.generation(now_ms()),
                },
            }));
        }
        // Stored first, then over: who comes between the two finds one or the other.
        self.job.web.shared.flights.land(&self.name, &self.fill);
        self.fill.finish();
    }

    fn kind(&self, exchange: &Exchange<'_>, raw: &HeaderMap, length: Option<u64>) -> Kind {
        let ends_are_seen = length.is_some()
            || raw.contains_key(TRANSFER_ENCODING)
            || exchange.status == StatusCode::NO_CONTENT;
        match policy::policy(exchange, &self.job.route().cache) {
            Ok(_) if length.is_some_and(|length| length > self.job.largest()) => {
                Kind::Private(NotStored::TooLarge)
            }
            // A body that ends with its connection cannot be told from one that was cut.
            Ok(_) if !ends_are_seen => Kind::Private(NotStored::NeverFresh),
            Ok(policy) => Kind::Stored(policy),
            Err(NotStored::Status | NotStored::NeverFresh)
                if is_fault(exchange.status)
                    && ends_are_seen
                    && !exchange.request.contains_key(AUTHORIZATION)
                    && !exchange.response.contains_key(SET_COOKIE) =>
            {
                Kind::Passing
            }
            Err(why) => Kind::Private(why),
        }
    }

    /// The answer is only for the one who began; the others are told to ask for themselves, and
    /// those who come later do not wait at all.
    fn private(self, answered: Answered, why: NotStored) {
        let shared = &self.job.web.shared;
        let status = answered.response.status();
        // A part that is not there tells nothing of the object.
        if !is_fault(status)
            && status != StatusCode::RANGE_NOT_SATISFIABLE
            && why != NotStored::Part
        {
            shared.store.mark_unstorable(&self.key, now_ms());
        }
        shared.flights.land(&self.name, &self.fill);
        self.fill.turn(Turn::Private);
        // Nobody is there any more to take it: the answer goes.
        let _ = self.private.send(PrivateAnswer { answered, why });
    }

    /// A part came, as it was asked for.
    fn part_came(self, answered: Answered, sent: HeaderMap, requested_ms: u64, part: FirstPart) {
        let mut headers = self.public(&answered);
        headers.remove(CONTENT_RANGE);
        let exchange = Exchange {
            method: &Method::GET,
            request: &sent,
            // What is stored is the whole, of which this is a part (RFC 9111, section 3.3).
            status: StatusCode::OK,
            response: &headers,
            requested_ms,
            responded_ms: now_ms(),
        };
        let policy = match policy::policy(&exchange, &self.job.route().cache) {
            Ok(policy) => policy,
            Err(why) => return self.private(answered, why),
        };
        let raw = answered.response.headers();
        let validator = range::strong_validator(raw);
        let brought = range::brought(raw).filter(|(brought, _)| brought.from == part.from);
        let (Some(validator), Some((_, length))) = (validator, brought) else {
            let shared = &self.job.web.shared;
            shared.store.mark_partless(&self.key, now_ms());
            return self.private(answered, NotStored::Part);
        };
        if length > self.job.most() {
            return self.private(answered, NotStored::TooLarge);
        }
        let whole = Whole {
            headers,
            policy,
            length,
            validator,
        };
        let until = part.until.map_or(length, |until| until.min(length));
        self.sliced(whole, part.from, until, sent, answered);
    }

    /// The object is held in slices. The answer's body brings those of this part; who reads says how
    /// far it is taken.
    fn sliced(self, whole: Whole, from: u64, until: u64, sent: HeaderMap, answered: Answered) {
        let Some(names) = vary::fields(&whole.headers) else {
            return self.private(answered, NotStored::Varies);
        };
        let shared = Arc::clone(&self.job.web.shared);
        let generation = shared.store.generation(now_ms());
        let slices = Slices::new(generation, whole.length, Some(whole.validator.clone()));
        let object = Arc::new(Object {
            head: Head {
                status: StatusCode::OK,
                headers: whole.headers,
                policy: whole.policy,
                length: Some(whole.length),
                route: self.job.passage.route,
            },
            body: Held::Slices(Arc::clone(&slices)),
        });
        if let Some((run, _)) = slices.begin(Slices::of_part(from, until)) {
            let validator = Some(whole.validator);
            let body = answered.response.into_body();
            let part = (from, Some(until));
            let source = Source::new(self.job.clone(), sent, validator, part, body);
            tokio::spawn(run.run(self.job.clone(), Some(source)));
        }
        self.store(&object);
        shared.flights.land(&self.name, &self.fill);
        let varies = Arc::new(Varying {
            selected: vary::selected(&names, &forward::fields(&self.job.asked)),
            names,
        });
        self.fill.turn(Turn::Sliced { object, varies });
    }

    /// Moves the body into the fill; `false` if it broke off or nobody reads any more.
    async fn pump(&self, mut source: Source) -> bool {
        while let Some(piece) = source.next().await {
            let Ok(piece) = piece else { return false };
            if !self.fill.push(piece, self.job.largest()).await {
                return false;
            }
        }
        true
    }
}

/// Whether the origin says that it gives parts of it.
fn gives_parts(headers: &HeaderMap) -> bool {
    let units = headers.get(ACCEPT_RANGES);
    units.is_some_and(|units| units.as_bytes().eq_ignore_ascii_case(b"bytes"))
}

fn is_fault(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
