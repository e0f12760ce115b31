//! What a client asked for, put together from the pieces in which it came.

use serde::{Deserialize, Serialize};

use super::{AddressError, HostPort, MAX_WRAPPED_PREFIXES, OriginAddress, split_scheme};
use crate::name::{AppName, StreamName};
use crate::protocol::Plane;

/// A request for an application and a stream, plain or wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requested {
    /// The prefixes of a wrapped request, nearest first; the last one is the origin. Empty means
    /// that the request is plain: routes decide where it goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<OriginAddress>,
    /// The application with its instance; `None` while a wrapped request is not complete yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The stream; `None` at `connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamName>,
    /// The query that came with either, without its question mark. It may hold secrets, so it is
    /// neither printed nor sent in reports.
    #[serde(skip)]
    pub query: Option<String>,
}

impl Requested {
    /// Reads the application of `connect` and, when it is known, the stream name of `play`,
    /// `publish` or their companions.
    ///
    /// - `live` and `cam` are the plain request for `live/cam`.
    /// - `?rtmp://O/live` and `cam` are wrapped, the application being complete by itself.
    /// - `?rtmp:/` and `O/live/cam` are the same cut elsewhere: both are joined and cut again, the
    ///   application taking two parts where there are three or more, as ffmpeg does.
    ///
    /// # Errors
    /// Any of [`AddressError`]. A wrapped application that is merely not complete at `connect` is
    /// no error: `app` is `None` then.
    pub fn parse(app: &str, stream: Option<&str>) -> Result<Self, AddressError> {
        let Some(wrapped) = app.strip_prefix('?') else {
            return plain(app, stream);
        };
        if let Ok((hops, path)) = prefixes(wrapped) {
            let (path, _) = split_query(path);
            if !path.trim_matches('/').is_empty() && !hops.is_empty() {
                return complete(wrapped, stream);
            }
        }
        match stream {
            None => incomplete(wrapped),
            Some(stream) => joined(wrapped, stream),
        }
    }

    /// Reads the path of an HTTP request, as it was sent. The application is the path up to its
    /// last slash, the stream what follows, both decoded; where there is nothing, `/` stands.
    ///
    /// Servers read several slashes as one and take `.` out of a path, so two paths would be one
    /// behind us and two for our rules. Slashes are made one here, because players that join URLs
    /// send them; dots are refused. What is judged is what the origin is asked for.
    ///
    /// # Errors
    /// [`AddressError::Path`] if it does not begin with a slash, cannot be decoded to text or has a
    /// part that is `.`, or `.` and `..` with parameters; [`AddressError::Name`] for `..`, control
    /// characters and the like.
    pub fn http(path: &str, query: Option<&str>) -> Result<Self, AddressError> {
        let wrong = || AddressError::Path(path.to_owned());
        let decoded = decoded(path.strip_prefix('/').ok_or_else(wrong)?).ok_or_else(wrong)?;
        if decoded.split('/').any(is_dots) {
            return Err(wrong());
        }
        let (app, stream) = decoded.rsplit_once('/').unwrap_or(("", &decoded));
        let parts: Vec<&str> = app.split('/').filter(|part| !part.is_empty()).collect();
        let app = parts.join("/");
        let or_slash = |part: &'_ str| {
            if part.is_empty() {
                "/".to_owned()
            } else {
                part.to_owned()
            }
        };
        Ok(Self {
            hops: Vec::new(),
            app: Some(AppName::of_path(&or_slash(&app))?),
            stream: Some(StreamName::of_path(&or_slash(stream))?),
            query: join_queries(query, None),
        })
    }

    /// What routes are matched against: for RTMP the application, for HTTP the whole decoded path
    /// without its first slash (`/` for the root). `None` while it is not known.
    #[must_use]
    pub fn resource(&self, plane: Plane) -> Option<String> {
        let app = self.app.as_ref()?.as_str();
        match plane {
            Plane::Rtmp => Some(app.to_owned()),
            Plane::Http => {
                let shown = |part: &'_ str| {
                    if part == "/" {
                        String::new()
                    } else {
                        part.to_owned()
                    }
                };
                let stream = self
                    .stream
                    .as_ref()
                    .map(StreamName::as_str)
                    .unwrap_or_default();
                let path = match (shown(app), shown(stream)) {
                    (app, stream) if app.is_empty() => stream,
                    (app, stream) => format!("{app}/{stream}"),
                };
                Some(if path.is_empty() {
                    "/".to_owned()
                } else {
                    path
                })
            }
        }
    }

    /// Whether the client named the destination itself.
    #[must_use]
    pub fn is_wrapped(&self) -> bool {
        !self.hops.is_empty()
    }

    /// The value of a query parameter, as it was sent.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.as_deref()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    }

    /// The wrapped application as the next hop must be asked for it: the prefixes after the first,
    /// then the application.
    #[must_use]
    pub fn beyond_first_hop(&self) -> Option<AppName> {
        let app = self.app.as_ref()?;
        let (_, rest) = self.hops.split_first()?;
        if rest.is_empty() {
            return Some(app.clone());
        }
        let text: String = rest.iter().map(|hop| format!("?{hop}/")).collect();
        AppName::parse(&format!("{text}{app}")).ok()
    }
}

