//! Whether an answer may be stored, and how long it is fresh (RFC 9111, sections 3 and 4.2).
//!
//! A request's own wish for a fresher answer (`no-cache`, `max-age`) is not followed: a fresh
//! object does not touch the origin, whoever asks (laws.md, 4.5); purging is how it is renewed.

use contract::route::CacheSettings;
use http::header::{
    AGE, AUTHORIZATION, CONTENT_TYPE, COOKIE, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE, VARY,
};
use http::{HeaderMap, Method, StatusCode};

use super::date;
use super::directives::{Directives, delta_seconds};

/// How long a stale object may stand in for an origin that fails, where the answer does not say;
/// chosen, because within a day somebody repairs the origin.
const STALE_IF_ERROR_MS: u64 = 24 * 60 * 60 * 1_000;

/// The longest lifetime that is guessed; chosen, because nobody can purge what he does not know of.
const LONGEST_GUESS_MS: u64 = 24 * 60 * 60 * 1_000;
/// What stands in the media types of HLS and DASH playlists (RFC 8216, section 4; ISO/IEC 23009-1).
const PLAYLISTS: [&str; 2] = ["mpegurl", "dash+xml"];

/// A request and its answer, as far as storing needs them.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's fields, as they were sent to the origin.
    pub request: &'a HeaderMap,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's fields.
    pub response: &'a HeaderMap,
    /// When the request was sent, in Unix milliseconds.
    pub requested_ms: u64,
    /// When the answer's head came.
    pub responded_ms: u64,
}

/// For how long an object is fresh, and what may be done with it afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    responded_ms: u64,
    initial_age_ms: u64,
    lifetime_ms: u64,
    stale_ms: u64,
}

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// The route stores nothing.
    Route,
    /// The method's answers are not stored.
    Method,
    /// The request or the answer says `no-store`.
    NoStore,
    /// The answer is for one user: `private`, a cookie, or a request that named its user.
    Private,
    /// Its status cannot be stored.
    Status,
    /// It is for this request only: `Vary: *`.
    Varies,
    /// It would never be fresh, and cannot be made so again.
    NeverFresh,
    /// It is larger than the route stores.
    TooLarge,
    /// It is a part, and nothing tells of which generation of its object.
    Part,
}

impl NotStored {
    /// The word for `Cache-Status`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Method => "method",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Status => "status",
            Self::Varies => "vary",
            Self::NeverFresh => "never-fresh",
            Self::TooLarge => "too-large",
            Self::Part => "part",
        }
    }
}

/// Whether the answer may be stored.
///
/// # Errors
/// [`NotStored`] says why not.
pub fn policy(exchange: &Exchange<'_>, settings: &CacheSettings) -> Result<Policy, NotStored> {
    if !settings.enabled || settings.max_object_bytes == 0 {
        return Err(NotStored::Route);
    }
    if exchange.method != Method::GET {
        return Err(NotStored::Method);
    }
    let asked = Directives::of(exchange.request);
    let said = Directives::of(exchange.response);
    // Who says `must-understand` beside `no-store` speaks to caches that do (RFC 9111, section 5.2.2.3).
    if asked.no_store || (said.no_store && !said.must_understand) {
        return Err(NotStored::NoStore);
    }
    if said.must_understand && !is_understood(exchange.status) {
        return Err(NotStored::Status);
    }
    if is_private(exchange, &said) {
        return Err(NotStored::Private);
    }
    if varies_always(exchange.response) {
        return Err(NotStored::Varies);
    }
    let of_another = [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
    if of_another.contains(&exchange.status) || exchange.status.is_informational() {
        return Err(NotStored::Status);
    }
    let lifetime_ms = lifetime_ms(exchange, &said, settings)?;
    let can_be_confirmed =
        exchange.response.contains_key(ETAG) || exchange.response.contains_key(LAST_MODIFIED);
    let policy = Policy {
        responded_ms: exchange.responded_ms,
        initial_age_ms: initial_age_ms(exchange),
        lifetime_ms,
        stale_ms: stale_ms(&said),
    };
    if !can_be_confirmed && !policy.is_fresh(exchange.responded_ms) {
        return Err(NotStored::NeverFresh);
    }
    Ok(policy)
}

fn is_private(exchange: &Exchange<'_>, said: &Directives) -> bool {
    let for_all = said.public || said.s_maxage.is_some();
    // RFC 9111, section 3.5.
    let named = exchange.request.contains_key(AUTHORIZATION) && !(for_all || said.must_revalidate);
    // A cookie does not keep an answer from being stored (RFC 9111, section 7.3), but only who names
    // a lifetime has thought of it.
    let sets_cookie = exchange.response.contains_key(SET_COOKIE) && !for_all;
    let says_how_long = said.max_age.is_some() || exchange.response.contains_key(EXPIRES);
    said.private || named || (sets_cookie && !says_how_long)
}

fn varies_always(response: &HeaderMap) -> bool {
    response.get_all(VARY).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|name| name.trim_ascii() == b"*")
    })
}

