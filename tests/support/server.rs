//! `weir server` as a process of its own, with a data directory of its own: started on a free port, set up by
//! its one-time link as a person would, killed and started again on the same port.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::api::Api;
use super::eventually::eventually;
use super::process::{Running, Signal};

const START: Duration = Duration::from_secs(20);

/// The first administrator that tests make.
pub(crate) const ADMINISTRATOR: &str = "Ada";
/// Her password.
pub(crate) const PASSWORD: &str = "a sill across a river";

/// The program that is tested.
pub(crate) fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env("RUST_LOG", "info").env_remove("WEIR_CONFIG");
    command
}

pub(crate) struct Server {
    process: Running,
    data: TempDir,
    address: String,
    setup_link: Option<String>,
    earlier_logs: String,
}

impl Server {
    /// Starts a server that nobody has set up.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        let mut process = launch(&data, "127.0.0.1:0");
        let address = address_of(&mut process);
        let link = process.says(START, "its set-up link", |line| {
            line.strip_prefix("set-up link ").map(str::to_owned)
        });
        Server {
            process,
            data,
            address,
            setup_link: Some(link),
            earlier_logs: String::new(),
        }
    }

    /// Makes the first administrator by the set-up link, and an administrator's API token.
    pub(crate) fn set_up(&mut self) -> Api {
        let link = self.setup_link.take().expect("a server is set up once");
        let token = link
            .rsplit('/')
            .next()
            .expect("a link has a last part")
            .to_owned();
        let nobody = Api::without_token(&self.address);
        nobody.post(
            "/setup",
            &json!({"token": token, "name": ADMINISTRATOR, "password": PASSWORD}),
        );
        self.token("administrator")
    }

    /// Makes an API token of this role.
    pub(crate) fn token(&self, role: &str) -> Api {
        Api::signed_in(&self.address, ADMINISTRATOR, PASSWORD).token(role)
    }

    /// The set-up link, while it was not used.
    pub(crate) fn setup_link(&self) -> Option<&str> {
        self.setup_link.as_deref()
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where pages are.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::Kill);
        self.wait_for_end();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.process.signal(Signal::Terminate);
        self.wait_for_end();
    }

    fn wait_for_end(&mut self) {
        eventually(START, "the server has ended", || {
            (!self.process.is_running()).then_some(())
        });
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`], on the same port with the same data.
    pub(crate) fn start_again(&mut self) {
        self.earlier_logs = self.logs();
        self.process = launch(&self.data, &self.address);
        assert_eq!(address_of(&mut self.process), self.address);
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

fn launch(data: &TempDir, listen: &str) -> Running {
    Running::start(
        weir()
            .arg("server")
            .arg("--data")
            .arg(data.path())
            .args(["--listen", listen]),
    )
}

fn address_of(process: &mut Running) -> String {
    process.says(START, "its address", |line| {
        line.strip_prefix("server listening on http://")
            .map(str::to_owned)
    })
}
