//! `Cache-Status` (RFC 9211): what became of a request in this cache, in words that a person with
//! curl can read.

use contract::counts::Outcome;
use http::{HeaderValue, StatusCode};

use super::policy::NotStored;

/// The field's name.
pub const CACHE_STATUS: http::HeaderName = http::HeaderName::from_static("cache-status");

/// Why a request was not simply answered from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// Nothing is stored under its key, or nothing more is to be said.
    #[default]
    Plain,
    /// What is stored is for requests that say something else in the fields that it varies by.
    Variant,
    /// What is stored is not fresh any more.
    Stale,
    /// What is stored is used while it is made fresh again.
    Bridged,
    /// Of what is stored a part is missing.
    Part,
    /// The request itself wants it so.
    Asked,
    /// Answers to such requests turned out not to be storable.
    Remembered,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// How it was answered.
    pub outcome: Outcome,
    /// Why it was answered so.
    pub cause: Cause,
    /// What the origin answered, if it was asked.
    pub forwarded: Option<StatusCode>,
    /// Why the answer was not stored, if it was not.
    pub not_stored: Option<NotStored>,
    /// How long the object stays fresh.
    pub fresh_for_ms: Option<i64>,
}

impl CacheStatus {
    /// The field's value.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        let mut text = String::from("weir; ");
        text.push_str(match self.outcome {
            Outcome::Hit => "hit",
            Outcome::Revalidated => "fwd=stale",
            Outcome::Stale if self.cause == Cause::Bridged => "hit; detail=stale-while-revalidate",
            Outcome::Stale => "hit; detail=stale-if-error",
            Outcome::Joined | Outcome::Miss => self.missed(),
            Outcome::Bypass if self.cause == Cause::Asked => "fwd=request",
            Outcome::Bypass if self.not_stored == Some(NotStored::Method) => "fwd=method",
            Outcome::Bypass if self.cause == Cause::Remembered => "fwd=uri-miss",
            Outcome::Bypass => "fwd=bypass",
        });
        if self.outcome == Outcome::Joined {
            text.push_str("; collapsed");
        }
        if let Some(status) = self.forwarded {
            text.push_str("; fwd-status=");
            text.push_str(status.as_str());
        }
        match (self.outcome, self.not_stored) {
            (Outcome::Miss | Outcome::Bypass | Outcome::Joined, Some(why)) => {
                text.push_str("; detail=");
                text.push_str(why.word());
            }
            (Outcome::Miss, None) => text.push_str("; stored"),
            (Outcome::Bypass, None) if self.cause == Cause::Remembered => {
                text.push_str("; detail=not-storable");
            }
            (Outcome::Hit | Outcome::Revalidated | Outcome::Stale, _)
            | (Outcome::Joined | Outcome::Bypass, None) => {}
        }
        if let Some(fresh_for_ms) = self.fresh_for_ms {
            text.push_str("; ttl=");
            text.push_str(&fresh_for_ms.div_euclid(1_000).to_string());
        }
        HeaderValue::from_str(&text).expect("words and numbers make a field value")
    }

    /// Why the store did not do (RFC 9211, section 2.2).
    const fn missed(&self) -> &'static str {
        match self.cause {
            Cause::Variant => "fwd=vary-miss",
            Cause::Stale | Cause::Bridged => "fwd=stale",
            Cause::Part => "fwd=partial",
            Cause::Asked => "fwd=request",
            Cause::Plain | Cause::Remembered => "fwd=uri-miss",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_told_with_its_reason() {
        let check = |outcome, forwarded: Option<u16>, not_stored, fresh_for_ms, expected: &str| {
            let status = CacheStatus {
                outcome,
                cause: Cause::Plain,
                forwarded: forwarded.map(|code| StatusCode::from_u16(code).unwrap()),
                not_stored,
                fresh_for_ms,
            };
            assert_eq!(status.value(), expected);
        };
        check(Outcome::Hit, None, None, Some(9_900), "weir; hit; ttl=9");
        check(
            Outcome::Stale,
            None,
            None,
            Some(-1),
            "weir; hit; detail=stale-if-error; ttl=-1",
        );
        check(
            Outcome::Miss,
            Some(200),
            None,
            Some(5_000),
            "weir; fwd=uri-miss; fwd-status=200; stored; ttl=5",
        );
        check(
            Outcome::Miss,
            Some(200),
            Some(NotStored::Private),
            None,
            "weir; fwd=uri-miss; fwd-status=200; detail=private",
        );
        check(
            Outcome::Joined,
            Some(200),
            None,
            None,
            "weir; fwd=uri-miss; collapsed; fwd-status=200",
        );
        check(
            Outcome::Revalidated,
            Some(304),
            None,
            None,
            "weir; fwd=stale; fwd-status=304",
        );
        check(
            Outcome::Bypass,
            None,
            Some(NotStored::Method),
            None,
            "weir; fwd=method; detail=method",
        );
    }

    #[test]
    fn a_miss_tells_why_the_store_did_not_do() {
        let check = |outcome, cause, not_stored, expected: &str| {
            let status = CacheStatus {
                outcome,
                cause,
                forwarded: None,
                not_stored,
                fresh_for_ms: None,
            };
            assert_eq!(status.value(), expected);
        };
        check(
            Outcome::Miss,
            Cause::Variant,
            None,
            "weir; fwd=vary-miss; stored",
        );
        check(Outcome::Miss, Cause::Stale, None, "weir; fwd=stale; stored");
        check(
            Outcome::Joined,
            Cause::Stale,
            None,
            "weir; fwd=stale; collapsed",
        );
        check(
            Outcome::Miss,
            Cause::Part,
            None,
            "weir; fwd=partial; stored",
        );
        check(
            Outcome::Stale,
            Cause::Bridged,
            None,
            "weir; hit; detail=stale-while-revalidate",
        );
        check(
            Outcome::Bypass,
            Cause::Asked,
            Some(NotStored::NoStore),
            "weir; fwd=request; detail=no-store",
        );
        check(
            Outcome::Bypass,
            Cause::Remembered,
            None,
            "weir; fwd=uri-miss; detail=not-storable",
        );
        check(
            Outcome::Bypass,
            Cause::Plain,
            Some(NotStored::Route),
            "weir; fwd=bypass; detail=route",
        );
    }
}
