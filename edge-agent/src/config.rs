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

use crate::journal::JournalConfig;
use crate::store::Size;
use crate::tls::CertificateFiles;

/// What environment variables begin with: `WEIR_EDGE_HTTP=0.0.0.0:80`.
pub const ENVIRONMENT_PREFIX: &str = "WEIR_EDGE_";

/// The shortest grace: an edge outlives a server that is away for a week (laws.md, 1.8).
pub const MIN_GRACE_DAYS: u64 = 7;
/// The grace without a word; chosen, because a month is longer than a holiday.
pub const DEFAULT_GRACE_DAYS: u64 = 30;

/// The most certificates of an edge. Chosen, because their files are looked at every few seconds.
pub const MAX_CERTIFICATES: usize = 256;
/// What is kept of recorded streams without a word. Chosen, because small machines have 1 GiB of
/// memory and 20 GiB of disk.
const MEMORY_MIB: u32 = 128;
const DISK_MIB: u32 = 4_096;
/// What the session log keeps without a word. Chosen: together 1 GiB for each form.
const LOG_MIB: u32 = 64;
const LOG_FILES: u32 = 16;
const MAX_LOG_MIB: u32 = 1 << 20;
const MAX_LOG_FILES: u32 = 10_000;
/// How often the session log says how far a session has come. Chosen, because bills are by the minute.
const LOG_CHECKPOINT_S: u32 = 60;
const MAX_CHECKPOINT_S: u32 = 86_400;
/// The most that can be said: bytes are counted in 64 bits.
const MAX_MIB: i64 = 1 << 40;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of one edge as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it keeps its credential, settings and totals.
    pub data_dir: PathBuf,
    /// Where it serves RTMP; `None` does not.
    pub rtmp: Option<SocketAddr>,
    /// Where it serves RTMP inside TLS; `None` does not.
    pub rtmps: Option<SocketAddr>,
    /// Where it serves HTTP; `None` does not.
    pub http: Option<SocketAddr>,
    /// Where it answers for its health and metrics; `None` does not.
    pub status: Option<SocketAddr>,
    /// Where clients and siblings reach its RTMP side, if that is not the address it listens on.
    pub advertise_rtmp: Option<HostPort>,
    /// Where clients reach its RTMP side inside TLS.
    pub advertise_rtmps: Option<HostPort>,
    /// Where clients and siblings reach its HTTP side.
    pub advertise_http: Option<HostPort>,
    /// Its certificates; the first stands for all names that no other has.
    pub certificates: Vec<CertificateFiles>,
    /// How long it serves while the server is silent.
    pub grace: Duration,
    /// How much of recorded streams it keeps in memory.
    pub store_memory: Size,
    /// How much of them it keeps on disk.
    pub store_disk: Size,
    /// What it writes of its sessions into files.
    pub session_log: JournalConfig,
}

