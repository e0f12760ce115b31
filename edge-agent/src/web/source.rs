//! The body of an answer as it comes from an upstream; where it breaks off it is asked for again
//! from there on, if the object has a validator that tells every change.
//!
//! Bytes come out in order, each once. It knows nothing of who reads them.

use std::time::Duration;

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::cache::range;
use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::exchange::{self, PATIENT};
use super::job::Job;

/// How long an origin may be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a body is taken up again. Chosen, because an origin that breaks off three times in one
/// answer will do it in the next.
const MOST_TRIES: u32 = 3;

/// A body on its way.
pub(super) struct Source {
    job: Job,
    headers: HeaderMap,
    validator: Option<HeaderValue>,
    at: u64,
    /// Where it ends, if that is known.
    until: Option<u64>,
    body: Incoming,
    tries: u32,
}

/// The body broke off for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Why a part did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPart {
    /// The origin has another object there now, or gives no parts of it.
    Changed,
    /// The origin fails.
    Failed(Reason),
}

/// Which part is asked for, of which generation of an object.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The fields of the request, without conditions and ranges.
    pub(super) headers: HeaderMap,
    pub(super) validator: HeaderValue,
    pub(super) from: u64,
    pub(super) until: u64,
    /// The length of the whole object.
    pub(super) length: u64,
}

impl Source {
    /// The body of an answer that came. `headers` are those of its request without conditions and
    /// ranges, `at` and `until` say which part of the object it is.
    pub(super) fn new(
        job: Job,
        headers: HeaderMap,
        validator: Option<HeaderValue>,
        (at, until): (u64, Option<u64>),
        body: Incoming,
    ) -> Self {
        Self {
            job,
            headers,
            validator,
            at,
            until,
            body,
            tries: 0,
        }
    }

    /// Asks for a part.
    ///
    /// # Errors
    /// [`NoPart`].
    pub(super) async fn ask(job: &Job, wish: Wish) -> Result<Self, NoPart> {
        let mut headers = wish.headers.clone();
        let open = wish.until == wish.length;
        let asked = range::ask(wish.from, (!open).then_some(wish.until));
        headers.insert(RANGE, asked);
        headers.insert(IF_RANGE, wish.validator.clone());
        let answered = exchange::ask(job, &Method::GET, &headers, PATIENT).await;
        let response = answered.map_err(NoPart::Failed)?.response;
        if response.status().is_server_error() {
            return Err(NoPart::Failed(Reason::OriginUnreachable));
        }
        let brought = range::brought(response.headers());
        let fits = response.status() == StatusCode::PARTIAL_CONTENT
            && brought
                .is_some_and(|(part, length)| part.from == wish.from && length == wish.length)
            && range::is_of(&wish.validator, response.headers());
        if !fits {
            return Err(NoPart::Changed);
        }
        Ok(Self::new(
            job.clone(),
            wish.headers,
            Some(wish.validator),
            (wish.from, Some(wish.until)),
            response.into_body(),
        ))
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        loop {
            let left = self.until.map(|until| until.saturating_sub(self.at));
            if left == Some(0) {
                return None;
            }
            match timeout(SILENCE, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    let left = left.and_then(|left| usize::try_from(left).ok());
                    data.truncate(left.unwrap_or(usize::MAX));
                    self.at += data.len() as u64;
                    self.job.counts.fetched(data.len() as u64);
                    return Some(Ok(data));
                }
                Ok(None) if left.is_none() => return None,
                Ok(None) => {}
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "an origin's answer broke off");
                }
                Err(_) => tracing::debug!("an origin fell silent in the middle of an answer"),
            }
            if let Err(broken) = self.resume().await {
                return Some(Err(broken));
            }
        }
    }

    /// Asks for the rest.
    async fn resume(&mut self) -> Result<(), Broken> {
        let (Some(validator), Some(until)) = (&self.validator, self.until) else {
            return Err(Broken);
        };
        if self.tries >= MOST_TRIES {
            return Err(Broken);
        }
        self.tries += 1;
        let mut headers = self.headers.clone();
        headers.insert(RANGE, range::ask(self.at, Some(until)));
        headers.insert(IF_RANGE, validator.clone());
        let answered = exchange::ask(&self.job, &Method::GET, &headers, PATIENT).await;
        let response = answered.map_err(|_| Broken)?.response;
        let fits = response.status() == StatusCode::PARTIAL_CONTENT
            && range::brought(response.headers()).is_some_and(|(part, _)| part.from == self.at)
            && range::is_of(validator, response.headers());
        if !fits {
            return Err(Broken);
        }
        self.body = response.into_body();
        Ok(())
    }
}
