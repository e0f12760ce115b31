//! `weir edge` as a process of its own, with a data directory of its own: joined by a token as the console
//! hands it out, started on free ports, killed and started again on the same ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::eventually::eventually;
use super::process::{Running, Signal, run};
use super::server::weir;

const START: Duration = Duration::from_secs(20);

pub(crate) struct Edge {
    pub(crate) id: String,
    pub(crate) name: String,
    process: Running,
    data: TempDir,
    trusted: Option<PathBuf>,
    options: Vec<String>,
    rtmp: String,
    http: String,
    earlier_logs: String,
}

impl Edge {
    /// Joins by a token and starts serving.
    pub(crate) fn join(token: &str, name: &str) -> Self {
        Edge::join_trusting(token, name, None)
    }

    /// Joins, and starts serving with these options beside the usual ones.
    pub(crate) fn join_with(token: &str, name: &str, options: Vec<String>) -> Self {
        Edge::join_as(token, name, None, options)
    }

    /// The same, trusting the certificate authority in this file rather than the machine's.
    pub(crate) fn join_trusting(token: &str, name: &str, trusted: Option<PathBuf>) -> Self {
        Edge::join_as(token, name, trusted, Vec::new())
    }

    fn join_as(token: &str, name: &str, trusted: Option<PathBuf>, options: Vec<String>) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        let joined = run(
            weir()
                .args(["edge", "join", token, "--name", name, "--data"])
                .arg(data.path()),
            START,
        );
        assert!(joined.status.success(), "`weir edge join` failed: {joined}");
        let mut process = launch(
            &data,
            trusted.as_deref(),
            &options,
            "127.0.0.1:0",
            "127.0.0.1:0",
        );
        process.says(START, "that it is ready", |line| {
            (line == "ready").then_some(())
        });
        let (id, rtmp) = listener(&mut process, "rtmp");
        let (_, http) = if process.stdout().contains(" http http://") {
            listener(&mut process, "http")
        } else {
            (String::new(), String::new())
        };
        Edge {
            id,
            name: name.to_owned(),
            process,
            data,
            trusted,
            options,
            rtmp,
            http,
            earlier_logs: String::new(),
        }
    }

    /// Host and port of its RTMP side.
    pub(crate) fn rtmp(&self) -> &str {
        &self.rtmp
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Host and port of its RTMP side inside TLS, if it was started with one.
    pub(crate) fn rtmps(&mut self) -> String {
        listener(&mut self.process, "rtmps").1
    }

    /// Asks it to read its certificates again.
    pub(crate) fn reload(&self) {
        self.process.signal(Signal::Hangup);
    }

    /// Host and port of its HTTP side.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// `rtmp://edge/…`
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("rtmp://{}/{rest}", self.rtmp)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::Kill);
        eventually(START, "the edge has ended", || {
            (!self.process.is_running()).then_some(())
        });
    }

    /// Starts it again after [`Edge::kill`], on the same ports with the same data.
    pub(crate) fn start_again(&mut self) {
        self.earlier_logs = self.logs();
        self.process = launch(
            &self.data,
            self.trusted.as_deref(),
            &self.options,
            &self.rtmp,
            &self.http,
        );
        let (id, rtmp) = listener(&mut self.process, "rtmp");
        assert_eq!((&id, &rtmp), (&self.id, &self.rtmp));
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The number by which the system knows its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Its largest memory so far in bytes, as the kernel counts it (`VmHWM`).
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        self.process.peak_memory_bytes()
    }

    /// All it said so far.
    pub(crate) fn logs(&self) -> String {
        format!(
            "{}{}{}",
            self.earlier_logs,
            self.process.stdout(),
            self.process.stderr()
        )
    }
}

fn launch(
    data: &TempDir,
    trusted: Option<&Path>,
    options: &[String],
    rtmp: &str,
    http: &str,
) -> Running {
    let mut command: Command = weir();
    if let Some(file) = trusted {
        command.env("SSL_CERT_FILE", file);
    }
    let usual = ["--rtmp", rtmp, "--http", http, "--status", "127.0.0.1:0"];
    command.arg("edge").arg("--data").arg(data.path());
    Running::start(command.args(usual).args(options))
}

/// Reads `edge edge_01… rtmp rtmp://127.0.0.1:1935`: the edge's id, host and port.
fn listener(process: &mut Running, plane: &str) -> (String, String) {
    let wanted = format!(" {plane} {plane}://");
    process.says(START, &format!("its {plane} address"), |line| {
        let (edge, address) = line.strip_prefix("edge ")?.split_once(&wanted)?;
        Some((edge.to_owned(), address.trim_end_matches('/').to_owned()))
    })
}
