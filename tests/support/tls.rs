//! TLS before a program that has none: HAProxy with a certificate of an authority made for one test, which
//! only those trust who are told its file; HAProxy as a client of TLS, for those who speak none; and
//! certificates for an edge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::eventually::{comes_true, eventually};
use super::ports;
use super::process::{Running, run};

const START: Duration = Duration::from_secs(10);
/// How often another port is tried when one was taken in between.
const TRIES: usize = 5;

pub(crate) struct TlsFront {
    _process: Running,
    folder: TempDir,
    port: u16,
}

impl TlsFront {
    /// Speaks TLS as `localhost` and passes what is inside to `behind`, a host and port.
    pub(crate) fn before(behind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        certify(folder.path());
        let certificate = folder.path().join("both.pem");
        let bind = format!("ssl crt {}", certificate.display());
        TlsFront::start(folder, &format!("{bind}\n server behind {behind}"))
    }

    /// Takes what is plain and passes it on inside TLS to `behind`, a host and port.
    pub(crate) fn into_tls(behind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        TlsFront::start(
            folder,
            &format!("\n server behind {behind} ssl verify none"),
        )
    }

    /// Starts it with what follows its own address.
    fn start(folder: TempDir, after: &str) -> Self {
        for _ in 0..TRIES {
            let port = ports::free();
            let mut process = launch(folder.path(), port, after);
            let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            if comes_true(START, || answers() || !process.is_running()) && process.is_running() {
                return TlsFront {
                    _process: process,
                    folder,
                    port,
                };
            }
        }
        panic!("haproxy does not start");
    }

    /// `localhost` and its port.
    pub(crate) fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The certificate by which its own is trusted.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }
}

/// Makes a certificate for these names, signed by itself, with its key in one file. Its subject is `called`.
pub(crate) fn certificate(file: &Path, called: &str, names: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
    let made = run(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", &format!("/CN={called}"), "-addext"])
            .arg(format!("subjectAltName={}", names.join(",")))
            .args(["-keyout", "key", "-out", "chain"])
            .current_dir(folder.path()),
        START,
    );
    assert!(made.status.success(), "openssl failed: {made}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("openssl wrote it");
    fs::write(file, read("chain") + &read("key")).expect("the file can be written");
}

/// The subject of the certificate that is shown to who asks for this name, or none.
pub(crate) fn shown_for(address: &str, name: Option<&str>, version: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address, version]);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    let client = Running::start(&mut command);
    let subject = || {
        let text = client.stdout();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("subject="))?;
        let (_, called) = line.split_once("CN")?;
        Some(called.trim_start_matches([' ', '=']).to_owned())
    };
    eventually(START, "the handshake is over", subject)
}

/// Makes an authority and, signed by it, the certificate of `localhost`.
fn certify(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let made = run(
            Command::new("openssl").args(arguments).current_dir(folder),
            START,
        );
        assert!(made.status.success(), "openssl failed: {made}");
    };
    let new = [
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    openssl(
        &[
            &new[..],
            &[
                "-x509",
                "-days",
                "2",
                "-subj",
                "/CN=Test authority",
                "-keyout",
                "authority.key",
                "-out",
                "authority.pem",
            ],
        ]
        .concat(),
    );
    openssl(
        &[
            &new[..],
            &[
                "-subj",
                "/CN=localhost",
                "-keyout",
                "own.key",
                "-out",
                "own.csr",
            ],
        ]
        .concat(),
    );
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n")
        .expect("a temporary folder can be filled");
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "own.csr",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "own.pem",
    ]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("openssl wrote it");
    fs::write(folder.join("both.pem"), read("own.pem") + &read("own.key"))
        .expect("a temporary folder can be filled");
}

fn launch(folder: &Path, port: u16, after: &str) -> Running {
    let settings = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen tls\n bind 127.0.0.1:{port} {after}\n"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, settings).expect("a temporary folder can be filled");
    Running::start(Command::new("haproxy").arg("-f").arg(&file))
}
