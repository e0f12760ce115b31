//! Addresses as clients and administrators write them: origins, RTMP URLs, and wrapped requests.
//!
//! A wrapped request names its destination inside the request for the edge:
//! `rtmp://edge/?rtmp://origin/app/stream`. Each client cuts such a URL at another place into the
//! application of `connect` and the stream name of `play`, so [`Requested::parse`] puts both
//! together and cuts again. What comes out is checked text: no destination is dialed from it, it
//! is only compared with the origins that exist.

mod requested;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use requested::Requested;

use crate::name::NameError;
use crate::protocol::{Ingress, Plane};

/// The most prefixes of a wrapped request; one more than a chain may have hops, so that one too
/// many can be told from garbage.
pub const MAX_WRAPPED_PREFIXES: usize = 5;

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The scheme is not one of those accepted.
    #[error("`{0}` must begin with rtmp://, rtmps://, http:// or https://")]
    Scheme(String),
    /// No host, or characters that no host has.
    #[error("`{0}` has no valid host: letters, digits, `-`, `.`, or an IPv6 address in brackets")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` has no valid port: a number from 1 to 65535")]
    Port(String),
    /// A user name stands in the address.
    #[error("an address must not hold a user name or password")]
    UserInfo,
    /// Something follows the port.
    #[error("`{0}` must end after the host and port")]
    Trailing(String),
    /// Too many prefixes.
    #[error("a wrapped address has at most {MAX_WRAPPED_PREFIXES} prefixes")]
    TooManyPrefixes,
    /// A wrapped request without an application and a stream.
    #[error("the wrapped address lacks an application: write `?rtmp://origin/application/stream`")]
    NoApplication,
    /// An HTTP path that cannot be decoded.
    #[error(
        "`{0}` is not a path: it begins with `/`, and escapes are two hexadecimal digits that make UTF-8 without a slash"
    )]
    Path(String),
    /// A name in it cannot be accepted.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// A host and port as a client or sibling reaches it; prints as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A host name in lower case, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Takes `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// [`AddressError::Host`] or [`AddressError::Port`].
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (host, port) = split_authority(text)?;
        Ok(Self {
            host: parse_host(host, text)?,
            port: parse_port(port, text)?.unwrap_or(default_port),
        })
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    /// Takes `host:port`; the port must be given.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split_authority(text)?;
        let port = parse_port(port, text)?.ok_or_else(|| AddressError::Port(text.to_owned()))?;
        Ok(Self {
            host: parse_host(host, text)?,
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn split_authority(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if text.contains('@') {
        return Err(AddressError::UserInfo);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| AddressError::Host(text.to_owned()))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Trailing(text.to_owned())),
        };
    }
    Ok(match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

fn parse_host(host: &str, whole: &str) -> Result<String, AddressError> {
    let wrong = || AddressError::Host(whole.to_owned());
    if host.contains(':') {
        return host
            .parse::<IpAddr>()
            .map(|addr| addr.to_string())
            .map_err(|_| wrong());
    }
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() || name.len() > 253 || !name.split('.').all(fits) {
        return Err(wrong());
    }
    Ok(name.to_ascii_lowercase())
}

fn parse_port(port: Option<&str>, whole: &str) -> Result<Option<u16>, AddressError> {
    let wrong = || AddressError::Port(whole.to_owned());
    let Some(port) = port else { return Ok(None) };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(wrong()),
        Ok(port) => Ok(Some(port)),
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(HostPort);
as_text!(OriginAddress);

/// Where an origin or an edge listens: `rtmp://host:1935`. Prints the port only where it is not
/// the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginAddress {
    /// By which protocol it is spoken to.
    pub scheme: Ingress,
    /// Where.
    pub at: HostPort,
}

impl OriginAddress {
    /// Which of the edge's sides uses it.
    #[must_use]
    pub const fn plane(&self) -> Plane {
        self.scheme.plane()
    }
}

impl FromStr for OriginAddress {
    type Err = AddressError;

    /// Takes `scheme://host[:port]` with at most one slash after it.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) =
            split_scheme(text).ok_or_else(|| AddressError::Scheme(text.to_owned()))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(AddressError::Trailing(text.to_owned()));
        }
        Ok(Self {
            scheme,
            at: HostPort::parse(authority, scheme.default_port())?,
        })
    }
}

impl fmt::Display for OriginAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_string();
        let default = format!(":{}", self.scheme.default_port());
        let shown = at.strip_suffix(&default).unwrap_or(&at);
        write!(f, "{}://{shown}", self.scheme.scheme())
    }
}

/// Cuts a known scheme off, in any letter case.
fn split_scheme(text: &str) -> Option<(Ingress, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let known = Ingress::ALL
        .into_iter()
        .find(|known| known.scheme().eq_ignore_ascii_case(scheme))?;
    Some((known, rest))
}

/// The host and port that a client believes it speaks to, from the `tcUrl` of its `connect`:
/// everything between the scheme and the next slash. User names are left out.
#[must_use]
pub fn tc_url_host(tc_url: &str) -> Option<HostPort> {
    let (scheme, rest) = split_scheme(tc_url)?;
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    HostPort::parse(authority, scheme.default_port()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_address_prints_as_it_is_best_read() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<OriginAddress>().unwrap().to_string(), expected);
        };
        check("rtmp://Origin.example", "rtmp://origin.example");
        check("rtmp://origin:1935/", "rtmp://origin");
        check("RTMPS://origin:444", "rtmps://origin:444");
        check("http://[::1]:8080", "http://[::1]:8080");
        check("rtmp://[2001:db8::1]", "rtmp://[2001:db8::1]");
    }

    #[test]
    fn refuses_what_is_not_an_origin_address() {
        for text in [
            "origin",
            "ftp://origin",
            "rtmp://",
            "rtmp://a:0",
            "rtmp://a:65536",
            "rtmp://a:+5",
            "rtmp://u:p@a",
            "rtmp://a/live",
            "rtmp://a b",
            "rtmp://[::1",
            "rtmp://a..b",
            "rtmp://a:",
        ] {
            assert!(text.parse::<OriginAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn reads_the_host_of_a_tc_url() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                tc_url_host(text).map(|at| at.to_string()).as_deref(),
                expected,
                "{text}"
            );
        };
        check("rtmp://edge.example/live", Some("edge.example:1935"));
        check("rtmp://edge:1940/?rtmp:/", Some("edge:1940"));
        check("rtmps://edge?x", Some("edge:443"));
        check("rtmp://u:p@edge/live", Some("edge:1935"));
        check("live", None);
    }
}