/// The settings of one edge as written, all optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// `data`: a directory.
    pub data: Option<String>,
    /// `rtmp`: an address and port, or `off`.
    pub rtmp: Option<String>,
    /// `rtmps`: an address and port, or `off`.
    pub rtmps: Option<String>,
    /// `http`: an address and port, or `off`.
    pub http: Option<String>,
    /// `status`: an address and port, or `off`.
    pub status: Option<String>,
    /// `advertise_rtmp`: a host and port.
    pub advertise_rtmp: Option<String>,
    /// `advertise_rtmps`: a host and port.
    pub advertise_rtmps: Option<String>,
    /// `advertise_http`: a host and port.
    pub advertise_http: Option<String>,
    /// `certificates`: files, each `CHAIN:KEY` or one that holds both.
    pub certificates: Option<Vec<String>>,
    /// `grace_days`: a number of days, at least 7.
    pub grace_days: Option<String>,
    /// `store_memory_mib`: a number of MiB, 0 for off, -1 for unlimited.
    pub store_memory_mib: Option<String>,
    /// `store_disk_mib`: the same.
    pub store_disk_mib: Option<String>,
    /// `session_log`: `off`, `w3c`, `json` or `both`.
    pub session_log: Option<String>,
    /// `session_log_mib`: the largest file, a number of MiB.
    pub session_log_mib: Option<String>,
    /// `session_log_files`: how many full files are kept.
    pub session_log_files: Option<String>,
    /// `session_log_checkpoint_s`: a number of seconds, 0 for never.
    pub session_log_checkpoint_s: Option<String>,
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
            "rtmps" => &mut self.rtmps,
            "http" => &mut self.http,
            "status" => &mut self.status,
            "advertise_rtmp" => &mut self.advertise_rtmp,
            "advertise_rtmps" => &mut self.advertise_rtmps,
            "advertise_http" => &mut self.advertise_http,
            "grace_days" => &mut self.grace_days,
            "store_memory_mib" => &mut self.store_memory_mib,
            "store_disk_mib" => &mut self.store_disk_mib,
            "session_log" => &mut self.session_log,
            "session_log_mib" => &mut self.session_log_mib,
            "session_log_files" => &mut self.session_log_files,
            "session_log_checkpoint_s" => &mut self.session_log_checkpoint_s,
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
            if key == "certificates" {
                match texts(value) {
                    Some(texts) => written.certificates = Some(texts),
                    None => faults.push(FieldFault::new(
                        key,
                        "a list is needed: [\"/path/chain.pem:/path/key.pem\"]",
                    )),
                }
                continue;
            }
            match (written.slot(&key), text(value)) {
                (Some(slot), Some(text)) => *slot = Some(text),
                (Some(_), None) => faults.push(FieldFault::new(key, "a text in quotes is needed")),
                (None, _) => faults.push(FieldFault::new(
                    key,
                    "this key is not known; there are data, rtmp, rtmps, http, status, \
                     advertise_rtmp, advertise_rtmps, advertise_http, certificates, grace_days, \
                     store_memory_mib, store_disk_mib, session_log, session_log_mib, \
                     session_log_files and session_log_checkpoint_s",
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
            rtmps: self.rtmps.or(below.rtmps),
            http: self.http.or(below.http),
            status: self.status.or(below.status),
            advertise_rtmp: self.advertise_rtmp.or(below.advertise_rtmp),
            advertise_rtmps: self.advertise_rtmps.or(below.advertise_rtmps),
            advertise_http: self.advertise_http.or(below.advertise_http),
            certificates: self.certificates.or(below.certificates),
            grace_days: self.grace_days.or(below.grace_days),
            store_memory_mib: self.store_memory_mib.or(below.store_memory_mib),
            store_disk_mib: self.store_disk_mib.or(below.store_disk_mib),
            session_log: self.session_log.or(below.session_log),
            session_log_mib: self.session_log_mib.or(below.session_log_mib),
            session_log_files: self.session_log_files.or(below.session_log_files),
            session_log_checkpoint_s: self
                .session_log_checkpoint_s
                .or(below.session_log_checkpoint_s),
        }
    }

    /// What was meant. Without a word it serves RTMP on 1935 and HTTP on 8080 of every address,
    /// and answers for its health on 9090 of its own machine.
    ///
    /// # Errors
    /// [`ConfigFaults`] with every fault.
    pub fn meant(self) -> Result<Config, ConfigFaults> {
        let mut faults = Vec::new();
        let certificates = certificates(&mut faults, self.certificates.unwrap_or_default());
        let rtmps = listener(&mut faults, "rtmps", self.rtmps, "off");
        if rtmps.is_some() && certificates.is_empty() {
            faults.push(FieldFault::new("certificates", "TLS needs at least one"));
        }
        let config = Config {
            rtmps,
            certificates,
            data_dir: PathBuf::from(self.data.as_deref().unwrap_or("weir-edge")),
            rtmp: listener(&mut faults, "rtmp", self.rtmp, "0.0.0.0:1935"),
            http: listener(&mut faults, "http", self.http, "0.0.0.0:8080"),
            status: listener(&mut faults, "status", self.status, "127.0.0.1:9090"),
            advertise_rtmp: advertised(&mut faults, "advertise_rtmp", self.advertise_rtmp),
            advertise_rtmps: advertised(&mut faults, "advertise_rtmps", self.advertise_rtmps),
            advertise_http: advertised(&mut faults, "advertise_http", self.advertise_http),
            grace: grace(&mut faults, self.grace_days),
            store_memory: size(
                &mut faults,
                "store_memory_mib",
                self.store_memory_mib,
                MEMORY_MIB,
            ),
            store_disk: size(&mut faults, "store_disk_mib", self.store_disk_mib, DISK_MIB),
            session_log: session_log(
                &mut faults,
                self.session_log.as_deref(),
                (self.session_log_mib, self.session_log_files),
                self.session_log_checkpoint_s,
            ),
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
    let number = value.to_i128().map(|number| number.to_string());
    value.into_string().or(number)
}

/// One text, or several.
fn texts(value: Value) -> Option<Vec<String>> {
    if let Value::Array(_, values) = value {
        return values.into_iter().map(text).collect();
    }
    Some(vec![text(value)?])
}

fn certificates(faults: &mut Vec<FieldFault>, texts: Vec<String>) -> Vec<CertificateFiles> {
    if texts.len() > MAX_CERTIFICATES {
        let message = format!("at most {MAX_CERTIFICATES} are taken");
        faults.push(FieldFault::new("certificates", message));
        return Vec::new();
    }
    let files = |text: &String| {
        let (chain, key) = text.split_once(':').unwrap_or((text, text));
        let files = CertificateFiles {
            chain: PathBuf::from(chain),
            key: PathBuf::from(key),
        };
        if chain.is_empty() || key.is_empty() {
            let message = format!(
                "`{text}` is not a file such as `/etc/weir/both.pem`, or two such as `/etc/weir/chain.pem:/etc/weir/key.pem`"
            );
            faults.push(FieldFault::new("certificates", message));
        }
        files
    };
    texts.iter().map(files).collect()
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

fn size(faults: &mut Vec<FieldFault>, key: &str, mib: Option<String>, default: u32) -> Size {
    let given = mib.map_or(Ok(i64::from(default)), |text| text.parse());
    match given {
        Ok(0) => Size::Off,
        Ok(-1) => Size::Unlimited,
        Ok(mib @ 1..=MAX_MIB) => Size::Bytes(mib.unsigned_abs() << 20),
        Ok(_) | Err(_) => {
            let message = "a number of MiB is needed, 0 for off or -1 for unlimited";
            faults.push(FieldFault::new(key, message));
            Size::Off
        }
    }
}

fn session_log(
    faults: &mut Vec<FieldFault>,
    forms: Option<&str>,
    (mib, files): (Option<String>, Option<String>),
    checkpoint_s: Option<String>,
) -> JournalConfig {
    let (w3c, json) = match forms.unwrap_or("off") {
        "off" => (false, false),
        "w3c" => (true, false),
        "json" => (false, true),
        "both" => (true, true),
        other => {
            let message = format!("`{other}` is not `off`, `w3c`, `json` or `both`");
            faults.push(FieldFault::new("session_log", message));
            (false, false)
        }
    };
    let mut number = |key: &str, text: Option<String>, default: u32, (least, most): (u32, u32)| {
        let given = text.map_or(Ok(default), |text| text.parse());
        match given {
            Ok(number) if (least..=most).contains(&number) => number,
            Ok(_) | Err(_) => {
                let message = format!("a whole number from {least} to {most} is needed");
                faults.push(FieldFault::new(key, message));
                default
            }
        }
    };
    let mib = number("session_log_mib", mib, LOG_MIB, (1, MAX_LOG_MIB));
    let files = number("session_log_files", files, LOG_FILES, (1, MAX_LOG_FILES));
    let key = "session_log_checkpoint_s";
    let checkpoint_s = number(key, checkpoint_s, LOG_CHECKPOINT_S, (0, MAX_CHECKPOINT_S));
    JournalConfig {
        w3c,
        json,
        file_bytes: u64::from(mib) << 20,
        files: files as usize,
        checkpoint: (checkpoint_s > 0).then(|| Duration::from_secs(checkpoint_s.into())),
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
        check("rtmps = '127.0.0.1:0'", &["certificates"]);
        check("certificates = [{ chain = 'a' }]", &["certificates"]);
        check("certificates = ['a.pem:']", &["certificates"]);
    }

    #[test]
    fn certificates_are_files_with_their_keys_or_beside_them() {
        let check = |toml: &str, expected: &[(&str, &str)]| {
            let files = read(toml).unwrap().certificates;
            let files: Vec<_> = files
                .iter()
                .map(|one| (one.chain.to_str().unwrap(), one.key.to_str().unwrap()))
                .collect();
            assert_eq!(files, expected, "{toml}");
        };
        check("certificates = 'a.pem'", &[("a.pem", "a.pem")]);
        check(
            "certificates = ['a.pem:a.key', 'b.pem']",
            &[("a.pem", "a.key"), ("b.pem", "b.pem")],
        );
        check("", &[]);
    }

    #[test]
    fn sizes_are_off_unlimited_or_a_number() {
        let check = |toml: &str, memory, disk| {
            let config = read(toml).unwrap();
            assert_eq!(
                (config.store_memory, config.store_disk),
                (memory, disk),
                "{toml}"
            );
        };
        let mib = |mib: u64| Size::Bytes(mib << 20);
        check("", mib(128), mib(4_096));
        check(
            "store_memory_mib = 0\nstore_disk_mib = -1",
            Size::Off,
            Size::Unlimited,
        );
        check("store_memory_mib = '5'", mib(5), mib(4_096));
        for wrong in ["store_disk_mib = -2", "store_memory_mib = 'much'"] {
            assert_eq!(read(wrong).unwrap_err().0.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn the_session_log_is_off_unless_it_is_asked_for() {
        let config = read("").unwrap().session_log;
        assert!(!config.w3c && !config.json);
        let toml = "session_log = 'both'\nsession_log_mib = 1\nsession_log_checkpoint_s = 0";
        let config = read(toml).unwrap().session_log;
        assert!(config.w3c && config.json);
        assert_eq!((config.file_bytes, config.files), (1 << 20, 16));
        assert_eq!(config.checkpoint, None);
        for wrong in [
            "session_log = 'on'",
            "session_log_mib = 0",
            "session_log_files = -1",
        ] {
            assert_eq!(read(wrong).unwrap_err().0.len(), 1, "{wrong}");
        }
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
