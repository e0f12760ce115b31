//! How files are named, opened and kept short, and that none holds what belongs to one machine only.

use crate::code;
use crate::tree::{Fault, Tree, check, expect_none};

/// The longest file without its tests, in lines. Chosen: above this a reader no longer holds it in mind.
const MOST_LINES: usize = 600;

/// Beginnings of paths that exist on one person's or one builder's machine only, put together here so that
/// this file does not hold them.
const OF_ONE_MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

fn no_mod_rs(tree: &Tree) -> Vec<Fault> {
    let named = tree.rust().filter(|(path, _)| path.ends_with("/mod.rs"));
    named
        .map(|(path, _)| Fault::new(path, 0, "`foo.rs` beside `foo/`, never `mod.rs`"))
        .collect()
}

fn opened(tree: &Tree) -> Vec<Fault> {
    let unopened = tree.rust().filter(|(_, text)| !text.starts_with("//!"));
    unopened
        .map(|(path, _)| {
            Fault::new(
                path,
                1,
                "a module opens with `//!`: what it owns, takes, gives and keeps",
            )
        })
        .collect()
}

fn short(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        let tests = code::tests_begin(path, text);
        let without_tests = lines.min(tests - 1);
        if without_tests > MOST_LINES {
            faults.push(Fault::new(
                path,
                MOST_LINES,
                format!("{without_tests} lines without tests: one idea a file"),
            ));
        }
    }
    faults
}

fn of_no_machine(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree
        .texts()
        .filter(|(path, _)| !path.starts_with("static/vendor/"))
    {
        for (at, line) in text.lines().enumerate() {
            let starts = |prefix: &&str| {
                line.match_indices(*prefix).any(|(at, _)| {
                    line[..at]
                        .chars()
                        .next_back()
                        .is_none_or(|c| " \"'`=(:".contains(c))
                })
            };
            if let Some(prefix) = OF_ONE_MACHINE.iter().find(|prefix| starts(prefix)) {
                faults.push(Fault::new(
                    path,
                    at + 1,
                    format!("`{prefix}…` is a path of one machine"),
                ));
            }
        }
    }
    faults
}

#[test]
fn no_file_is_called_mod_rs() {
    expect_none(&no_mod_rs(&Tree::open()));
}

#[test]
fn every_module_opens_by_saying_what_it_owns() {
    expect_none(&opened(&Tree::open()));
}

#[test]
fn files_are_short() {
    expect_none(&short(&Tree::open()));
}

#[test]
fn no_file_holds_a_path_of_one_machine() {
    expect_none(&of_no_machine(&Tree::open()));
}

#[test]
fn a_mod_rs_is_found() {
    check(
        no_mod_rs,
        &[("a/src/b/mod.rs", "//! x"), ("a/src/my_mod.rs", "")],
        &["a/src/b/mod.rs:0"],
    );
}

#[test]
fn a_module_that_says_nothing_is_found() {
    check(
        opened,
        &[("a/src/b.rs", "use x;"), ("a/src/c.rs", "//! Owns.")],
        &["a/src/b.rs:1"],
    );
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = "fn f() {}\n".repeat(MOST_LINES + 1);
    check(short, &[("a/src/b.rs", &long)], &["a/src/b.rs:600"]);
    check(
        short,
        &[(
            "a/src/b.rs",
            &format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}"),
        )],
        &[],
    );
}

#[test]
fn a_path_of_one_machine_is_found() {
    let path = format!("target = \"{}target\"", OF_ONE_MACHINE[0]);
    check(
        of_no_machine,
        &[
            ("a/Cargo.toml", &path),
            ("b.rs", "https://x.example/work/y"),
        ],
        &["a/Cargo.toml:1"],
    );
}
