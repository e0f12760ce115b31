//! How old an answer is, and how long it is fresh (RFC 9111, sections 4.2 and 5.1), and for how long after that it may
//! still be used (RFC 5861).
//!
//! A head and the time in, milliseconds out. Whether it may be stored at all, [`super::policy`] says.

use contract::route::CacheSettings;
use http::header::{AGE, CONTENT_TYPE, COOKIE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, StatusCode};

use super::date;
use super::directives::{Directives, MOST_SECONDS, delta_seconds};
use super::policy::{Exchange, NotStored};

/// How long a stale object may stand in for an origin that fails, where the answer does not say;
/// chosen, because within a day somebody repairs the origin.
const STALE_IF_ERROR_MS: u64 = 24 * 60 * 60 * 1_000;

/// The longest lifetime that is guessed; chosen, because nobody can purge what he does not know of.
const LONGEST_GUESS_MS: u64 = 24 * 60 * 60 * 1_000;
/// What stands in the media types of HLS and DASH playlists (RFC 8216, section 4; ISO/IEC 23009-1).
const PLAYLISTS: [&str; 2] = ["mpegurl", "dash+xml"];

/// Statuses that may be stored without an explicit lifetime (RFC 9110, section 15.1).
pub(super) const fn is_heuristic(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Those of them that say that there is nothing.
const fn is_negative(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 405 | 410 | 414 | 501)
}

/// The lifetime that the answer names itself.
pub(super) fn named_ms(exchange: &Exchange<'_>, said: &Directives) -> Option<u64> {
    let named = said.s_maxage.or(said.max_age);
    match named.map(|seconds| seconds * 1_000) {
        None if !said.is_targeted => expires_ms(exchange),
        named_ms => named_ms,
    }
}

/// How long the answer is fresh.
///
/// # Errors
/// [`NotStored`] where it does not say, and nobody else may.
pub(super) fn lifetime_ms(
    exchange: &Exchange<'_>,
    said: &Directives,
    settings: &CacheSettings,
) -> Result<u64, NotStored> {
    if said.no_cache {
        return Ok(0);
    }
    match named_ms(exchange, said) {
        Some(given_ms) => Ok(given_ms),
        None if !is_heuristic(exchange.status) && !said.public => Err(NotStored::Status),
        // Nothing but a guess of ours would make an answer to a cookie everyone's.
        None if exchange.request.contains_key(COOKIE) && !said.public => Err(NotStored::Private),
        None if is_negative(exchange.status) && settings.negative_ttl_ms > 0 => {
            Ok(u64::from(settings.negative_ttl_ms))
        }
        None if is_negative(exchange.status) => Ok(guessed_ms(exchange)),
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

fn date_in(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
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
pub(super) fn initial_age_ms(exchange: &Exchange<'_>) -> u64 {
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
    seconds.unwrap_or(MOST_SECONDS) * 1_000
}

/// For how long an answer may be used though it is not fresh any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stale {
    /// While it is made fresh again.
    pub(super) while_revalidate_ms: u64,
    /// When its origin fails.
    pub(super) if_error_ms: u64,
    /// The answer itself says what holds when its origin fails.
    pub(super) says_if_error: bool,
}

impl Stale {
    pub(super) fn of(said: &Directives) -> Self {
        // `s-maxage` implies `proxy-revalidate` (RFC 9111, section 5.2.2.10), and what must be
        // confirmed is never used stale (section 4.2.4), whatever RFC 5861 would allow.
        if said.must_revalidate || said.proxy_revalidate || said.no_cache || said.s_maxage.is_some()
        {
            return Self::default();
        }
        let ms = |seconds: u64| seconds * 1_000;
        Self {
            while_revalidate_ms: said.stale_while_revalidate.map_or(0, ms),
            if_error_ms: said.stale_if_error.map_or(STALE_IF_ERROR_MS, ms),
            says_if_error: said.stale_if_error.is_some(),
        }
    }
}