/// Whether servers take this part of a path away: `.`, and both kinds of dots with parameters
/// (RFC 3986, sections 5.2.4 and 3.3). `..` alone no name may hold.
fn is_dots(part: &str) -> bool {
    part == "." || matches!(part.split_once(';'), Some(("." | "..", _)))
}

/// Decodes percent escapes (RFC 3986, section 2.1) once; `None` for broken escapes, for what is
/// not UTF-8, and for an escaped slash, which would make two paths of one.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut out = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if value == b'/' {
            return None;
        }
        out.push(value);
    }
    String::from_utf8(out).ok()
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

fn join_queries(first: Option<&str>, second: Option<&str>) -> Option<String> {
    let given: Vec<&str> = [first, second]
        .into_iter()
        .flatten()
        .filter(|query| !query.is_empty())
        .collect();
    (!given.is_empty()).then(|| given.join("&"))
}

fn stream_and_query(
    stream: Option<&str>,
) -> Result<(Option<StreamName>, Option<&str>), AddressError> {
    let Some(stream) = stream else {
        return Ok((None, None));
    };
    let (name, query) = split_query(stream);
    Ok((
        Some(StreamName::parse(name.trim_start_matches('/'))?),
        query,
    ))
}

fn app_name(path: &str) -> Result<AppName, AddressError> {
    Ok(AppName::parse(path.trim_matches('/'))?)
}

fn plain(app: &str, stream: Option<&str>) -> Result<Requested, AddressError> {
    let (path, app_query) = split_query(app);
    let (stream, stream_query) = stream_and_query(stream)?;
    Ok(Requested {
        hops: Vec::new(),
        app: Some(app_name(path)?),
        stream,
        query: join_queries(app_query, stream_query),
    })
}

/// Reads `rtmp://host[:port]/?rtmp://host[:port]/…` and returns the prefixes with what follows.
fn prefixes(text: &str) -> Result<(Vec<OriginAddress>, &str), AddressError> {
    let mut hops = Vec::new();
    let mut rest = text;
    loop {
        if hops.len() == MAX_WRAPPED_PREFIXES {
            return Err(AddressError::TooManyPrefixes);
        }
        let (scheme, after) =
            split_scheme(rest).ok_or_else(|| AddressError::Scheme(rest.to_owned()))?;
        if scheme.plane() != Plane::Rtmp {
            return Err(AddressError::Scheme(rest.to_owned()));
        }
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        hops.push(OriginAddress {
            scheme,
            at: HostPort::parse(authority, scheme.default_port())?,
        });
        let path = path.strip_prefix('/').unwrap_or(path);
        match path.strip_prefix('?') {
            Some(next) if split_scheme(next).is_some() => rest = next,
            Some(_) | None => return Ok((hops, path)),
        }
    }
}

