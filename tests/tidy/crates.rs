//! The arrows between crates, as manifests and code hold them: who may depend on whom, which libraries a crate
//! must never have, and that what decides has no runtime, no socket and no clock.

use crate::code;
use crate::tree::{Fault, Tree, check, expect_none};

/// A crate, the crates of ours that it may use, and the beginnings of library names that it must not.
struct Law {
    folder: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

const OURS: &[&str] = &[
    "bench",
    "contract",
    "edge-agent",
    "edge-core",
    "rtmp",
    "server",
    "weir",
];

const IO: &[&str] = &[
    "async-std",
    "axum",
    "futures-executor",
    "h2",
    "hyper",
    "mio",
    "moka",
    "quanta",
    "reqwest",
    "rusqlite",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tower",
];

const LAWS: &[Law] = &[
    Law {
        folder: "contract/",
        ours: &[],
        never: IO,
    },
    Law {
        folder: "rtmp/",
        ours: &[],
        never: IO,
    },
    Law {
        folder: "edge-core/",
        ours: &["contract", "rtmp"],
        never: IO,
    },
    Law {
        folder: "edge-agent/",
        ours: &["contract", "edge-core", "rtmp"],
        never: &["argon2", "askama", "axum", "sqlx"],
    },
    Law {
        folder: "server/",
        ours: &["contract"],
        never: &["rml_rtmp"],
    },
    Law {
        folder: "bench/",
        ours: &["contract", "rtmp"],
        never: &[],
    },
    Law {
        folder: "",
        ours: &["contract", "edge-agent", "rtmp", "server"],
        never: &[],
    },
];

/// What the crates that only decide must not name, tests aside.
const WITHOUT_IO: &[&str] = &["contract/src/", "rtmp/src/", "edge-core/src/"];
const WORLD: &[(&str, &str)] = &[
    ("Instant::now", "take `now` as an argument"),
    ("SystemTime::now", "take `now` as an argument"),
    ("Timestamp::now", "take `now` as an argument"),
    ("Zoned::now", "take `now` as an argument"),
    ("std::fs", "files are the agent's and the server's"),
    ("std::env", "settings are handed in"),
    ("std::process", "processes are the programs'"),
    ("std::thread", "tasks are the agent's"),
    ("TcpStream", "sockets are the agent's"),
    ("TcpListener", "sockets are the agent's"),
    ("UdpSocket", "sockets are the agent's"),
    ("ToSocketAddrs", "names are resolved by the agent"),
    ("tokio", "the runtime is the agent's"),
    ("hyper", "the runtime is the agent's"),
];

fn arrows(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for law in LAWS {
        let path = format!("{}Cargo.toml", law.folder);
        for (line, name) in tree.text(&path).map(dependencies).unwrap_or_default() {
            let ours = OURS.contains(&name.as_str());
            if ours && !law.ours.contains(&name.as_str()) {
                faults.push(Fault::new(
                    &path,
                    line,
                    format!("there is no arrow to `{name}` (architecture: one-way rules)"),
                ));
            } else if !ours && law.never.iter().any(|never| begins(&name, never)) {
                faults.push(Fault::new(
                    &path,
                    line,
                    format!("`{name}` must never be a dependency here"),
                ));
            }
        }
    }
    faults
}

/// `tokio` stands for `tokio-util` too, but not for `tokiomania`.
fn begins(name: &str, never: &str) -> bool {
    name.strip_prefix(never)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The names in every dependency table of a manifest, with their lines. The workspace's own table is a list to
/// choose from, not a choice.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut within = false;
    for (at, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            within = header.ends_with("dependencies") && header != "workspace.dependencies";
            if let Some((table, name)) = header.rsplit_once('.')
                && table.ends_with("dependencies")
                && table != "workspace.dependencies"
            {
                found.push((at + 1, name.to_owned()));
            }
        } else if within && !line.is_empty() && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| !matches!(c, '.' | '=' | ' '))
                .collect();
            found.push((at + 1, name));
        }
    }
    found
}

fn without_io(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree
        .rust()
        .filter(|(path, _)| WITHOUT_IO.iter().any(|folder| path.starts_with(folder)))
    {
        let tests = code::tests_begin(path, text);
        for (at, line) in code::blank(text)
            .lines()
            .enumerate()
            .take_while(|(at, _)| at + 1 < tests)
        {
            for (name, instead) in WORLD.iter().filter(|(name, _)| code::names(line, name)) {
                faults.push(Fault::new(
                    path,
                    at + 1,
                    format!("`{name}` in a crate without IO: {instead}"),
                ));
            }
        }
    }
    faults
}

#[test]
fn crates_depend_only_along_the_arrows() {
    expect_none(&arrows(&Tree::open()));
}

#[test]
fn what_decides_has_no_runtime_no_socket_and_no_clock() {
    expect_none(&without_io(&Tree::open()));
}

#[test]
fn an_arrow_that_is_not_there_is_found() {
    check(
        arrows,
        &[(
            "server/Cargo.toml",
            "[dependencies]\nserde = \"1\"\nedge-agent.workspace = true",
        )],
        &["server/Cargo.toml:3"],
    );
    check(
        arrows,
        &[(
            "rtmp/Cargo.toml",
            "[dev-dependencies]\ncontract = { path = \"x\" }",
        )],
        &["rtmp/Cargo.toml:2"],
    );
    check(
        arrows,
        &[("contract/Cargo.toml", "[dependencies.rtmp]\npath = \"x\"")],
        &["contract/Cargo.toml:1"],
    );
    check(
        arrows,
        &[(
            "Cargo.toml",
            "[workspace.dependencies]\nedge-core = \"1\"\n[dependencies]\nedge-core.workspace = true",
        )],
        &["Cargo.toml:4"],
    );
}

#[test]
fn a_library_that_must_never_be_there_is_found() {
    check(
        arrows,
        &[(
            "edge-core/Cargo.toml",
            "[dependencies]\ntokio-util.workspace = true\nhttp = \"1\"",
        )],
        &["edge-core/Cargo.toml:2"],
    );
    check(
        arrows,
        &[(
            "edge-agent/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nsqlx = \"1\"",
        )],
        &["edge-agent/Cargo.toml:2"],
    );
}

#[test]
fn a_clock_or_a_socket_is_found_and_a_word_in_a_comment_is_not() {
    check(
        without_io,
        &[(
            "rtmp/src/a.rs",
            "// Instant::now\nlet x = std::time::Instant::now();",
        )],
        &["rtmp/src/a.rs:2"],
    );
    check(
        without_io,
        &[(
            "edge-core/src/a.rs",
            "use tokio::time;\nuse std::net::{TcpStream};",
        )],
        &["edge-core/src/a.rs:1", "edge-core/src/a.rs:2"],
    );
    check(
        without_io,
        &[(
            "edge-core/src/a.rs",
            "#[cfg(test)]\nmod tests { use std::fs; }",
        )],
        &[],
    );
    check(
        without_io,
        &[("edge-agent/src/a.rs", "use tokio::time;")],
        &[],
    );
}
