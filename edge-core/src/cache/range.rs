//! Byte ranges (RFC 9110, section 14): which bytes of a whole object are asked for, and which of them
//! an origin's answer brings. Other units and broken texts are passed over, as the RFC allows, and so
//! are more ranges than a reader needs: the answer is the whole object then.
//!
//! Parts are put together only under one strong validator (RFC 9110, section 15.3.7.3).

use std::time::Duration;

use http::header::{CONTENT_RANGE, DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue};

/// The most ranges of one request (laws.md, section 6).
pub const MAX_RANGES: usize = 16;
/// How much older than its message a date must be to tell two objects apart (RFC 9110, section
/// 8.8.2.2).
const SETTLED: Duration = Duration::from_secs(1);

/// Some bytes of an object, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub from: u64,
    /// One beyond the last byte.
    pub until: u64,
}

/// What a request asks for of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// One part.
    Part(Part),
    /// Several, in the order in which they were asked for.
    Parts(Vec<Part>),
    /// Nothing that exists: 416.
    Nothing,
}

/// A range as it is written, before the object's length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    From { first: u64, last: Option<u64> },
    Last(u64),
}

/// What the request wants of an object of this length with these fields. `If-Range` must hold.
#[must_use]
pub fn wanted(request: &HeaderMap, response: &HeaderMap, length: u64) -> Wanted {
    let Some(written) = written(request) else {
        return Wanted::Whole;
    };
    if !if_range_holds(request, response) {
        return Wanted::Whole;
    }
    let parts: Vec<Part> = written
        .iter()
        .filter_map(|written| written.of(length))
        .collect();
    let sum: u64 = parts.iter().map(Part::size).sum();
    match parts.as_slice() {
        [] => Wanted::Nothing,
        [part] => Wanted::Part(*part),
        // Ranges that lie over each other would make an answer larger than the object.
        _ if sum > length => Wanted::Whole,
        _ => Wanted::Parts(parts),
    }
}

/// Where the first range of a request begins and, where it says so, ends, in an object that is not
/// known yet. `None` if there is no range; the last bytes of an object are nowhere yet: then it is
/// its first byte, of which the length is learned.
#[must_use]
pub fn first(request: &HeaderMap) -> Option<(u64, Option<u64>)> {
    Some(match *written(request)?.first()? {
        Written::From { first, last } => (first, last.map(|last| last.saturating_add(1))),
        Written::Last(_) => (0, Some(1)),
    })
}

/// The field that asks for a part.
#[must_use]
pub fn ask(from: u64, until: Option<u64>) -> HeaderValue {
    let text = match until {
        Some(until) => format!("bytes={from}-{}", until.saturating_sub(1)),
        None => format!("bytes={from}-"),
    };
    HeaderValue::from_str(&text).expect("digits make a field value")
}

/// What a 206 says that it brings, and the object's length. `None` where it does not say both in a
/// way that can be true.
#[must_use]
pub fn brought(response: &HeaderMap) -> Option<(Part, u64)> {
    let mut given = response.get_all(CONTENT_RANGE).iter();
    let (Some(range), None) = (given.next(), given.next()) else {
        return None;
    };
    let (unit, rest) = range.to_str().ok()?.trim().split_once(' ')?;
    let (bytes, length) = rest.split_once('/')?;
    let (first, last) = bytes.trim().split_once('-')?;
    let number = |text: &str| number(text)?;
    let (first, last, length) = (number(first)?, number(last)?, number(length)?);
    let is_true = unit.eq_ignore_ascii_case("bytes") && first <= last && last < length;
    is_true.then_some((
        Part {
            from: first,
            until: last + 1,
        },
        length,
    ))
}

/// What tells one generation of an object from any other, byte for byte: a strong tag, or a date of
/// modification that was over when the message was made.
#[must_use]
pub fn strong_validator(response: &HeaderMap) -> Option<HeaderValue> {
    if let Some(tag) = response.get(ETAG) {
        let is_strong = tag.as_bytes().starts_with(b"\"") && tag.as_bytes().len() > 1;
        return is_strong.then(|| tag.clone());
    }
    let date = |name| httpdate::parse_http_date(response.get(name)?.to_str().ok()?).ok();
    let since = date(DATE)?.duration_since(date(LAST_MODIFIED)?).ok()?;
    let modified = response.get(LAST_MODIFIED).cloned();
    modified.filter(|_| since >= SETTLED)
}

/// Whether an answer is of the generation with this validator.
#[must_use]
pub fn is_of(validator: &HeaderValue, response: &HeaderMap) -> bool {
    let name = if validator.as_bytes().starts_with(b"\"") {
        ETAG
    } else {
        LAST_MODIFIED
    };
    response.get(name) == Some(validator)
}

/// Strong comparison for tags, equality for dates (RFC 9110, section 13.1.5).
fn if_range_holds(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(condition) = request.get(IF_RANGE) else {
        return true;
    };
    if condition.as_bytes().starts_with(b"\"") {
        response.get(ETAG) == Some(condition)
    } else {
        response.get(LAST_MODIFIED) == Some(condition)
    }
}

/// The ranges of a request; `None` for whatever is passed over.
fn written(request: &HeaderMap) -> Option<Vec<Written>> {
    let mut given = request.get_all(RANGE).iter();
    let (Some(range), None) = (given.next(), given.next()) else {
        return None;
    };
    let (unit, set) = range.to_str().ok()?.split_once('=')?;
    let count = set.split(',').count();
    if !unit.trim().eq_ignore_ascii_case("bytes") || count > MAX_RANGES {
        return None;
    }
    set.split(',').map(Written::parse).collect()
}

