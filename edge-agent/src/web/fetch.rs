//! Fetching an object for all who wait: the task behind a fill.
//!
//! It outlives the client that began it as long as someone reads. Only a body that came whole is
//! stored; what was begun before a purge is not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contract::reason::Reason;
use edge_core::cache::conditional;
use edge_core::cache::head;
use edge_core::cache::key::Key;
use edge_core::cache::policy::{self, Exchange, NotStored, Policy};
use edge_core::cache::vary;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::exchange::{self, Answered, IMPATIENT, PATIENT};
use super::fill::{Fill, Turn, Varying};
use super::forward;
use super::job::Job;
use super::object::{Head, Object};
use crate::clock::now_ms;

/// How long an origin may be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);

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
    pub(super) async fn run(self) {
        let _landing = Landing {
            job: self.job.clone(),
            name: self.name.clone(),
            fill: Arc::clone(&self.fill),
        };
        let mut headers = forward::fields(&self.job.asked);
        head::ask_for_all(&mut headers);
        let plain = headers.clone();
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
        let headers = self.public(&answered);
        let raw = answered.response.headers();
        let length = length(raw);
        let exchange = Exchange {
            method: &Method::GET,
            request: &sent,
            status,
            response: &headers,
            requested_ms,
            responded_ms: now_ms(),
        };
        let policy = match self.kind(&exchange, raw, length) {
            Kind::Stored(policy) => Some(policy),
            Kind::Passing => None,
            Kind::Private(why) => return self.private(answered, why),
        };
        let Some(names) = vary::fields(&headers) else {
            return self.private(answered, NotStored::Varies);
        };
        let request = forward::fields(&self.job.asked);
        let head = Arc::new(Head {
            status,
            headers,
            policy: policy.unwrap_or(Policy::passing(now_ms())),
            length,
            route: self.job.passage.route,
        });
        self.fill.turn(Turn::Shared {
            head: Arc::clone(&head),
            varies: Arc::new(Varying {
                selected: vary::selected(&names, &request),
                names,
            }),
        });
        let whole = self.pump(answered.response.into_body()).await;
        if !whole {
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
                chunks,
                size,
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
        if !is_fault(answered.response.status()) {
            shared.store.mark_unstorable(&self.key, now_ms());
        }
        shared.flights.land(&self.name, &self.fill);
        self.fill.turn(Turn::Private);
        // Nobody is there any more to take it: the answer goes.
        let _ = self.private.send(PrivateAnswer { answered, why });
    }

    /// Moves the body into the fill; `false` if it broke off or nobody reads any more.
    async fn pump(&self, mut body: Incoming) -> bool {
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Ok(None) => return true,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "an origin's answer broke off");
                    return false;
                }
                Err(_) => return false,
            };
            if let Ok(data) = frame.into_data() {
                self.job.counts.fetched(data.len() as u64);
                if !self.fill.push(data, self.job.largest()).await {
                    return false;
                }
            }
        }
    }
}

fn is_fault(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
