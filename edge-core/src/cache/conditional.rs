//! Conditions (RFC 9110, section 13): whether a client has the object already, how an object is
//! confirmed at its origin, and what a confirmation changes.

use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::date;

/// Whether the client has the object already, so that 304 is the answer. `If-None-Match` decides
/// alone where it stands (RFC 9110, section 13.2.2). An object that does not say when it was
/// modified was not modified after its `Date` (RFC 9111, section 4.3.2).
#[must_use]
pub fn is_known(request: &HeaderMap, response: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let tag = response.get(ETAG).map(HeaderValue::as_bytes);
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|list| names(list.as_bytes(), tag));
    }
    let date =
        |headers: &HeaderMap, name: HeaderName| date::parse(headers.get(name)?.to_str().ok()?);
    match (
        date(request, IF_MODIFIED_SINCE),
        date(response, LAST_MODIFIED).or_else(|| date(response, DATE)),
    ) {
        (Some(since), Some(modified)) => modified <= since,
        (_, None) | (None, _) => false,
    }
}

/// Whether a list of tags names this one, by weak comparison; `*` names every object. Tags may hold
/// bytes beyond ASCII.
fn names(list: &[u8], tag: Option<&[u8]>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(tag) = tag else { return false };
    let wanted = tag.strip_prefix(b"W/").unwrap_or(tag);
    let quote = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'"');
    let mut rest = list;
    // Commas may stand inside a tag, so tags are taken one by one.
    while let Some(open) = quote(rest) {
        let Some(length) = quote(&rest[open + 1..]) else {
            return false;
        };
        let end = open + 1 + length + 1;
        if rest[open..end] == *wanted {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

/// Puts an object's validators into a request, so that its origin may answer 304. Returns whether
/// there were any.
pub fn confirm(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    let tag = stored.get(ETAG).cloned();
    let date = stored.get(LAST_MODIFIED).cloned();
    let any = tag.is_some() || date.is_some();
    if let Some(tag) = tag {
        request.insert(IF_NONE_MATCH, tag);
    }
    if let Some(date) = date {
        request.insert(IF_MODIFIED_SINCE, date);
    }
    any
}

/// Fields of a 304 that speak of the message, or tie the stored body to its head: they are not
/// taken over (RFC 9111, section 3.2).
const NOT_TAKEN_OVER: [HeaderName; 6] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    TRANSFER_ENCODING,
    ETAG,
    HeaderName::from_static("content-md5"),
];

/// The object's fields after a 304: each field that it names replaces the stored one. The request
/// named one tag at most, so it is that object of which the 304 speaks, whatever tag stands in it.
#[must_use]
pub fn updated(stored: &HeaderMap, confirmation: &HeaderMap) -> HeaderMap {
    let mut headers = stored.clone();
    // The age counts anew from the confirmation.
    headers.remove(AGE);
    for name in confirmation
        .keys()
        .filter(|name| !NOT_TAKEN_OVER.contains(name))
    {
        headers.remove(name);
        for value in confirmation.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_client_that_has_the_object_is_told_so() {
        let stored = fields(&[
            ("etag", "W/\"a,b\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let check = |lines: &[(&'static str, &'static str)], expected: bool| {
            assert_eq!(is_known(&fields(lines), &stored), expected, "{lines:?}");
        };
        check(&[], false);
        check(&[("if-none-match", "\"a,b\"")], true);
        check(&[("if-none-match", "\"x\", W/\"a,b\"")], true);
        check(
            &[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")],
            true,
        );
        check(&[("if-none-match", "*")], true);
        check(&[("if-none-match", "\"a\"")], false);
        check(&[("if-none-match", "\"a,b")], false);
        check(
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")],
            true,
        );
        check(
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")],
            false,
        );
        check(&[("if-modified-since", "yesterday")], false);
        check(
            &[
                ("if-none-match", "\"x\""),
                ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ],
            false,
        );
    }

    #[test]
    fn tags_may_hold_bytes_beyond_ascii() {
        let tag = HeaderValue::from_bytes(b"\"\xfc\"").unwrap();
        let (mut request, mut stored) = (HeaderMap::new(), HeaderMap::new());
        request.insert(IF_NONE_MATCH, tag.clone());
        stored.insert(ETAG, tag);
        assert!(is_known(&request, &stored));
    }

    #[test]
    fn an_object_that_does_not_say_when_it_was_modified_is_as_old_as_its_date() {
        let stored = fields(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let since = |date| is_known(&fields(&[("if-modified-since", date)]), &stored);
        assert!(since("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(!since("Sun, 06 Nov 1994 08:49:36 GMT"));
    }

    #[test]
    fn a_confirmation_updates_fields_and_leaves_those_of_the_body() {
        let stored = fields(&[
            ("etag", "\"a\""),
            ("content-length", "9"),
            ("x", "1"),
            ("age", "5"),
        ]);
        let said = fields(&[
            ("x", "2"),
            ("x", "3"),
            ("content-length", "0"),
            ("etag", "\"b\""),
            ("cache-control", "max-age=1"),
        ]);
        let expected = fields(&[
            ("etag", "\"a\""),
            ("content-length", "9"),
            ("x", "2"),
            ("x", "3"),
            ("cache-control", "max-age=1"),
        ]);
        assert_eq!(updated(&stored, &said), expected);
    }
}