impl Part {
    /// How many bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.until - self.from
    }
}

impl Written {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        match (number(first)?, number(last)?) {
            (None, None) => None,
            (None, Some(count)) => Some(Self::Last(count)),
            (Some(first), Some(last)) if last < first => None,
            (Some(first), last) => Some(Self::From { first, last }),
        }
    }

    /// The part of an object of this length; `None` where there is none.
    fn of(self, length: u64) -> Option<Part> {
        let part = match self {
            Self::From { first, last } => Part {
                from: first,
                until: last.map_or(length, |last| last.saturating_add(1).min(length)),
            },
            Self::Last(count) => Part {
                from: length.saturating_sub(count),
                until: length,
            },
        };
        (part.from < part.until).then_some(part)
    }
}

/// Digits or nothing; `None` for anything else.
#[allow(clippy::option_option, reason = "absent and wrong are two things")]
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_object() {
        let check = |range: &'static str, expected: Wanted| {
            let mut request = HeaderMap::new();
            request.insert(RANGE, range.parse().unwrap());
            assert_eq!(
                wanted(&request, &HeaderMap::new(), 100),
                expected,
                "{range}"
            );
        };
        let part = |from, until| Wanted::Part(Part { from, until });
        let parts = |parts: &[(u64, u64)]| {
            let parts = parts.iter().map(|&(from, until)| Part { from, until });
            Wanted::Parts(parts.collect())
        };
        check("bytes=0-0", part(0, 1));
        check("bytes=10-", part(10, 100));
        check("bytes=10-19", part(10, 20));
        check("bytes=90-999", part(90, 100));
        check("bytes=-10", part(90, 100));
        check("bytes=-999", part(0, 100));
        check("Bytes=5-99999999999999999999999", part(5, 100));
        check("bytes=0-1,3-4", parts(&[(0, 2), (3, 5)]));
        check("bytes=-1, 5-5 ,200-", parts(&[(99, 100), (5, 6)]));
        check("bytes=7-8,200-", part(7, 9));
        check("bytes=100-,200-300", Wanted::Nothing);
        check("bytes=100-", Wanted::Nothing);
        check("bytes=-0", Wanted::Nothing);
        for passed_over in [
            "bytes=5-4",
            "bytes=-",
            "bytes=a-b",
            "items=0-1",
            "bytes=0-1,",
            "bytes=0-90,10-99",
            "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16",
            "bytes",
            "bytes=+1-2",
        ] {
            check(passed_over, Wanted::Whole);
        }
    }

    #[test]
    fn an_if_range_that_does_not_hold_asks_for_all() {
        let check = |condition: &'static str, expected: bool| {
            let mut request = HeaderMap::new();
            request.insert(RANGE, "bytes=0-1".parse().unwrap());
            request.insert(IF_RANGE, condition.parse().unwrap());
            let mut response = HeaderMap::new();
            response.insert(ETAG, "\"a\"".parse().unwrap());
            response.insert(
                LAST_MODIFIED,
                "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
            );
            let held = wanted(&request, &response, 10) != Wanted::Whole;
            assert_eq!(held, expected, "{condition}");
        };
        check("\"a\"", true);
        check("\"b\"", false);
        check("W/\"a\"", false);
        check("Sun, 06 Nov 1994 08:49:37 GMT", true);
        check("Sun, 06 Nov 1994 08:49:38 GMT", false);
    }

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_part_of_something_unknown_begins_where_it_says() {
        let check = |range: &'static str, expected| {
            assert_eq!(first(&fields(&[("range", range)])), expected, "{range}");
        };
        check("bytes=5-9", Some((5, Some(10))));
        check("bytes=5-,0-1", Some((5, None)));
        check("bytes=-9", Some((0, Some(1))));
        check("bytes=9-5", None);
        check("items=1-2", None);
        assert_eq!(first(&HeaderMap::new()), None);
        assert_eq!(ask(5, Some(10)), "bytes=5-9");
        assert_eq!(ask(5, None), "bytes=5-");
    }

    #[test]
    fn only_what_can_be_true_is_brought() {
        let check = |range: &'static str, expected| {
            let brought = brought(&fields(&[("content-range", range)]));
            let brought = brought.map(|(part, length)| (part.from, part.until, length));
            assert_eq!(brought, expected, "{range}");
        };
        check("bytes 0-4/10", Some((0, 5, 10)));
        check("bytes 9-9/10", Some((9, 10, 10)));
        for wrong in [
            "bytes 0-4/*",
            "bytes */10",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes=0-4/10",
            "items 0-4/10",
            "bytes -4/10",
        ] {
            check(wrong, None);
        }
        let twice = fields(&[
            ("content-range", "bytes 0-4/10"),
            ("content-range", "bytes 0-4/10"),
        ]);
        assert_eq!(brought(&twice), None);
    }

    #[test]
    fn only_what_tells_every_change_holds_parts_together() {
        let check = |lines: &[(&'static str, &'static str)], expected: Option<&str>| {
            let found = strong_validator(&fields(lines));
            assert_eq!(
                found.as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{lines:?}"
            );
            if let Some(validator) = found {
                assert!(is_of(&validator, &fields(lines)));
                assert!(!is_of(&validator, &fields(&[("etag", "\"other\"")])));
            }
        };
        const THEN: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        const AT_ONCE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        const LATER: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:38 GMT");
        check(&[("etag", "\"a\"")], Some("\"a\""));
        check(&[("etag", "W/\"a\""), THEN, LATER], None);
        check(&[THEN, LATER], Some(THEN.1));
        check(&[THEN, AT_ONCE], None);
        check(&[THEN], None);
        check(&[], None);
    }
}
