//! `Cache-Status` (RFC 9211): what became of a request in this cache, in words that a person with
//! curl can read.

use contract::counts::Outcome;
use http::{HeaderValue, StatusCode};

use super::policy::NotStored;

/// The field's name.
pub const CACHE_STATUS: http::HeaderName = http::HeaderName::from_static("cache-status");

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// How it was answered.
    pub outcome: Outcome,
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
        text.push_str(match (self.outcome, self.not_stored) {
            (Outcome::Hit, _) => "hit",
            (Outcome::Revalidated, _) => "fwd=stale",
            (Outcome::Stale, _) => "hit; detail=stale-if-error",
            (Outcome::Joined, _) => "fwd=uri-miss; collapsed",
            (Outcome::Miss, _) => "fwd=uri-miss",
            (Outcome::Bypass, Some(NotStored::Method)) => "fwd=method",
            (Outcome::Bypass, _) => "fwd=bypass",
        });
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
            (Outcome::Hit | Outcome::Revalidated | Outcome::Stale, _)
            | (Outcome::Joined | Outcome::Bypass, None) => {}
        }
        if let Some(fresh_for_ms) = self.fresh_for_ms {
            text.push_str("; ttl=");
            text.push_str(&fresh_for_ms.div_euclid(1_000).to_string());
        }
        HeaderValue::from_str(&text).expect("words and numbers make a field value")
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
}
