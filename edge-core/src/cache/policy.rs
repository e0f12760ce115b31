//! Whether an answer may be stored (RFC 9111, section 3), and what may be done with it and when.
//!
//! A request's own wish for a fresher answer (`no-cache`, `max-age`) is not followed: a fresh
//! object does not touch the origin, whoever asks (laws.md, 4.5); purging is how it is renewed.

use contract::route::CacheSettings;
use http::header::{AUTHORIZATION, ETAG, LAST_MODIFIED, SET_COOKIE, VARY};
use http::{HeaderMap, Method, StatusCode};

use super::directives::Directives;
use super::freshness::{self, Stale};

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
    stale: Stale,
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
    let asked = Directives::of(exchange.request);
    let said = Directives::said(exchange.response);
    match *exchange.method {
        Method::GET => {}
        // RFC 9110, section 9.3.3. That the answer is the one to a GET for the same address, the
        // caller has seen by its `Content-Location`.
        Method::POST
            if exchange.status == StatusCode::OK
                && freshness::named_ms(exchange, &said).is_some() => {}
        _ => return Err(NotStored::Method),
    }
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
    let lifetime_ms = freshness::lifetime_ms(exchange, &said, settings)?;
    let can_be_confirmed =
        exchange.response.contains_key(ETAG) || exchange.response.contains_key(LAST_MODIFIED);
    let policy = Policy {
        responded_ms: exchange.responded_ms,
        initial_age_ms: freshness::initial_age_ms(exchange),
        lifetime_ms,
        stale: Stale::of(&said),
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
    let says_how_long = freshness::named_ms(exchange, said).is_some();
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

/// Statuses of which this cache knows what they ask of it (RFC 9110, section 15).
const fn is_understood(status: StatusCode) -> bool {
    freshness::is_heuristic(status)
        || matches!(
            status.as_u16(),
            302 | 303 | 307 | 400 | 403 | 500 | 502..=504
        )
}

impl Policy {
    /// Of an answer that is passed on to those who wait for it, and not stored.
    #[must_use]
    pub const fn passing(responded_ms: u64) -> Self {
        Self {
            responded_ms,
            initial_age_ms: 0,
            lifetime_ms: 0,
            stale: Stale {
                while_revalidate_ms: 0,
                if_error_ms: 0,
                says_if_error: false,
            },
        }
    }

    /// What it is made of, to be kept on disk.
    #[must_use]
    pub const fn to_numbers(self) -> [u64; 6] {
        [
            self.responded_ms,
            self.initial_age_ms,
            self.lifetime_ms,
            self.stale.if_error_ms,
            self.stale.while_revalidate_ms,
            self.stale.says_if_error as u64,
        ]
    }

    /// Made of what [`Policy::to_numbers`] gave.
    #[must_use]
    pub const fn from_numbers(numbers: [u64; 6]) -> Self {
        let [
            responded_ms,
            initial_age_ms,
            lifetime_ms,
            if_error_ms,
            while_revalidate_ms,
            says,
        ] = numbers;
        Self {
            responded_ms,
            initial_age_ms,
            lifetime_ms,
            stale: Stale {
                if_error_ms,
                while_revalidate_ms,
                says_if_error: says != 0,
            },
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
        self.is_fresh(now_ms)
            || self.over_ms(now_ms) < self.stale.if_error_ms.max(self.stale.while_revalidate_ms)
    }

    /// Whether it may be used while it is made fresh again (RFC 5861, section 3).
    #[must_use]
    pub fn may_bridge(&self, now_ms: u64) -> bool {
        self.is_fresh(now_ms) || self.over_ms(now_ms) < self.stale.while_revalidate_ms
    }

    /// Whether its origin has said itself that it may be used when it fails (RFC 5861, section 4):
    /// an origin that is only slower than usual need not be waited for.
    #[must_use]
    pub fn need_not_wait(&self, now_ms: u64) -> bool {
        self.stale.says_if_error && self.may_stand_in(now_ms)
    }

    fn over_ms(&self, now_ms: u64) -> u64 {
        self.age_ms(now_ms).saturating_sub(self.lifetime_ms)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
