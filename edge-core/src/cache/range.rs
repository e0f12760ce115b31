//! One byte range (RFC 9110, section 14): which bytes of a whole object are asked for. Several
//! ranges in one request, other units and broken texts are passed over, as the RFC allows: the
//! answer is the whole object then.

use http::HeaderMap;
use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

/// What a request asks for of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From the first byte to the one before the end.
    Part {
        /// The first byte.
        from: u64,
        /// One beyond the last byte.
        until: u64,
    },
    /// Nothing that exists: 416.
    Nothing,
}

/// What the request wants of an object of this length with these fields. `If-Range` must hold.
#[must_use]
pub fn wanted(request: &HeaderMap, response: &HeaderMap, length: u64) -> Wanted {
    let mut given = request.get_all(RANGE).iter();
    let (Some(range), None) = (given.next(), given.next()) else {
        return Wanted::Whole;
    };
    if !if_range_holds(request, response) {
        return Wanted::Whole;
    }
    range
        .to_str()
        .ok()
        .and_then(|text| part(text, length))
        .unwrap_or(Wanted::Whole)
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

fn part(text: &str, length: u64) -> Option<Wanted> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let wanted = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(0)) => Wanted::Nothing,
        (None, Some(suffix)) if length > 0 => Wanted::Part {
            from: length.saturating_sub(suffix),
            until: length,
        },
        (Some(from), Some(last)) if last < from => return None,
        (Some(from), last) if from < length => Wanted::Part {
            from,
            until: last.map_or(length, |last| last.saturating_add(1).min(length)),
        },
        (None, Some(_)) | (Some(_), _) => Wanted::Nothing,
    };
    Some(wanted)
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
        let part = |from, until| Wanted::Part { from, until };
        check("bytes=0-0", part(0, 1));
        check("bytes=10-", part(10, 100));
        check("bytes=10-19", part(10, 20));
        check("bytes=90-999", part(90, 100));
        check("bytes=-10", part(90, 100));
        check("bytes=-999", part(0, 100));
        check("Bytes=5-99999999999999999999999", part(5, 100));
        check("bytes=100-", Wanted::Nothing);
        check("bytes=-0", Wanted::Nothing);
        for passed_over in [
            "bytes=5-4",
            "bytes=-",
            "bytes=a-b",
            "items=0-1",
            "bytes=0-1,3-4",
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
}