/// Statuses that may be stored without an explicit lifetime (RFC 9110, section 15.1).
const fn is_heuristic(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Statuses of which this cache knows what they ask of it (RFC 9110, section 15).
const fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status)
        || matches!(
            status.as_u16(),
            302 | 303 | 307 | 400 | 403 | 500 | 502..=504
        )
}

fn lifetime_ms(
    exchange: &Exchange<'_>,
    said: &Directives,
    settings: &CacheSettings,
) -> Result<u64, NotStored> {
    let given_ms = said
        .s_maxage
        .or(said.max_age)
        .map(|seconds| seconds * 1_000)
        .or_else(|| expires_ms(exchange));
    if said.no_cache {
        return Ok(0);
    }
    match given_ms {
        Some(given_ms) => Ok(given_ms),
        None if !is_heuristic(exchange.status) && !said.public => Err(NotStored::Status),
        // Nothing but a guess of ours would make an answer to a cookie everyone's.
        None if exchange.request.contains_key(COOKIE) && !said.public => Err(NotStored::Private),
        None if settings.default_ttl_ms > 0 => Ok(u64::from(settings.default_ttl_ms)),
        None => Ok(guessed_ms(exchange)),
    }
}

/// A tenth of the time since the last change (RFC 9111, section 4.2.2), a day at most. A playlist
/// may change at any moment after long rest, when its stream begins again.
fn guessed_ms(exchange: &Exchange<'_>) -> u64 {
    let kind = exchange.response.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if PLAYLISTS.iter().any(|playlist| kind.contains(playlist)) {
        return 0;
    }
    let Some(modified_ms) = date_in(exchange.response, LAST_MODIFIED) else {
        return 0;
    };
    let date_ms = date_in(exchange.response, DATE).unwrap_or(exchange.responded_ms);
    (date_ms.saturating_sub(modified_ms) / 10).min(LONGEST_GUESS_MS)
}

fn date_in(headers: &HeaderMap, name: http::HeaderName) -> Option<u64> {
    date::parse(headers.get(name)?.to_str().ok()?)
}

/// `Expires` counted from `Date`; one that cannot be read, or is given twice, has passed.
fn expires_ms(exchange: &Exchange<'_>) -> Option<u64> {
    let mut given = exchange.response.get_all(EXPIRES).iter();
    given.next()?;
    if given.next().is_some() {
        return Some(0);
    }
    let date_ms = date_in(exchange.response, DATE).unwrap_or(exchange.responded_ms);
    let expires_ms = date_in(exchange.response, EXPIRES).unwrap_or(0);
    Some(expires_ms.saturating_sub(date_ms))
}

/// RFC 9111, section 4.2.3.
fn initial_age_ms(exchange: &Exchange<'_>) -> u64 {
    let date_ms = date_in(exchange.response, DATE).unwrap_or(exchange.responded_ms);
    let apparent_ms = exchange.responded_ms.saturating_sub(date_ms);
    let age_ms = told_age_ms(exchange.response);
    let delay_ms = exchange.responded_ms.saturating_sub(exchange.requested_ms);
    apparent_ms.max(age_ms + delay_ms)
}

/// The age that the answer tells. One that cannot be read, or is told twice, is older than any
/// lifetime: to confirm once too often is better than to use what is too old. (RFC 9111, section 5.1,
/// would pass over the one and take the first of the other; the public suite knows neither.)
fn told_age_ms(response: &HeaderMap) -> u64 {
    let mut told = response.get_all(AGE).iter();
    let seconds = match (told.next(), told.next()) {
        (None, _) => Some(0),
        (Some(age), None) => age.to_str().ok().and_then(delta_seconds),
        (Some(_), Some(_)) => None,
    };
    seconds.unwrap_or(super::directives::MOST_SECONDS) * 1_000
}

fn stale_ms(said: &Directives) -> u64 {
    // `s-maxage` implies `proxy-revalidate` (RFC 9111, section 5.2.2.10).
    let never =
        said.must_revalidate || said.proxy_revalidate || said.no_cache || said.s_maxage.is_some();
    if never {
        0
    } else {
        said.stale_if_error
            .map_or(STALE_IF_ERROR_MS, |seconds| seconds * 1_000)
    }
}

