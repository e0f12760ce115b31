//! What never stands in code: postponed work, queues without a bound, tests that are skipped, waits that guess.

use crate::code;
use crate::tree::{Fault, Tree, check, expect_none};

/// Words of postponed work, put together here so that this file does not hold them.
const POSTPONED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// The one place where a test waits for time to pass: between two looks at what it waits for.
const MAY_SLEEP: &str = "tests/support/eventually.rs";

const WRITTEN_BY_US: &[&str] = &[
    ".rs", ".toml", ".sql", ".html", ".css", ".js", ".sh", "/run",
];

fn postponed(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let ours = |path: &str| {
        WRITTEN_BY_US.iter().any(|end| path.ends_with(end)) && !path.starts_with("static/vendor/")
    };
    for (path, text) in tree.texts().filter(|(path, _)| ours(path)) {
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = POSTPONED.iter().find(|word| code::names(line, word)) {
                faults.push(Fault::new(
                    path,
                    at + 1,
                    format!("`{word}`: do it, or say in docs what is not there"),
                ));
            }
        }
    }
    for (path, at, line) in code_lines(tree) {
        if let Some(call) = ["todo!", "unimplemented!"]
            .iter()
            .find(|call| line.contains(*call))
        {
            faults.push(Fault::new(
                path,
                at,
                format!("`{call}`: no stub stands in the tree"),
            ));
        }
    }
    faults
}

fn without_bound(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, at, line) in code_lines(tree) {
        let by_name = [
            "unbounded",
            "unbounded_channel",
            "UnboundedSender",
            "UnboundedReceiver",
            "unbounded_send",
        ];
        if by_name.iter().any(|name| code::names(&line, name)) || std_channel(&line) {
            faults.push(Fault::new(
                path,
                at,
                "a queue without a bound: `mpsc::channel(n)`, or `sync_channel(n)`",
            ));
        }
    }
    faults
}

/// Whether `mpsc::channel` is called without a bound: `mpsc::channel()` or `mpsc::channel::<T>()`.
fn std_channel(line: &str) -> bool {
    line.match_indices("mpsc::channel").any(|(at, name)| {
        let rest = &line[at + name.len()..];
        let call = rest
            .strip_prefix("::<")
            .and_then(|typed| typed.find(">(").map(|end| &typed[end + 1..]))
            .unwrap_or(rest);
        call.starts_with("()")
    })
}

fn skipped(tree: &Tree) -> Vec<Fault> {
    let skips = |line: &str| {
        line.contains("#[ignore") || (line.contains("cfg_attr") && line.contains("ignore"))
    };
    code_lines(tree)
        .filter(|(_, _, line)| skips(line))
        .map(|(path, at, _)| {
            Fault::new(
                path,
                at,
                "a test that does not run: run it, or behind `WEIR_LONG`",
            )
        })
        .collect()
}

fn sleeping(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| *path != MAY_SLEEP) {
        let tests = code::tests_begin(path, text);
        for (at, line) in code::blank(text)
            .lines()
            .enumerate()
            .skip_while(|(at, _)| at + 1 < tests)
        {
            if ["sleep(", "sleep_until(", "sleep_ms("]
                .iter()
                .any(|call| line.contains(call))
            {
                faults.push(Fault::new(
                    path,
                    at + 1,
                    "a sleep in a test guesses: wait for the thing, with a deadline",
                ));
            }
        }
    }
    faults
}

fn code_lines(tree: &Tree) -> impl Iterator<Item = (&str, usize, String)> {
    tree.rust().flat_map(|(path, text)| {
        let lines: Vec<String> = code::blank(text).lines().map(str::to_owned).collect();
        lines
            .into_iter()
            .enumerate()
            .map(move |(at, line)| (path, at + 1, line))
    })
}

#[test]
fn no_work_is_postponed_in_the_code() {
    expect_none(&postponed(&Tree::open()));
}

#[test]
fn every_queue_has_a_bound() {
    expect_none(&without_bound(&Tree::open()));
}

#[test]
fn no_test_is_skipped() {
    expect_none(&skipped(&Tree::open()));
}

#[test]
fn no_test_sleeps() {
    expect_none(&sleeping(&Tree::open()));
}

#[test]
fn postponed_work_is_found_in_comments_and_code() {
    let note = format!("// {}: later\nlet a = 1;", POSTPONED[0]);
    check(postponed, &[("a/src/a.rs", &note)], &["a/src/a.rs:1"]);
    check(
        postponed,
        &[("migrations/1.sql", &format!("-- {}", POSTPONED[1]))],
        &["migrations/1.sql:1"],
    );
    check(
        postponed,
        &[("a/src/a.rs", "fn f() { todo!() }")],
        &["a/src/a.rs:1"],
    );
    check(
        postponed,
        &[("a/src/a.rs", "let s = \"todo!\"; // todo! is a macro")],
        &[],
    );
    check(postponed, &[("static/vendor/x.js", &note)], &[]);
}

#[test]
fn a_queue_without_a_bound_is_found() {
    for line in [
        "let (a, b) = tokio::sync::mpsc::unbounded_channel();",
        "struct S(UnboundedSender<u8>);",
        "let (a, b) = mpsc::channel();",
        "let (a, b) = std::sync::mpsc::channel::<Vec<u8>>();",
    ] {
        check(without_bound, &[("a/src/a.rs", line)], &["a/src/a.rs:1"]);
    }
    check(
        without_bound,
        &[(
            "a/src/a.rs",
            "mpsc::channel(16); mpsc::channel::<u8>(1); // unbounded",
        )],
        &[],
    );
}

#[test]
fn a_skipped_test_is_found() {
    check(
        skipped,
        &[("a/src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}")],
        &["a/src/a.rs:2"],
    );
    check(
        skipped,
        &[("a/src/a.rs", "#[cfg_attr(unix, ignore)]")],
        &["a/src/a.rs:1"],
    );
    check(
        skipped,
        &[("a/src/a.rs", "// #[ignore]\nlet ignored = 1;")],
        &[],
    );
}

#[test]
fn a_sleeping_test_is_found_and_a_sleeping_program_is_not() {
    let text = "fn f() { sleep(d) }\n#[cfg(test)]\nmod tests {\n    fn g() { tokio::time::sleep(d).await }\n}";
    check(sleeping, &[("a/src/a.rs", text)], &["a/src/a.rs:4"]);
    check(
        sleeping,
        &[("tests/e2e/a.rs", "std::thread::sleep(d)")],
        &["tests/e2e/a.rs:1"],
    );
    check(sleeping, &[(MAY_SLEEP, "std::thread::sleep(d)")], &[]);
}