/// The application of `connect` is a whole wrapped application: the stream stands by itself.
fn complete(wrapped: &str, stream: Option<&str>) -> Result<Requested, AddressError> {
    let (hops, path) = prefixes(wrapped)?;
    let (path, app_query) = split_query(path);
    let (stream, stream_query) = stream_and_query(stream)?;
    Ok(Requested {
        hops,
        app: Some(app_name(path)?),
        stream,
        query: join_queries(app_query, stream_query),
    })
}

/// Only the beginning of a wrapped request is known; it must at least look like one.
fn incomplete(wrapped: &str) -> Result<Requested, AddressError> {
    let scheme = wrapped.split(':').next().unwrap_or(wrapped);
    if !["rtmp", "rtmps"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
    {
        return Err(AddressError::Scheme(wrapped.to_owned()));
    }
    let hops = prefixes(wrapped).map(|(hops, _)| hops).unwrap_or_default();
    Ok(Requested {
        hops,
        ..Requested::default()
    })
}

/// Puts both pieces together again and cuts them where the origin's application ends.
fn joined(wrapped: &str, stream: &str) -> Result<Requested, AddressError> {
    let whole = format!("{wrapped}/{stream}");
    let (hops, path) = prefixes(&whole)?;
    let (path, query) = split_query(path);
    let path = path.trim_matches('/');
    if let Some((app, name)) = split_path(path) {
        return Ok(Requested {
            hops,
            app: Some(app_name(app)?),
            stream: Some(StreamName::parse(name)?),
            query: join_queries(query, None),
        });
    }
    // `live?token=…/cam`: the query stands before the last slash.
    let (query, name) = query
        .and_then(|query| query.rsplit_once('/'))
        .ok_or(AddressError::NoApplication)?;
    if path.is_empty() {
        return Err(AddressError::NoApplication);
    }
    Ok(Requested {
        hops,
        app: Some(app_name(path)?),
        stream: Some(StreamName::parse(name)?),
        query: join_queries(Some(query), None),
    })
}

/// `a/b` is application and stream; of `a/b/c…` the application takes two parts, unless the
/// second says a kind (`mp4:`) and so begins the stream.
fn split_path(path: &str) -> Option<(&str, &str)> {
    let first = path.find('/')?;
    let rest = &path[first + 1..];
    match rest.find('/') {
        Some(second) if !rest[..second].contains(':') => {
            Some((&path[..first + 1 + second], &rest[second + 1..]))
        }
        Some(_) | None => Some((&path[..first], rest)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(app: &str, stream: &str, hops: &[&str], expected: (&str, &str)) {
        let parsed = Requested::parse(app, Some(stream)).unwrap();
        let seen: Vec<String> = parsed.hops.iter().map(ToString::to_string).collect();
        assert_eq!(seen, hops, "{app} {stream}");
        assert_eq!(parsed.app.as_ref().unwrap().as_str(), expected.0);
        assert_eq!(parsed.stream.as_ref().unwrap().as_str(), expected.1);
    }

    #[test]
    fn joins_what_each_client_cuts_differently() {
        check(
            "?rtmp:/",
            "O:1936/live/s",
            &["rtmp://o:1936"],
            ("live", "s"),
        );
        check(
            "?rtmp:/",
            "e2/?rtmp://O/live/inst/s",
            &["rtmp://e2", "rtmp://o"],
            ("live/inst", "s"),
        );
        check("?rtmp://O/live", "s", &["rtmp://o"], ("live", "s"));
        check(
            "?rtmp://O:1936",
            "live/s",
            &["rtmp://o:1936"],
            ("live", "s"),
        );
        check(
            "?rtmp://e2/?rtmp://O/live",
            "a/b",
            &["rtmp://e2", "rtmp://o"],
            ("live", "a/b"),
        );
        check(
            "?rtmp:/",
            "O/vod/mp4:dir/f.mp4",
            &["rtmp://o"],
            ("vod", "mp4:dir/f.mp4"),
        );
        check("live", "s", &[], ("live", "s"));
        check("live/inst/", "/s", &[], ("live/inst", "s"));
    }

    #[test]
    fn says_what_is_missing_when_the_client_lost_the_application() {
        assert_eq!(
            Requested::parse("?rtmp://O:1935", Some("s")),
            Err(AddressError::NoApplication)
        );
    }

    #[test]
    fn waits_for_the_stream_name_when_connect_says_too_little() {
        for app in ["?rtmp:/", "?rtmp://O:1935", "?rtmp://O/", "?rtmps:/"] {
            assert_eq!(Requested::parse(app, None).unwrap().app, None, "{app}");
        }
        assert!(
            Requested::parse("?rtmp://O/live", None)
                .unwrap()
                .app
                .is_some()
        );
    }

    #[test]
    fn keeps_queries_wherever_they_stand() {
        let query =
            |app: &str, stream: &str| Requested::parse(app, Some(stream)).unwrap().query.unwrap();
        assert_eq!(query("live", "s?token=a.b"), "token=a.b");
        assert_eq!(query("live?token=x", "s"), "token=x");
        assert_eq!(query("?rtmp:/", "O/live/s?token=x&y=1"), "token=x&y=1");
        assert_eq!(query("?rtmp://O/live?token=x", "s"), "token=x");
        assert_eq!(query("?rtmp:/", "O/live?token=x/s"), "token=x");
        let parsed = Requested::parse("live?a=1", Some("s?token=t")).unwrap();
        assert_eq!(parsed.parameter("token"), Some("t"));
        assert_eq!(parsed.parameter("a"), Some("1"));
    }

    #[test]
    fn refuses_what_names_no_rtmp_destination() {
        for (app, stream) in [
            ("?http:/", "O/live/s"),
            ("?file:/", "etc/passwd/s"),
            ("?rtmp:/", "u:p@O/live/s"),
            ("?rtmp:/", "/live/s"),
            ("?rtmp:/", "O:99999/live/s"),
            ("?rtmp:/", "O/live/../s"),
            ("", "s"),
            ("live", ""),
            (
                "?rtmp:/",
                "a/?rtmp://b/?rtmp://c/?rtmp://d/?rtmp://e/?rtmp://f/live/s",
            ),
        ] {
            assert!(
                Requested::parse(app, Some(stream)).is_err(),
                "{app} {stream}"
            );
        }
    }

    #[test]
    fn an_http_path_is_an_application_and_a_stream() {
        let check = |path: &str, app: &str, stream: &str, resource: &str| {
            let parsed = Requested::http(path, None).unwrap();
            assert_eq!(parsed.app.as_ref().unwrap().as_str(), app, "{path}");
            assert_eq!(parsed.stream.as_ref().unwrap().as_str(), stream, "{path}");
            assert_eq!(parsed.resource(Plane::Http).unwrap(), resource, "{path}");
        };
        check("/live/cam.m3u8", "live", "cam.m3u8", "live/cam.m3u8");
        check("/a/b/c%20d.ts", "a/b", "c d.ts", "a/b/c d.ts");
        check("/file.mp4", "/", "file.mp4", "file.mp4");
        check("/", "/", "/", "/");
        check("/dir/", "dir", "/", "dir/");
        check("/l%69ve/s", "live", "s", "live/s");
        // What servers behind read as one path is one path for our rules.
        check("//private///film", "private", "film", "private/film");
        check("//film", "/", "film", "film");
        check("//", "/", "/", "/");
        check("/a//", "a", "/", "a/");
        for path in [
            "/./a",
            "/a/.",
            "/a/%2E/b",
            "/open/..;/private/a",
            "/open/..;x=1/private/a",
            "/.;x/a",
            "live",
            "/a%2fb",
            "/%zz",
            "/%ff",
            "/a/%2e%2e/b",
            "/a/../b",
            "/a%00",
            "*",
        ] {
            assert!(Requested::http(path, None).is_err(), "{path}");
        }
    }

    #[test]
    fn asks_the_next_hop_for_what_remains() {
        let parsed = Requested::parse("?rtmp:/", Some("e2/?rtmp://O:1936/live/s")).unwrap();
        assert_eq!(
            parsed.beyond_first_hop().unwrap().as_str(),
            "?rtmp://o:1936/live"
        );
        let parsed = Requested::parse("?rtmp:/", Some("O/live/s")).unwrap();
        assert_eq!(parsed.beyond_first_hop().unwrap().as_str(), "live");
    }
}