impl Policy {
    /// Of an answer that is passed on to those who wait for it, and not stored.
    #[must_use]
    pub const fn passing(responded_ms: u64) -> Self {
        Self {
            responded_ms,
            initial_age_ms: 0,
            lifetime_ms: 0,
            stale_ms: 0,
        }
    }

    /// The object's age (RFC 9111, section 4.2.3).
    #[must_use]
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        self.initial_age_ms + now_ms.saturating_sub(self.responded_ms)
    }

    /// Whether it may be used without asking.
    #[must_use]
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.age_ms(now_ms) < self.lifetime_ms
    }

    /// How long it stays fresh; negative since it is not.
    #[must_use]
    pub fn fresh_for_ms(&self, now_ms: u64) -> i64 {
        self.lifetime_ms.cast_signed() - self.age_ms(now_ms).cast_signed()
    }

    /// Whether it may be used though it is not fresh, because the origin fails (RFC 5861).
    #[must_use]
    pub fn may_stand_in(&self, now_ms: u64) -> bool {
        let over_ms = self.age_ms(now_ms).saturating_sub(self.lifetime_ms);
        self.is_fresh(now_ms) || over_ms < self.stale_ms
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT

    fn fields(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    struct Case {
        request: &'static [&'static str],
        status: u16,
        response: &'static [&'static str],
        default_ttl_ms: u32,
    }

    const PLAIN: Case = Case {
        request: &[],
        status: 200,
        response: &[],
        default_ttl_ms: 0,
    };

    fn judge(case: &Case) -> Result<Policy, NotStored> {
        let (request, response) = (fields(case.request), fields(case.response));
        let exchange = Exchange {
            method: &Method::GET,
            request: &request,
            status: StatusCode::from_u16(case.status).unwrap(),
            response: &response,
            requested_ms: NOW_MS,
            responded_ms: NOW_MS,
        };
        let settings = CacheSettings {
            default_ttl_ms: case.default_ttl_ms,
            ..CacheSettings::default()
        };
        policy(&exchange, &settings)
    }

    #[test]
    fn freshness_comes_from_the_first_that_says_it() {
        let check = |response: &'static [&'static str], fresh_ms: i64| {
            let policy = judge(&Case { response, ..PLAIN }).unwrap();
            assert_eq!(policy.fresh_for_ms(NOW_MS), fresh_ms, "{response:?}");
        };
        const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
        check(&["cache-control: max-age=10"], 10_000);
        check(&["cache-control: max-age=10, s-maxage=20"], 20_000);
        check(
            &[
                "cache-control: max-age=10",
                "expires: Sun, 06 Nov 1994 08:49:57 GMT",
                DATE,
            ],
            10_000,
        );
        check(&["expires: Sun, 06 Nov 1994 08:49:57 GMT", DATE], 20_000);
        check(&["cache-control: max-age=10", "age: 4"], 6_000);
        check(
            &[
                "cache-control: max-age=10",
                "date: Sun, 06 Nov 1994 08:49:30 GMT",
            ],
            3_000,
        );
        check(&["cache-control: no-cache, max-age=10", "etag: \"a\""], 0);
        check(&["expires: 0", "etag: \"a\""], 0);
        check(&["etag: \"a\""], 0);
        const MODIFIED: &str = "last-modified: Sun, 06 Nov 1994 07:09:37 GMT";
        check(&[MODIFIED, DATE], 600_000);
        check(
            &[
                MODIFIED,
                DATE,
                "content-type: application/vnd.apple.mpegurl",
            ],
            0,
        );
        check(
            &[
                "last-modified: Sun, 06 Nov 1904 07:09:37 GMT",
                DATE,
                "etag: \"a\"",
            ],
            0,
        );
        check(
            &["last-modified: Tue, 06 Nov 1984 07:09:37 GMT", DATE],
            86_400_000,
        );
    }

    #[test]
    fn an_age_that_cannot_be_read_makes_an_answer_stale() {
        for ages in [
            &["age: 4, 9"] as &[_],
            &["age: x"],
            &["age: -1"],
            &["age: 1", "age: 1"],
        ] {
            let mut response = fields(ages);
            response.insert("cache-control", "max-age=10".parse().unwrap());
            response.insert(ETAG, "\"a\"".parse().unwrap());
            let exchange = Exchange {
                method: &Method::GET,
                request: &HeaderMap::new(),
                status: StatusCode::OK,
                response: &response,
                requested_ms: NOW_MS,
                responded_ms: NOW_MS,
            };
            let policy = policy(&exchange, &CacheSettings::default()).unwrap();
            assert!(!policy.is_fresh(NOW_MS), "{ages:?}");
        }
    }

    #[test]
    fn what_is_private_or_cannot_be_used_again_is_not_stored() {
        let check = |case: Case, expected: NotStored| {
            assert_eq!(judge(&case), Err(expected), "{:?}", case.response);
        };
        let said = |response| Case { response, ..PLAIN };
        check(
            said(&["cache-control: no-store, max-age=9"]),
            NotStored::NoStore,
        );
        check(
            said(&["cache-control: private, max-age=9"]),
            NotStored::Private,
        );
        check(
            said(&["etag: \"a\"", "set-cookie: a=b"]),
            NotStored::Private,
        );
        check(
            said(&["cache-control: max-age=9", "vary: accept, *"]),
            NotStored::Varies,
        );
        check(said(&[]), NotStored::NeverFresh);
        check(said(&["expires: 0"]), NotStored::NeverFresh);
        check(
            said(&["cache-control: max-age=9", "age: 9"]),
            NotStored::NeverFresh,
        );
        let status = |status, response| Case {
            status,
            response,
            ..PLAIN
        };
        check(
            status(206, &["cache-control: max-age=9"]),
            NotStored::Status,
        );
        check(
            status(304, &["cache-control: max-age=9"]),
            NotStored::Status,
        );
        check(status(302, &["etag: \"a\""]), NotStored::Status);
        check(status(500, &["etag: \"a\""]), NotStored::Status);
        check(
            status(599, &["cache-control: max-age=9, must-understand"]),
            NotStored::Status,
        );
        let named = |response| Case {
            request: &["authorization: Basic x"],
            response,
            ..PLAIN
        };
        check(named(&["cache-control: max-age=9"]), NotStored::Private);
        let with_cookie = Case {
            request: &["cookie: a=b"],
            response: &["etag: \"a\""],
            default_ttl_ms: 1_000,
            ..PLAIN
        };
        check(with_cookie, NotStored::Private);
        let unwilling = Case {
            request: &["cache-control: no-store"],
            response: &["cache-control: max-age=9"],
            ..PLAIN
        };
        check(unwilling, NotStored::NoStore);
    }

    #[test]
    fn what_says_that_it_is_for_all_is_stored() {
        for response in [
            &["cache-control: public, max-age=9", "set-cookie: a=b"] as &[_],
            &["cache-control: s-maxage=9"],
            &["cache-control: must-understand, no-store, s-maxage=9"],
            &["cache-control: must-revalidate, max-age=9"],
        ] {
            let case = Case {
                request: &["authorization: Basic x"],
                response,
                ..PLAIN
            };
            assert!(judge(&case).is_ok(), "{response:?}");
        }
        let found = Case {
            status: 302,
            response: &["cache-control: max-age=9"],
            ..PLAIN
        };
        assert!(judge(&found).is_ok());
        let silent = Case {
            default_ttl_ms: 5_000,
            ..PLAIN
        };
        assert_eq!(judge(&silent).unwrap().fresh_for_ms(NOW_MS), 5_000);
    }

    #[test]
    fn a_stale_object_stands_in_only_as_long_as_it_says() {
        let check = |response: &'static [&'static str], after_s: u64, expected: bool| {
            let policy = judge(&Case { response, ..PLAIN }).unwrap();
            let now_ms = NOW_MS + after_s * 1_000;
            assert_eq!(
                policy.may_stand_in(now_ms),
                expected,
                "{response:?} {after_s}"
            );
        };
        check(&["cache-control: max-age=10"], 9, true);
        check(&["cache-control: max-age=10"], 1_000, true);
        check(&["cache-control: max-age=10"], 100_000, false);
        check(&["cache-control: max-age=10, stale-if-error=5"], 14, true);
        check(&["cache-control: max-age=10, stale-if-error=5"], 15, false);
        check(&["cache-control: max-age=10, must-revalidate"], 10, false);
        check(&["cache-control: max-age=10, proxy-revalidate"], 10, false);
        check(&["cache-control: s-maxage=10"], 10, false);
    }

    #[test]
    fn age_grows_with_time_and_with_the_way() {
        let response = fields(&["cache-control: max-age=10", "age: 2"]);
        let request = HeaderMap::new();
        let exchange = Exchange {
            method: &Method::GET,
            request: &request,
            status: StatusCode::OK,
            response: &response,
            requested_ms: NOW_MS - 1_500,
            responded_ms: NOW_MS,
        };
        let policy = policy(&exchange, &CacheSettings::default()).unwrap();
        assert_eq!(policy.age_ms(NOW_MS + 500), 4_000);
        assert!(policy.is_fresh(NOW_MS + 6_499));
        assert!(!policy.is_fresh(NOW_MS + 6_500));
    }
}
