//! The few settings of one edge that stand on its own machine: where it keeps things and where it
//! listens. Everything else comes from the server.
//!
//! What was written ([`Written`]) comes from a file, the environment and the command line, each
//! overriding the one before; what it means ([`Config`]) is typed and whole. All faults are told
//! at once, with the key and what would be accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::address::HostPort;
use contract::fault::FieldFault;
use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use figment::value::Value;

/// What environment variables begin with: `WEIR_EDGE_HTTP=0.0.0.0:80`.
pub const ENVIRONMENT_PREFIX: &str = "WEIR_EDGE_";

/// The shortest grace: an edge outlives a server that is away for a week (laws.md, 1.8).
pub const MIN_GRACE_DAYS: u64 = 7;
/// The grace without a word; chosen, because a month is longer than a holiday.
pub const DEFAULT_GRACE_DAYS: u64 = 30;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of one edge as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it keeps its credential, settings and totals.
    pub data_dir: PathBuf,
    /// Where it serves RTMP; `None` does not.
    pub rtmp: Option<SocketAddr>,
    /// Where it serves HTTP; `None` does not.
    pub http: Option<SocketAddr>,
    /// Where it answers for its health and metrics; `None` does not.
    pub status: Option<SocketAddr>,
    /// Where clients and siblings reach its RTMP side, if that is not the address it listens on.
    pub advertise_rtmp: Option<HostPort>,
    /// Where clients and siblings reach its HTTP side.
    pub advertise_http: Option<HostPort>,
    /// How long it serves while the server is silent.
    pub grace: Duration,
}

/// The settings of one edge as written, all optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// `data`: a directory.
    pub data: Option<String>,
    /// `rtmp`: an address and port, or `off`.
    pub rtmp: Option<String>,
    /// `http`: an address and port, or `off`.
    pub http: Option<String>,
    /// `status`: an address and port, or `off`.
    pub status: Option<String>,
    /// `advertise_rtmp`: a host and port.
    pub advertise_rtmp: Option<String>,
    /// `advertise_http`: a host and port.
    pub advertise_http: Option<String>,
    /// `grace_days`: a number of days, at least 7.
    pub grace_days: Option<String>,
}

/// Every fault of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings of this edge cannot be used: {}", join(.0))]
pub struct ConfigFaults(pub Vec<FieldFault>);

fn join(faults: &[FieldFault]) -> String {
    let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl Written {
    fn slot(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "data" => &mut self.data,
            "rtmp" => &mut self.rtmp,
            "http" => &mut self.http,
            "status" => &mut self.status,
            "advertise_rtmp" => &mut self.advertise_rtmp,
            "advertise_http" => &mut self.advertise_http,
            "grace_days" => &mut self.grace_days,
            _ => return None,
        })
    }

    /// Reads a TOML file, if one is named, and the environment over it.
    ///
    /// # Errors
    /// [`ConfigFaults`] with every key that is not known or is not a text, or the file's own fault.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigFaults> {
        let mut figment = Figment::new();
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        Self::from_figment(&figment.merge(Env::prefixed(ENVIRONMENT_PREFIX)))
    }

    fn from_figment(figment: &Figment) -> Result<Self, ConfigFaults> {
        let values: BTreeMap<String, Value> = figment
            .extract()
            .map_err(|error| ConfigFaults(vec![FieldFault::new("file", error)]))?;
        let mut written = Self::default();
        let mut faults = Vec::new();
        for (key, value) in values {
            match (written.slot(&key), text(value)) {
                (Some(slot), Some(text)) => *slot = Some(text),
                (Some(_), None) => faults.push(FieldFault::new(key, "a text in quotes is needed")),
                (None, _) => faults.push(FieldFault::new(
                    key,
                    "this key is not known; there are data, rtmp, http, status, \
                     advertise_rtmp, advertise_http and grace_days",
                )),
            }
        }
        if faults.is_empty() {
            Ok(written)
        } else {
            Err(ConfigFaults(faults))
        }
    }

    /// These settings, and `below` where they say nothing.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data: self.data.or(below.data),
            rtmp: self.rtmp.or(below.rtmp),
            http: self.http.or(below.http),
            status: self.status.or(below.status),
            advertise_rtmp: self.advertise_rtmp.or(below.advertise_rtmp),
            advertise_http: self.advertise_http.or(below.advertise_http),
            grace_days: self.grace_days.or(below.grace_days),
        }
    }

    /// What was meant. Without a word it serves RTMP on 1935 and HTTP on 8080 of every address,
    /// and answers for its health on 9090 of its own machine.
    ///
    /// # Errors
    /// [`ConfigFaults`] with every fault.
    pub fn meant(self) -> Result<Config, ConfigFaults> {
        let mut faults = Vec::new();
        let config = Config {
            data_dir: PathBuf::from(self.data.as_deref().unwrap_or("weir-edge")),
            rtmp: listener(&mut faults, "rtmp", self.rtmp, "0.0.0.0:1935"),
            http: listener(&mut faults, "http", self.http, "0.0.0.0:8080"),
            status: listener(&mut faults, "status", self.status, "127.0.0.1:9090"),
            advertise_rtmp: advertised(&mut faults, "advertise_rtmp", self.advertise_rtmp),
            advertise_http: advertised(&mut faults, "advertise_http", self.advertise_http),
            grace: grace(&mut faults, self.grace_days),
        };
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigFaults(faults))
        }
    }
}

