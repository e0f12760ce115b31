//! Answers from what is at hand: a stored object, or a fill on its way. Conditions and ranges of
//! the client are answered here; what an object lacks comes as it is read.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use bytes::Bytes;
use contract::counts::Outcome;
use edge_core::cache::conditional;
use edge_core::cache::policy::NotStored;
use edge_core::cache::range::{self, Part, Wanted};
use edge_core::cache::status::{CACHE_STATUS, CacheStatus, Cause};
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, DATE, LAST_MODIFIED,
};
use http::{HeaderValue, Method, Response, StatusCode};

use super::asked::Asked;
use super::body::{self, AnyBody};
use super::fill::Reader;
use super::job::Job;
use super::object::{Head, Held, Object};
use super::slices::{Broke, SliceReader};
use crate::clock::now_ms;

/// How an answer came to be, for the client to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    pub(super) outcome: Outcome,
    pub(super) cause: Cause,
    pub(super) forwarded: Option<StatusCode>,
    pub(super) not_stored: Option<NotStored>,
}

impl Story {
    pub(super) fn value(self, fresh_for_ms: Option<i64>) -> HeaderValue {
        CacheStatus {
            outcome: self.outcome,
            cause: self.cause,
            forwarded: self.forwarded,
            not_stored: self.not_stored,
            fresh_for_ms,
        }
        .value()
    }
}

/// A stored object as the answer. What it lacks is fetched.
///
/// # Errors
/// Why the first bytes did not come.
pub(super) async fn object(
    job: &Job,
    object: &Object,
    story: Story,
) -> Result<Response<AnyBody>, Broke> {
    let asked = &job.asked;
    let (mut response, sent) = plan(asked, &object.head, Some(object.size()), story);
    if asked.method == Method::HEAD {
        return Ok(response);
    }
    let mut bodies = Vec::new();
    for (text, part) in sent.in_order() {
        bodies.extend(text.map(body::text));
        let Some(part) = part else { continue };
        bodies.push(match &object.body {
            Held::Whole { chunks, .. } => body::part(chunks, part),
            Held::Slices(slices) => {
                let mut reader = SliceReader::new(job, slices, part.from, part.until);
                if bodies.len() <= 1 {
                    reader.ready().await?;
                }
                body::sliced(reader)
            }
        });
    }
    *response.body_mut() = one(bodies);
    Ok(response)
}

/// A fill as the answer.
pub(super) fn filling(
    asked: &Asked,
    head: &Head,
    reader: Reader,
    story: Story,
) -> Response<AnyBody> {
    let (mut response, sent) = plan(asked, head, head.length, story);
    let mut bodies = Vec::new();
    for (text, part) in sent.in_order() {
        bodies.extend(text.map(body::text));
        bodies.extend(part.map(|part| body::filling(reader.another(part.from, part.until))));
    }
    *response.body_mut() = one(bodies);
    response
}

fn one(mut bodies: Vec<AnyBody>) -> AnyBody {
    match bodies.len() {
        0 => body::empty(),
        1 => bodies.remove(0),
        _ => body::chain(bodies),
    }
}

/// What goes as the body.
enum Sent {
    Nothing,
    Part(Part),
    /// Parts, each with the text before it, and the text at the end.
    Parts(Vec<(Bytes, Part)>, Bytes),
}

impl Sent {
    fn in_order(self) -> Vec<(Option<Bytes>, Option<Part>)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Part(part) => vec![(None, Some(part))],
            Self::Parts(parts, end) => parts
                .into_iter()
                .map(|(text, part)| (Some(text), Some(part)))
                .chain([(Some(end), None)])
                .collect(),
        }
    }
}

fn plan(
    asked: &Asked,
    head: &Head,
    length: Option<u64>,
    story: Story,
) -> (Response<AnyBody>, Sent) {
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
    if head.status == StatusCode::OK {
        if conditional::is_known(&asked.headers, &head.headers) {
            not_modified(&mut response);
            return (response, Sent::Nothing);
        }
        if let Some(length) = length {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            match wanted(asked, head, length) {
                Wanted::Whole => {}
                Wanted::Part(part) => {
                    partial(&mut response, part, length);
                    return (response, Sent::Part(part));
                }
                Wanted::Parts(parts) => {
                    let sent = multipart(&mut response, parts, length);
                    return (response, sent);
                }
                Wanted::Nothing => {
                    unsatisfiable(&mut response, length);
                    return (response, Sent::Nothing);
                }
            }
        }
    }
    if let Some(length) = length
        && head.status != StatusCode::NO_CONTENT
    {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    let whole = Part {
        from: 0,
        until: length.unwrap_or(u64::MAX),
    };
    (response, Sent::Part(whole))
}

/// Which bytes of an object of this length the request asks for; only `GET` asks for parts (RFC
/// 9110, section 14.2).
pub(super) fn wanted(asked: &Asked, head: &Head, length: u64) -> Wanted {
    if asked.method == Method::GET {
        range::wanted(&asked.headers, &head.headers, length)
    } else {
        Wanted::Whole
    }
}

/// Several parts in one body (RFC 9110, section 14.6).
fn multipart(response: &mut Response<AnyBody>, parts: Vec<Part>, length: u64) -> Sent {
    // Nobody who makes an object can know it, and so no object holds it.
    let random = || RandomState::new().build_hasher().finish();
    let boundary = format!("weir-{:016x}{:016x}", random(), random());
    let headers = response.headers_mut();
    let kind = headers.remove(CONTENT_TYPE);
    let before = |part: &Part| {
        let mut text = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(kind) = &kind {
            text.extend_from_slice(b"Content-Type: ");
            text.extend_from_slice(kind.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(
            format!("Content-Range: {}\r\n\r\n", told(*part, length)).as_bytes(),
        );
        Bytes::from(text)
    };
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let parts: Vec<(Bytes, Part)> = parts
        .into_iter()
        .map(|part| (before(&part), part))
        .collect();
    let size: u64 = parts
        .iter()
        .map(|(text, part)| text.len() as u64 + part.size())
        .sum();
    headers.insert(CONTENT_LENGTH, (size + end.len() as u64).into());
    let kind = format!("multipart/byteranges; boundary={boundary}");
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    Sent::Parts(parts, end)
}

fn told(part: Part, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.from, part.until - 1)
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

fn partial(response: &mut Response<AnyBody>, part: Part, length: u64) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, part.size().into());
    if let Ok(range) = HeaderValue::from_str(&told(part, length)) {
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
