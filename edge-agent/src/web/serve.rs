//! Answers from what is at hand: a stored object, or a fill on its way. Conditions and ranges of
//! the client are answered here.

use contract::counts::Outcome;
use edge_core::cache::conditional;
use edge_core::cache::policy::NotStored;
use edge_core::cache::range::{self, Wanted};
use edge_core::cache::status::{CACHE_STATUS, CacheStatus};
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, DATE, LAST_MODIFIED,
};
use http::{HeaderValue, Method, Response, StatusCode};

use super::asked::Asked;
use super::body::{self, AnyBody};
use super::fill::Reader;
use super::object::{Head, Object};
use crate::clock::now_ms;

/// How an answer came to be, for the client to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    pub(super) outcome: Outcome,
    pub(super) forwarded: Option<StatusCode>,
    pub(super) not_stored: Option<NotStored>,
}

impl Story {
    pub(super) fn value(self, fresh_for_ms: Option<i64>) -> HeaderValue {
        CacheStatus {
            outcome: self.outcome,
            forwarded: self.forwarded,
            not_stored: self.not_stored,
            fresh_for_ms,
        }
        .value()
    }
}

/// A stored object as the answer.
pub(super) fn object(asked: &Asked, object: &Object, story: Story) -> Response<AnyBody> {
    let (mut response, part) = plan(asked, &object.head, Some(object.size), story);
    *response.body_mut() = match part {
        _ if asked.method == Method::HEAD => body::empty(),
        Part::Nothing => body::empty(),
        Part::Of { from, until } => body::stored(object, from, until),
    };
    response
}

/// A fill as the answer.
pub(super) fn filling(
    asked: &Asked,
    head: &Head,
    reader: Reader,
    story: Story,
) -> Response<AnyBody> {
    let (mut response, part) = plan(asked, head, head.length, story);
    *response.body_mut() = match part {
        Part::Nothing => body::empty(),
        Part::Of { from, until } => body::filling(reader.part(from, until)),
    };
    response
}

/// Which part of the body goes.
enum Part {
    Nothing,
    Of { from: u64, until: u64 },
}

fn plan(
    asked: &Asked,
    head: &Head,
    length: Option<u64>,
    story: Story,
) -> (Response<AnyBody>, Part) {
    let now_ms = now_ms();
    let mut response = Response::new(body::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    let headers = response.headers_mut();
    headers.insert(AGE, (head.policy.age_ms(now_ms) / 1_000).into());
    headers.insert(
        CACHE_STATUS,
        story.value(Some(head.policy.fresh_for_ms(now_ms))),
    );
    if !headers.contains_key(DATE)
        && let Ok(date) =
            HeaderValue::from_str(&httpdate::fmt_http_date(std::time::SystemTime::now()))
    {
        headers.insert(DATE, date);
    }
    let whole = Part::Of {
        from: 0,
        until: length.unwrap_or(u64::MAX),
    };
    if head.status == StatusCode::OK {
        if conditional::is_known(&asked.headers, &head.headers) {
            not_modified(&mut response);
            return (response, Part::Nothing);
        }
        if let Some(length) = length {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            match range::wanted(&asked.headers, &head.headers, length) {
                Wanted::Whole => {}
                Wanted::Part { from, until } => {
                    partial(&mut response, from, until, length);
                    return (response, Part::Of { from, until });
                }
                Wanted::Nothing => {
                    unsatisfiable(&mut response, length);
                    return (response, Part::Nothing);
                }
            }
        }
    }
    if let Some(length) = length
        && head.status != StatusCode::NO_CONTENT
    {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    (response, whole)
}

/// Fields that describe a body do not stand in a 304 (RFC 9110, section 15.4.5).
fn not_modified(response: &mut Response<AnyBody>) {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
        response.headers_mut().remove(name);
    }
    if response.headers().contains_key(http::header::ETAG) {
        response.headers_mut().remove(LAST_MODIFIED);
    }
}

fn partial(response: &mut Response<AnyBody>, from: u64, until: u64, length: u64) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let last = until - 1;
    let range = format!("bytes {from}-{last}/{length}");
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, (until - from).into());
    if let Ok(range) = HeaderValue::from_str(&range) {
        headers.insert(CONTENT_RANGE, range);
    }
}

fn unsatisfiable(response: &mut Response<AnyBody>, length: u64) {
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.insert(CONTENT_LENGTH, 0.into());
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
        headers.insert(CONTENT_RANGE, range);
    }
}
