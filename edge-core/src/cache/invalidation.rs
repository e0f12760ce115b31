//! What an unsafe request that succeeded makes invalid beside its own object (RFC 9111, section
//! 4.4): what `Location` and `Content-Location` of the answer name, on the same host only, so that
//! no application can touch another's objects.

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderName};
use url::Url;

use super::key::Key;

/// The keys that the answer to an unsafe request names, as the client sees its fields.
#[must_use]
pub fn named(asked: &Key, response: &HeaderMap) -> Vec<Key> {
    [LOCATION, CONTENT_LOCATION]
        .into_iter()
        .filter_map(|name| reference(asked, response, &name))
        .filter(|key| key != asked)
        .collect()
}

/// The key that `Content-Location` names.
#[must_use]
pub fn content_location(asked: &Key, response: &HeaderMap) -> Option<Key> {
    reference(asked, response, &CONTENT_LOCATION)
}

fn reference(asked: &Key, response: &HeaderMap, name: &HeaderName) -> Option<Key> {
    let base = Url::parse(&asked.to_string()).ok()?;
    let url = base.join(response.get(name)?.to_str().ok()?).ok()?;
    let is_here = url.origin() == base.origin();
    is_here.then(|| Key::of_url(url.as_str())).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_on_the_same_host_is_named() {
        let asked = Key::of_url("http://e:8080/a/b?x=1").unwrap();
        let check = |location: &'static str, expected: Option<&str>| {
            let mut response = HeaderMap::new();
            response.insert(LOCATION, location.parse().unwrap());
            let keys = named(&asked, &response);
            assert_eq!(
                keys.first().map(ToString::to_string).as_deref(),
                expected,
                "{location}"
            );
        };
        check("c", Some("http://e:8080/a/c"));
        check("/c?y=2", Some("http://e:8080/c?y=2"));
        check("http://e:8080/d", Some("http://e:8080/d"));
        check("http://e/d", None);
        check("https://e:8080/d", None);
        check("http://other/d", None);
        check("b?x=1", None);
        check("//[", None);
    }
}
