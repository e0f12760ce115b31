//! `Cache-Control` (RFC 9111, section 5.2), and `CDN-Cache-Control` in its place where an answer has it
//! (RFC 9213): read once, strictly.
//!
//! A lifetime that cannot be read, or that is given twice with different values, counts as 0:
//! what is not understood is not fresh (RFC 9111, section 4.2.1).

mod targeted;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};

use targeted::Member;

/// What an origin says to caches like this one only.
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The largest number of seconds that is told apart (RFC 9111, section 1.2.2).
pub(super) const MOST_SECONDS: u64 = 1 << 31;

/// What a head says to caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// Nothing may be stored.
    pub no_store: bool,
    /// It must be confirmed before each use.
    pub no_cache: bool,
    /// It is for one user.
    pub private: bool,
    /// It may be stored by everyone.
    pub public: bool,
    /// It must not be used stale.
    pub must_revalidate: bool,
    /// It must not be used stale by shared caches.
    pub proxy_revalidate: bool,
    /// It may be stored only by who knows what its status asks of a cache.
    pub must_understand: bool,
    /// It is asked only of the store.
    pub only_if_cached: bool,
    /// Seconds of freshness.
    pub max_age: Option<u64>,
    /// Seconds of freshness in shared caches.
    pub s_maxage: Option<u64>,
    /// Seconds for which it may be used stale when the origin fails (RFC 5861).
    pub stale_if_error: Option<u64>,
    /// Seconds for which it may be used stale while it is made fresh again (RFC 5861).
    pub stale_while_revalidate: Option<u64>,
    /// It is said to caches like this one: `Cache-Control` and `Expires` do not count beside it.
    pub is_targeted: bool,
}

impl Directives {
    /// Reads all `Cache-Control` fields of a head.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            // Bytes beyond ASCII make no directive, but must not hide the others.
            let text = String::from_utf8_lossy(value.as_bytes());
            for directive in split(&text) {
                directives.add(directive);
            }
        }
        directives
    }

    /// Reads what an answer says: `CDN-Cache-Control` alone where it has one that can be read and says
    /// anything (RFC 9213, section 2.2), `Cache-Control` otherwise.
    #[must_use]
    pub fn said(response: &HeaderMap) -> Self {
        let Some(members) = targeted::read(response.get_all(CDN_CACHE_CONTROL)) else {
            return Self::of(response);
        };
        let mut directives = Self {
            is_targeted: true,
            ..Self::default()
        };
        for (name, member) in members {
            match member {
                // Said not to be.
                Member::False => {}
                Member::True => directives.set(&name, None),
                Member::Integer(number) => directives.set(&name, Some(&number.to_string())),
                // Names of fields, for example; as a number it cannot be read.
                Member::Other => directives.set(&name, Some("")),
            }
        }
        directives
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (directive.trim(), None),
        };
        self.set(&name.to_ascii_lowercase(), value);
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        match name {
            "no-store" => self.no_store = true,
            // With field names too: leaving out single fields is not worth the danger.
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => limit(&mut self.max_age, value),
            "s-maxage" => limit(&mut self.s_maxage, value),
            "stale-if-error" => limit(&mut self.stale_if_error, value),
            "stale-while-revalidate" => limit(&mut self.stale_while_revalidate, value),
            _ => {}
        }
    }
}

/// Cuts at commas that stand outside quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == ',' && !quoted
    })
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

fn limit(slot: &mut Option<u64>, value: Option<&str>) {
    let seconds = value.and_then(delta_seconds).unwrap_or(0);
    *slot = Some(match *slot {
        Some(before) if before != seconds => 0,
        Some(_) | None => seconds,
    });
}

/// `delta-seconds` (RFC 9111, section 1.2.2): digits only; what is too large is very large.
#[must_use]
pub fn delta_seconds(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Directives {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn lifetimes_are_read_strictly() {
        let check = |value: &'static str, expected: Option<u64>| {
            assert_eq!(read(&[value]).max_age, expected, "{value}");
        };
        check("max-age=60", Some(60));
        check("MAX-AGE=60, public", Some(60));
        check("max-age=\"60\"", Some(60));
        check("max-age=-1", Some(0));
        check("max-age=1.5", Some(0));
        check("max-age", Some(0));
        check("max-age=60, max-age=60", Some(60));
        check("max-age=60, max-age=70", Some(0));
        check("max-age=99999999999999999999999", Some(MOST_SECONDS));
        check("foo=\"a, max-age=60\"", None);
        check("foo=\"\\\"\", max-age=60", Some(60));
        check("s-maxage=60", None);
    }

    #[test]
    fn all_fields_count() {
        let seen = read(&["no-cache", "private=\"set-cookie\"", "stale-if-error=9"]);
        assert!(seen.no_cache && seen.private && !seen.no_store);
        assert_eq!(seen.stale_if_error, Some(9));
    }

    #[test]
    fn what_is_said_to_caches_like_this_one_counts_alone() {
        let said = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, "no-store, max-age=1".parse().unwrap());
            headers.insert(CDN_CACHE_CONTROL, value.parse().unwrap());
            Directives::said(&headers)
        };
        let check = |value: &'static str, max_age: Option<u64>| {
            let said = said(value);
            assert!(said.is_targeted && !said.no_store, "{value}");
            assert_eq!(said.max_age, max_age, "{value}");
        };
        check("max-age=60", Some(60));
        check("max-age=60;x=1, foo", Some(60));
        check("max-age=1, max-age=60", Some(60));
        check("max-age=\"60\"", Some(0));
        check("max-age=-1", Some(0));
        check("max-age", Some(0));
        check("no-store=?0", None);
        assert!(said("private=\"set-cookie\"").private);
        // What cannot be read, or says nothing, is as if it were not there.
        for nothing in ["", "max-age=60,", "Max-Age=60", "max-age=60, ,a"] {
            let said = said(nothing);
            assert!(said.no_store && !said.is_targeted, "{nothing}");
        }
    }
}
