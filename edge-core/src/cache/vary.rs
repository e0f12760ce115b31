//! `Vary` (RFC 9111, section 4.1): which fields of the request tell one stored answer from another.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName, VARY};

/// The most fields that an answer may vary by; chosen, because real ones name three.
const MOST_FIELDS: usize = 16;

/// The request fields that an answer varies by, sorted. `None` for `*` and for too many: such an
/// answer is for its own request only.
#[must_use]
pub fn fields(response: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in response.get_all(VARY) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            match name.trim_ascii() {
                b"" => {}
                b"*" => return None,
                name => names.push(HeaderName::from_bytes(name).ok()?),
            }
        }
    }
    names.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    names.dedup();
    (names.len() <= MOST_FIELDS).then_some(names)
}

/// Fields whose members mean the same in any order and in any case, because each carries its own
/// weight (RFC 9110, section 12.4.2).
const UNORDERED: [HeaderName; 2] = [ACCEPT_ENCODING, ACCEPT_LANGUAGE];

/// What a request says in these fields, as one text: equal texts may share an answer. Spaces
/// around values and the way in which a list was cut into fields do not count, nor do order and
/// case where the field gives them no meaning.
#[must_use]
pub fn selected(names: &[HeaderName], request: &HeaderMap) -> String {
    let mut text = String::new();
    for name in names {
        text.push_str(name.as_str());
        let mut parts: Vec<String> = request
            .get_all(name)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(|part| part.trim_ascii().escape_ascii().to_string())
            .collect();
        if UNORDERED.contains(name) {
            for part in &mut parts {
                part.make_ascii_lowercase();
            }
            parts.sort_unstable();
        }
        for part in parts {
            text.push('\n');
            text.push_str(&part);
        }
        // No value holds two line breaks, so no two requests read alike by accident.
        text.push_str("\n\n");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn names_are_read_from_every_field() {
        let check = |value: &'static str, expected: Option<&[&str]>| {
            let named = fields(&request(&[("vary", value)]));
            let named = named.map(|names| {
                names
                    .iter()
                    .map(|name| name.as_str().to_owned())
                    .collect::<Vec<_>>()
            });
            assert_eq!(
                named.as_deref(),
                expected
                    .map(|all| all
                        .iter()
                        .map(|name| (*name).to_owned())
                        .collect::<Vec<_>>())
                    .as_deref()
            );
        };
        check(
            "Origin, Accept-Encoding,",
            Some(&["accept-encoding", "origin"]),
        );
        check("", Some(&[]));
        check("a, *", None);
        check("a b", None);
    }

    #[test]
    fn only_the_named_fields_tell_requests_apart() {
        let names = fields(&request(&[("vary", "accept, x")])).unwrap();
        let said = |lines: &[(&'static str, &'static str)]| selected(&names, &request(lines));
        assert_eq!(
            said(&[("accept", "a,b"), ("y", "1")]),
            said(&[("accept", "a"), ("accept", " b")])
        );
        assert_ne!(said(&[("accept", "a,b")]), said(&[("accept", "b,a")]));
        assert_ne!(said(&[("accept", "a")]), said(&[]));
        assert_ne!(said(&[("accept", "a")]), said(&[("x", "a")]));
    }

    #[test]
    fn order_and_case_do_not_count_where_they_mean_nothing() {
        let names = fields(&request(&[("vary", "accept-language")])).unwrap();
        let said = |value| selected(&names, &request(&[("accept-language", value)]));
        assert_eq!(said("en, de;q=0.5"), said("DE;q=0.5,eN"));
        assert_ne!(said("en, de"), said("en, de;q=0.5"));
    }
}
