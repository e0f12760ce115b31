//! Dates in fields (RFC 9110, section 5.6.7), as caches read them.

use std::time::UNIX_EPOCH;

/// Unix milliseconds of a date in any of its three forms. Letter case does not count (RFC 9111, section 4.2); any other
/// zone than GMT makes a date unreadable, and so does a weekday that is not the date's.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text)
        .or_else(|_| httpdate::parse_http_date(&in_proper_case(text)))
        .ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// `sun, 06 nov 1994 08:49:37 gmt` as it should be written.
fn in_proper_case(text: &str) -> String {
    let mut proper = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphabetic()) {
        if word.eq_ignore_ascii_case("GMT") {
            proper.push_str("GMT");
            continue;
        }
        let mut letters = word.chars();
        proper.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        proper.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    proper
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_three_forms_whatever_their_case() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse(text), expected, "{text}");
        let known = Some(784_111_777_000);
        check("Sun, 06 Nov 1994 08:49:37 GMT", known);
        check("SUN, 06 nov 1994 08:49:37 gmt", known);
        check("sunday, 06-NOV-94 08:49:37 Gmt", known);
        check("sun nov  6 08:49:37 1994", known);
        for unreadable in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "\u{fc}",
        ] {
            check(unreadable, None);
        }
    }
}
