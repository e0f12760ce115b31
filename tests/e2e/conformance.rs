//! The public HTTP cache suite (the npm package `http-cache-tests`) against an edge with default settings, the suite's
//! own server behind it as the origin.
//!
//! What comes of each test stands in docs/conformance.md, which this test writes when `WEIR_WRITE` is set and compares
//! otherwise: a test that newly fails fails the run, and one that newly passes must be written down. A test that is not
//! passed needs its reason in `conformance/departures.txt`.

mod page;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::process::{self, Running};
use crate::harness::world::World;

/// The whole suite waits three seconds a few times, whatever the machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// What became of one test.
#[derive(Debug, serde::Deserialize)]
struct Tested {
    /// The name of its group.
    suite: String,
    id: String,
    name: String,
    /// `required`, `optimal`, or `check` where the RFC leaves the choice.
    kind: String,
    /// Tests whose failure leaves this one without meaning.
    needs: Vec<String>,
    /// What kind of fault, if it was not passed: `Setup` where the test itself was not reached.
    fault: Option<String>,
    said: Option<String>,
}

#[test]
#[allow(clippy::print_stderr, reason = "who asks for a few tests reads them")]
fn the_public_cache_suite_finds_what_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let suite = suite();
    let mut world = World::start(0);
    let (_origin, port) = start_origin(&suite);
    let origin = world.api.post(
        "/origins",
        &json!({
            "name": "suite",
            "address": format!("http://127.0.0.1:{port}"),
            "reach": {"private": false, "loopback": true},
        }),
    );
    world.route(json!({
        "name": "suite", "plane": "http", "app": "*", "order": 1, "upstreams": [origin["id"]],
    }));
    world.add_edge("edge-1");
    world.settle();

    let mut command = Command::new("node");
    command
        .arg(root.join("tests/e2e/conformance/run.mjs"))
        .arg(&suite)
        .arg(format!("http://{}", world.edges[0].http()));
    // A few tests only, and all that they send and get: `WEIR_SUITE=id,id`.
    let only = std::env::var("WEIR_SUITE").ok();
    command.args(&only);
    let outcome = process::run(&mut command, PATIENCE);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success(), "{outcome}\n{said}");
    if only.is_some() {
        eprintln!("{said}");
        return;
    }
    let tested: Vec<Tested> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("the runner prints JSON"))
        .collect();
    page::compare(root, &tested);
}

/// Where tests/programs has put the suite.
fn suite() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's folder for tests lies in the build folder")
        .join("test-programs/http-cache-tests");
    assert!(
        folder.is_dir(),
        "{} is not there: tests/programs brings it",
        folder.display()
    );
    folder
}

/// The suite's server, and its port.
fn start_origin(suite: &Path) -> (Running, u16) {
    let mut command = Command::new("node");
    command
        .current_dir(suite)
        .arg("server/server.mjs")
        .env("npm_config_protocol", "http")
        .env("npm_config_port", "0")
        .env("npm_config_pidfile", "/dev/null");
    let mut server = Running::start(&mut command);
    let port = server.says(Duration::from_secs(20), "where it listens", |line| {
        let at = line.strip_prefix("Listening on ")?.trim_end_matches('/');
        at.rsplit(':').next()?.parse().ok()
    });
    (server, port)
}
