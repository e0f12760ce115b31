//! What an object is stored under: scheme, host, port, path and query, as the client asked for it.
//! Which of several stored answers it is, [`super::vary`] says.

use contract::address::HostPort;
use contract::protocol::Ingress;
use std::fmt;

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `http` or `https`.
    pub scheme: Ingress,
    /// The host and port that the client used.
    pub at: HostPort,
    /// The path, decoded, without its first slash.
    pub path: String,
    /// The query, without what is only for the edge.
    pub query: Option<String>,
}

impl Key {
    /// Reads a URL as people write it for a purge.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = [Ingress::Http, Ingress::Https]
            .into_iter()
            .find_map(|known| {
                let rest = url.strip_prefix(known.scheme())?.strip_prefix("://")?;
                Some((known, rest))
            })?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let at = HostPort::parse(authority, scheme.default_port()).ok()?;
        let path = path.split('#').next().unwrap_or(path);
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let requested = contract::address::Requested::http(path, None).ok()?;
        Some(Self {
            scheme,
            at,
            path: requested.resource(scheme.plane())?,
            query: query.filter(|query| !query.is_empty()),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/", self.scheme.scheme(), self.at)?;
        // The path is decoded: what would end it, or be decoded again, is escaped. Two keys never
        // print alike.
        for one in self.path.strip_prefix('/').unwrap_or(&self.path).chars() {
            match one {
                '%' | '?' | '#' => write!(f, "%{:02X}", u32::from(one))?,
                other => write!(f, "{other}")?,
            }
        }
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_reads_back_as_itself(path in "[ -~]{0,12}", query in "[a-z?&=%]{0,6}") {
            let url = format!("http://e/{path}?{query}");
            if let Some(key) = Key::of_url(&url) {
                prop_assert_eq!(Key::of_url(&key.to_string()), Some(key));
            }
        }
    }

    #[test]
    fn a_url_reads_as_the_key_of_its_request() {
        let check = |url: &str, expected: &str| {
            assert_eq!(Key::of_url(url).unwrap().to_string(), expected);
        };
        check(
            "http://E.example/vod/a.mp4",
            "http://e.example:80/vod/a.mp4",
        );
        check("http://e:8080", "http://e:8080/");
        check("https://e/a%62?x=1#y", "https://e:443/ab?x=1");
        check("http://e/?", "http://e:80/");
        check("http://e//a///b//", "http://e:80/a/b/");
        check("http://e/a%3Fx=1", "http://e:80/a%3Fx=1");
        check("http://e/a%253Fx%23", "http://e:80/a%253Fx%23");
        for url in [
            "e/a",
            "rtmp://e/a",
            "http://",
            "http://e/../a",
            "http://e/./a",
            "http://e/a/%2e/b",
            "http://e/a/..;/b",
            "http://u@e/",
        ] {
            assert!(Key::of_url(url).is_none(), "{url}");
        }
    }
}
