//! The layers inside a crate: each top module may use those below it, never those above or beside it. Every
//! top module stands in the table of its crate; a new one is a line here, with what it may use. Tests may reach
//! where they like.

use crate::code;
use crate::tree::{Fault, Tree, check, expect_none};

struct Layers {
    source: &'static str,
    /// A top module and the others that it may use.
    modules: &'static [(&'static str, &'static [&'static str])],
}

/// `router -> {console, api, control} -> auth -> app -> {snapshot, store}`; `tasks -> app`. A snapshot is
/// made of rows, so it names their types. What starts the program knows all; `fixture` is compiled for tests only.
const SERVER: Layers = Layers {
    source: "server/src/",
    modules: &[
        (
            "server",
            &["app", "config", "log", "router", "store", "tasks"],
        ),
        (
            "fixture",
            &["app", "config", "router", "server", "store", "tasks"],
        ),
        (
            "router",
            &["api", "app", "auth", "console", "control", "log"],
        ),
        ("console", &["app", "auth", "log"]),
        ("api", &["app", "auth", "log"]),
        ("control", &["app", "auth", "log"]),
        ("tasks", &["app", "log"]),
        ("auth", &["app", "log"]),
        ("app", &["snapshot", "store", "log"]),
        ("snapshot", &["store"]),
        ("store", &[]),
        ("config", &[]),
        ("log", &[]),
    ],
};

/// `{rtmp, web, status} -> live -> edge-core`; `control` publishes, all others only read.
const EDGE_AGENT: Layers = Layers {
    source: "edge-agent/src/",
    modules: &[
        (
            "agent",
            &[
                "clock",
                "config",
                "context",
                "control",
                "dial",
                "journal",
                "limits",
                "listen",
                "live",
                "recorded",
                "rtmp",
                "sessions",
                "status",
                "stop",
                "store",
                "streams",
                "telemetry",
                "tls",
                "web",
                "webhook",
            ],
        ),
        (
            "listen",
            &[
                "addresses",
                "clock",
                "context",
                "control",
                "dial",
                "limits",
                "live",
                "recorded",
                "rtmp",
                "sessions",
                "socket",
                "stop",
                "streams",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "rtmp",
            &[
                "clock",
                "context",
                "control",
                "dial",
                "limits",
                "live",
                "recorded",
                "sessions",
                "socket",
                "stop",
                "streams",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "web",
            &[
                "addresses",
                "clock",
                "context",
                "control",
                "dial",
                "limits",
                "recorded",
                "sessions",
                "stop",
                "store",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "status",
            &[
                "clock",
                "context",
                "control",
                "dial",
                "limits",
                "recorded",
                "sessions",
                "stop",
                "streams",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "live",
            &[
                "clock",
                "context",
                "control",
                "dial",
                "limits",
                "recorded",
                "sessions",
                "socket",
                "stop",
                "streams",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "context",
            &[
                "clock",
                "control",
                "dial",
                "limits",
                "recorded",
                "sessions",
                "stop",
                "streams",
                "telemetry",
                "webhook",
            ],
        ),
        (
            "control",
            &[
                "clock",
                "config",
                "dial",
                "limits",
                "sessions",
                "stop",
                "streams",
                "telemetry",
            ],
        ),
        ("addresses", &[]),
        ("limits", &["clock", "sessions"]),
        ("sessions", &["clock", "journal", "telemetry"]),
        ("journal", &[]),
        ("streams", &["clock"]),
        ("webhook", &["clock", "dial", "telemetry"]),
        ("dial", &["clock"]),
        ("config", &["journal", "store", "tls"]),
        ("tls", &["stop"]),
        ("socket", &[]),
        ("telemetry", &[]),
        ("stop", &[]),
        ("recorded", &["clock", "sessions", "socket", "store"]),
        ("store", &["clock"]),
        ("clock", &[]),
    ],
};

fn faults_of(tree: &Tree, layers: &Layers) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust() {
        let Some(modules) = path
            .strip_prefix(layers.source)
            .and_then(|inner| inner.strip_suffix(".rs"))
        else {
            continue;
        };
        let inner: Vec<&str> = modules.split('/').collect();
        // The crate's root joins everything.
        if inner == ["lib"] || inner == ["main"] {
            continue;
        }
        let Some((own, may)) = layers.modules.iter().find(|(name, _)| *name == inner[0]) else {
            let what = format!(
                "top module `{}` is not in the table of layers (tests/tidy/layers.rs)",
                inner[0]
            );
            faults.push(Fault::new(path, 0, what));
            continue;
        };
        let tests = code::tests_begin(path, text);
        let used = used_top_modules(text, inner.len());
        for (line, used) in used.into_iter().filter(|(line, _)| *line < tests) {
            let known = layers.modules.iter().any(|(name, _)| *name == used);
            if known && used != *own && !may.contains(&used.as_str()) {
                faults.push(Fault::new(
                    path,
                    line,
                    format!("`{own}` must not use `{used}` (one-way rules)"),
                ));
            }
        }
    }
    faults
}

/// The top modules that a file names by `crate::` or by climbing with `super::`.
fn used_top_modules(text: &str, depth: usize) -> Vec<(usize, String)> {
    let blank = code::blank(text);
    let mut used = code::following(&blank, "crate::");
    let climbed = code::following(&blank, &"super::".repeat(depth));
    used.extend(climbed.into_iter().filter(|(_, name)| name != "super"));
    used.sort();
    used
}

#[test]
fn the_servers_layers_reach_only_down() {
    expect_none(&faults_of(&Tree::open(), &SERVER));
}

#[test]
fn the_agents_layers_reach_only_down() {
    expect_none(&faults_of(&Tree::open(), &EDGE_AGENT));
}

const MADE: Layers = Layers {
    source: "made/src/",
    modules: &[
        ("top", &["middle", "low"]),
        ("side", &["low"]),
        ("middle", &["low"]),
        ("low", &[]),
    ],
};

fn made(tree: &Tree) -> Vec<Fault> {
    faults_of(tree, &MADE)
}

#[test]
fn reaching_up_or_sideways_is_found() {
    check(
        made,
        &[("made/src/low.rs", "use crate::middle::x;")],
        &["made/src/low.rs:1"],
    );
    check(
        made,
        &[("made/src/low/deep.rs", "\nfn f() { crate::top::g() }")],
        &["made/src/low/deep.rs:2"],
    );
    check(
        made,
        &[("made/src/low/deep.rs", "use super::super::top;")],
        &["made/src/low/deep.rs:1"],
    );
    check(
        made,
        &[("made/src/low.rs", "use super::{\n    low,\n    side,\n};")],
        &["made/src/low.rs:3"],
    );
    check(
        made,
        &[("made/src/top.rs", "use crate::side::x;")],
        &["made/src/top.rs:1"],
    );
}

#[test]
fn reaching_down_or_within_is_left_alone() {
    check(
        made,
        &[(
            "made/src/top.rs",
            "use crate::{low, middle};\nuse serde::de;",
        )],
        &[],
    );
    check(
        made,
        &[(
            "made/src/low/deep.rs",
            "use crate::low::x;\nuse super::other;",
        )],
        &[],
    );
    check(
        made,
        &[(
            "made/src/low.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::top;\n}",
        )],
        &[],
    );
    check(made, &[("made/src/lib.rs", "use crate::top;")], &[]);
}

#[test]
fn a_module_outside_the_table_is_found() {
    check(made, &[("made/src/odd.rs", "")], &["made/src/odd.rs:0"]);
}
