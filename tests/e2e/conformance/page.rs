//! docs/conformance.md: what became of each test of the suite, as a page that people read and a run is compared with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Tested;

/// What stands before the figures.
const INTRODUCTION: &str = "\
# Conformance of the HTTP cache

What the public HTTP cache suite (the npm package `http-cache-tests` 0.4.5, <https://cache-tests.fyi>) finds at an edge with
default settings, the suite's own server behind it. This page is written by
`WEIR_WRITE=1 cargo nextest run -p weir --test e2e conformance`; without `WEIR_WRITE` a run that finds anything else fails.

*Required* tests say what RFC 9111 demands, *optimal* ones what makes a cache useful, and *checks* ask about what it leaves
open. A test that cannot be judged, because its preparation came to something else, is counted as not passed.
";

/// A group of tests.
#[derive(Default)]
struct Group {
    required: Count,
    optimal: Count,
    check: Count,
}

#[derive(Default)]
struct Count {
    passed: usize,
    all: usize,
}

impl Count {
    fn add(&mut self, passed: bool) {
        self.all += 1;
        self.passed += usize::from(passed);
    }

    fn cell(&self) -> String {
        match self.all {
            0 => "–".to_owned(),
            all => format!("{} of {all}", self.passed),
        }
    }
}

impl Group {
    fn add(&mut self, kind: &str, passed: bool) {
        match kind {
            "required" => &mut self.required,
            "optimal" => &mut self.optimal,
            _ => &mut self.check,
        }
        .add(passed);
    }

    fn row(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {} |\n",
            self.required.cell(),
            self.optimal.cell(),
            self.check.cell()
        )
    }
}

/// Compares what was found with the page, or writes it.
#[allow(clippy::print_stderr, reason = "the run tells what was not passed")]
pub(super) fn compare(root: &Path, tested: &[Tested]) {
    let reasons = reasons(root);
    for one in tested.iter().filter(|one| one.fault.is_some()) {
        let said = one.said.as_deref().unwrap_or_default();
        let fault = one.fault.as_deref().unwrap_or_default();
        eprintln!("{} {}: {fault}: {said} {:?}", one.kind, one.id, one.needs);
    }
    let page = write(tested, &reasons);
    let path = root.join("docs/conformance.md");
    if std::env::var_os("WEIR_WRITE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let only_in = |one: &str, other: &str| -> Vec<String> {
        let missing = one
            .lines()
            .filter(|line| !other.lines().any(|l| l == *line));
        missing.map(str::to_owned).collect()
    };
    assert!(
        known == page,
        "docs/conformance.md says\n{:#?}\nbut the suite finds\n{:#?}\nwritten by WEIR_WRITE=1",
        only_in(&known, &page),
        only_in(&page, &known)
    );
    let unexplained: Vec<&str> = failures(tested)
        .filter(|one| !reasons.contains_key(one.id.as_str()))
        .map(|one| one.id.as_str())
        .collect();
    assert!(
        unexplained.is_empty(),
        "not passed, and conformance/departures.txt does not say why: {unexplained:?}"
    );
    let idle: Vec<&String> = reasons
        .keys()
        .filter(|id| !failures(tested).any(|one| one.id == **id))
        .collect();
    assert!(
        idle.is_empty(),
        "conformance/departures.txt explains what is passed: {idle:?}"
    );
}

/// Tests that should be passed and are not.
fn failures(tested: &[Tested]) -> impl Iterator<Item = &Tested> {
    tested
        .iter()
        .filter(|one| one.fault.is_some() && one.kind != "check")
}

/// Why a test is not passed, by its id.
fn reasons(root: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root.join("tests/e2e/conformance/departures.txt"))
        .expect("the list of reasons is there");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (id, why) = line.split_once(": ").expect("a line is `id: why`");
            (id.to_owned(), why.to_owned())
        })
        .collect()
}

fn write(tested: &[Tested], reasons: &BTreeMap<String, String>) -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n| group | required | optimal | checks answered yes |\n|---|---|---|---|\n";
    let mut all = Group::default();
    let mut suites: Vec<&str> = Vec::new();
    for one in tested {
        if !suites.contains(&one.suite.as_str()) {
            suites.push(&one.suite);
        }
    }
    for suite in suites {
        let mut group = Group::default();
        for one in tested.iter().filter(|one| one.suite == suite) {
            group.add(&one.kind, one.fault.is_none());
            all.add(&one.kind, one.fault.is_none());
        }
        page += &group.row(suite);
    }
    page += &all.row("**all**");

    page += "\n## Not passed\n\n| test | kind | why |\n|---|---|---|\n";
    for one in failures(tested) {
        let why = reasons.get(&one.id).map_or("not explained", String::as_str);
        writeln!(page, "| `{}` | {} | {why} |", one.id, one.kind)
            .expect("a string takes all that is written");
    }
    page += "\n## Checks\n\n| question | answer |\n|---|---|\n";
    for one in tested.iter().filter(|one| one.kind == "check") {
        let answer = if one.fault.is_none() { "yes" } else { "no" };
        let question = one.name.replace('|', "\\|");
        writeln!(page, "| {question} | {answer} |").expect("a string takes all that is written");
    }
    page
}
