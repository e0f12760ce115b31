//! Answers to `POST` that are answers to `GET` too (RFC 9110, section 9.3.3): those that name a lifetime, and by
//! `Content-Location` the address that was asked. They are stored as they pass.

use std::sync::Arc;

use edge_core::cache::invalidation;
use edge_core::cache::policy::{self, Exchange};
use edge_core::cache::status::CACHE_STATUS;
use http::header::AGE;
use http::{Method, Response};
use http_body_util::BodyExt as _;

use super::body::AnyBody;
use super::fetch::length;
use super::forward;
use super::job::Job;
use super::object::{Head, Held, Object};
use crate::clock::now_ms;

/// The largest such answer; chosen, because what is posted is answered briefly.
const MOST_BYTES: u64 = 1 << 20;

/// Stores an answer to `POST`, if it may be, when its body has come whole.
pub(super) fn keep(job: &Job, response: Response<AnyBody>, requested_ms: u64) -> Response<AnyBody> {
    let asked = &job.asked;
    let cache = &job.route().cache;
    if asked.method != Method::POST || job.is_relayed {
        return response;
    }
    let mut headers = response.headers().clone();
    headers.remove(CACHE_STATUS);
    let Some(length) =
        length(&headers).filter(|length| (1..=MOST_BYTES.min(job.largest())).contains(length))
    else {
        return response;
    };
    let key = asked.key();
    let names_itself = invalidation::content_location(&key, &headers)
        .is_some_and(|named| job.web.counted(named) == key);
    let request = forward::fields(asked);
    let exchange = Exchange {
        method: &asked.method,
        request: &request,
        status: response.status(),
        response: &headers,
        requested_ms,
        responded_ms: now_ms(),
    };
    let policy = match policy::policy(&exchange, cache) {
        Ok(policy) if names_itself => policy,
        Ok(_) | Err(_) => return response,
    };
    headers.remove(AGE);
    let head = Head {
        status: response.status(),
        headers,
        policy,
        length: Some(length),
        route: job.passage.route,
    };
    let shared = Arc::clone(&job.web.shared);
    let purges = shared.flights.purges();
    let (mut chunks, mut size) = (Vec::new(), 0);
    response.map(|body| {
        let passing = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                size += data.len() as u64;
                chunks.push(data.clone());
            }
            if size == length && !chunks.is_empty() && shared.flights.purges() == purges {
                let body = Held::Whole {
                    chunks: std::mem::take(&mut chunks).into(),
                    size,
                    generation: shared.store.generation(now_ms()),
                };
                let head = head.clone();
                shared
                    .store
                    .insert(&key, &request, Arc::new(Object { head, body }));
            }
            frame
        });
        passing.boxed_unsync()
    })
}