/// A text, or a number as the environment gives one.
fn text(value: Value) -> Option<String> {
    let number = value.to_u128().map(|number| number.to_string());
    value.into_string().or(number)
}

fn listener(
    faults: &mut Vec<FieldFault>,
    key: &str,
    text: Option<String>,
    default: &str,
) -> Option<SocketAddr> {
    let text = text.as_deref().unwrap_or(default);
    if text == "off" {
        return None;
    }
    let parsed = text.parse();
    if parsed.is_err() {
        let message = format!("`{text}` is not an address and port such as `{default}`, or `off`");
        faults.push(FieldFault::new(key, message));
    }
    parsed.ok()
}

fn advertised(faults: &mut Vec<FieldFault>, key: &str, text: Option<String>) -> Option<HostPort> {
    let parsed = text?.parse();
    match parsed {
        Ok(at) => Some(at),
        Err(error) => {
            faults.push(FieldFault::new(key, error));
            None
        }
    }
}

fn grace(faults: &mut Vec<FieldFault>, days: Option<String>) -> Duration {
    let given = days.map_or(Ok(DEFAULT_GRACE_DAYS), |text| text.parse());
    match given {
        Ok(days @ MIN_GRACE_DAYS..=36_500) => DAY * u32::try_from(days).unwrap_or(u32::MAX),
        Ok(_) | Err(_) => {
            let message = format!("a number of days from {MIN_GRACE_DAYS} to 36500 is needed");
            faults.push(FieldFault::new("grace_days", message));
            DAY
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Config, ConfigFaults> {
        Written::from_figment(&Figment::from(Toml::string(toml)))?.meant()
    }

    #[test]
    fn a_file_says_where_the_edge_listens() {
        let config =
            read("data = '/tmp/x'\nrtmp = '127.0.0.1:0'\nhttp = 'off'\nadvertise_rtmp = 'e:1'")
                .unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/tmp/x"));
        assert_eq!(config.rtmp, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!(config.http, None);
        assert_eq!(config.advertise_rtmp, Some("e:1".parse().unwrap()));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let check = |toml: &str, expected: &[&str]| {
            let faults = read(toml).unwrap_err().0;
            let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(fields, expected, "{toml}");
        };
        check("http = true\nserver = 'x'", &["http", "server"]);
        check(
            "http = 'x'\nrtmp = '1.2.3.4'\nadvertise_http = 'e'",
            &["rtmp", "http", "advertise_http"],
        );
        check("= 5", &["file"]);
    }

    #[test]
    fn the_command_line_overrides_the_file() {
        let file = Written {
            rtmp: Some("1.1.1.1:1".to_owned()),
            http: Some("off".to_owned()),
            ..Written::default()
        };
        let given = Written {
            rtmp: Some("2.2.2.2:2".to_owned()),
            ..Written::default()
        };
        let config = given.over(file).meant().unwrap();
        assert_eq!(config.rtmp, Some("2.2.2.2:2".parse().unwrap()));
        assert_eq!(config.http, None);
    }
}
