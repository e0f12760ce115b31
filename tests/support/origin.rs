//! A real origin: nginx with its RTMP module, on ports that were free, in a folder of its own, one process.
//! RTMP applications: `live`, `studio` and
//! `live/inst` (live too, under other names), `archive` (live, and recorded to disk)
//! and `vod` (files). HTTP: the module's statistics, and files below `/media/` (cacheable for a minute),
//! `/brief/` (for a second),
//! `/private/` (never stored) and `/slow/` (cacheable, sent at 256 KiB/s), each request in the access log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::eventually::{comes_true, eventually};
use super::http;
use super::ports;
use super::process::{Running, Signal};

const START: Duration = Duration::from_secs(10);
/// How often another port is tried when one was taken in between.
const TRIES: usize = 5;

pub(crate) struct Origin {
    process: Running,
    folder: TempDir,
    rtmp_port: u16,
    http_port: u16,
}

impl Origin {
    /// Starts nginx and waits until it answers.
    ///
    /// # Panics
    /// When it does not within 10 s.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for name in [
            "files/media",
            "files/private",
            "files/slow",
            "vod",
            "recorded",
            "temp",
        ] {
            fs::create_dir_all(folder.path().join(name)).expect("a temporary folder can be filled");
        }
        let mut said = String::new();
        for _ in 0..TRIES {
            let (rtmp_port, http_port) = (ports::free(), ports::free());
            let mut process = launch(folder.path(), rtmp_port, http_port);
            let answers = || http::get(&format!("127.0.0.1:{http_port}"), "/stat").is_ok();
            if comes_true(START, || answers() || !process.is_running()) && process.is_running() {
                return Origin {
                    process,
                    folder,
                    rtmp_port,
                    http_port,
                };
            }
            said = process.stderr();
        }
        panic!("nginx does not start:\n{said}");
    }

    /// Stops it at once, as a crash would, and starts it again on the same ports.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let process = launch(self.folder.path(), self.rtmp_port, self.http_port);
        self.process = process;
        let address = self.http_address();
        eventually(START, "nginx answers again", || {
            http::get(&address, "/stat").ok()
        });
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if self.process.is_running() {
            self.process.signal(Signal::Kill);
        }
        eventually(START, "nginx is gone", || {
            (!self.process.is_running()).then_some(())
        });
    }

    /// Freezes it: its connections stay, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::Continue);
    }

    /// Host and port of its RTMP side.
    pub(crate) fn rtmp_address(&self) -> String {
        format!("127.0.0.1:{}", self.rtmp_port)
    }

    /// Host and port of its HTTP side.
    pub(crate) fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// `rtmp://…/app/stream` at the origin itself.
    pub(crate) fn url(&self, app: &str, stream: &str) -> String {
        format!("rtmp://{}/{app}/{stream}", self.rtmp_address())
    }

    fn statistics(&self) -> String {
        let answer =
            http::get(&self.http_address(), "/stat").expect("nginx answers with its statistics");
        answer.text()
    }

    /// How many RTMP connections it accepted since it started.
    pub(crate) fn accepted(&self) -> u64 {
        number(&self.statistics(), "naccepted").expect("the statistics count accepted connections")
    }

    /// How many connections hold a stream now, its publisher among them.
    pub(crate) fn clients_of(&self, app: &str, stream: &str) -> u64 {
        self.stream(app, stream)
            .and_then(|xml| number(&xml, "nclients"))
            .unwrap_or(0)
    }

    /// Whether a stream is being published to it now.
    pub(crate) fn is_published(&self, app: &str, stream: &str) -> bool {
        self.stream(app, stream)
            .is_some_and(|xml| xml.contains("<publishing/>"))
    }

    /// What the statistics say of one stream.
    fn stream(&self, app: &str, stream: &str) -> Option<String> {
        let statistics = self.statistics();
        let application = statistics.split("<application>").find(|part| {
            part.trim_start()
                .starts_with(&format!("<name>{app}</name>"))
        })?;
        let found = application.split("<stream>").skip(1).find(|part| {
            part.trim_start()
                .starts_with(&format!("<name>{stream}</name>"))
        })?;
        Some(found.split("</stream>").next()?.to_owned())
    }

    /// Puts a file below `/media/`, `/brief/`, `/private/` or `/slow/` (the path's first part says which).
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let file = self
            .folder
            .path()
            .join("files")
            .join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a file has a folder"))
            .expect("a folder can be made");
        fs::write(file, bytes).expect("a file can be written");
    }

    /// Puts a file where the application `vod` plays it from.
    pub(crate) fn put_recorded(&self, name: &str, from: &Path) {
        fs::copy(from, self.folder.path().join("vod").join(name)).expect("a file can be copied");
    }

    /// What the application `archive` wrote of a stream.
    pub(crate) fn recording(&self, stream: &str) -> PathBuf {
        self.folder
            .path()
            .join("recorded")
            .join(format!("{stream}.flv"))
    }

    /// How many requests for exactly this path and query came to its HTTP side.
    pub(crate) fn requests_for(&self, path: &str) -> usize {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.split(' ').nth(1) == Some(path))
            .count()
    }

    /// Everything it said in its logs, to see that something is not there.
    pub(crate) fn logs(&self) -> String {
        let read =
            |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("access.log") + &read("rtmp.log") + &read("error.log")
    }
}

fn launch(folder: &Path, rtmp_port: u16, http_port: u16) -> Running {
    let file = folder.join("nginx.conf");
    fs::write(&file, settings(folder, rtmp_port, http_port)).expect("settings can be written");
    Running::start(
        Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(file),
    )
}

fn settings(folder: &Path, rtmp_port: u16, http_port: u16) -> String {
    let folder = folder.display();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
rtmp {{
    access_log {folder}/rtmp.log;
    server {{
        listen 127.0.0.1:{rtmp_port};
        chunk_size 4096;
        application live {{ live on; wait_key on; }}
        application studio {{ live on; wait_key on; }}
        application live/inst {{ live on; wait_key on; }}
        application archive {{ live on; record all; record_path {folder}/recorded; play {folder}/recorded; }}
        application vod {{ play {folder}/vod; }}
    }}
}}
http {{
    types {{
        text/html html; application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4;
        video/x-flv flv; application/dash+xml mpd; text/plain txt;
    }}
    log_format plain '$request_method $request_uri $status $body_bytes_sent';
    access_log {folder}/access.log plain;
    client_body_temp_path {folder}/temp/body;
    proxy_temp_path {folder}/temp/proxy;
    fastcgi_temp_path {folder}/temp/fastcgi;
    uwsgi_temp_path {folder}/temp/uwsgi;
    scgi_temp_path {folder}/temp/scgi;
    server {{
        listen 127.0.0.1:{http_port} backlog=4096;
        root {folder}/files;
        location = /stat {{ rtmp_stat all; access_log off; }}
        location /media/ {{ add_header Cache-Control 'public, max-age=60'; }}
        location /brief/ {{ add_header Cache-Control 'public, max-age=1'; }}
        location /private/ {{ add_header Cache-Control 'private, no-store'; }}
        location /slow/ {{ add_header Cache-Control 'public, max-age=60'; limit_rate 256k; }}
    }}
}}
"
    )
}

/// The number in the first element of this name.
fn number(xml: &str, element: &str) -> Option<u64> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    rest.split_once('<')?.0.trim().parse().ok()
}
