//! The mission's statements against the tests: each stands once in docs/statements.md, either as held, with
//! whole-system tests that bear its name, or as not yet held, with the reason and without such a test.

use std::collections::BTreeMap;

use crate::code;
use crate::tree::{Fault, Tree, check, expect_none};

const PAGE: &str = "docs/statements.md";
const HELD: &str = "## Held";
const NOT_YET: &str = "## Not yet held";
const E2E: &str = "tests/e2e/";

/// The letters of the mission's parts and how many statements each has.
const PARTS: &[(char, usize)] = &[('A', 17), ('B', 16), ('C', 7)];

fn ids() -> impl Iterator<Item = String> {
    PARTS
        .iter()
        .flat_map(|(part, count)| (1..=*count).map(move |number| format!("{part}{number}")))
}

/// A row of the page: where it stands, what it claims, and its last cell.
struct Row<'a> {
    line: usize,
    held: bool,
    last: &'a str,
}

fn agree(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tests = tests_by_id(tree);
    let mut rows = rows(tree.text(PAGE).unwrap_or_default());
    for id in ids() {
        let found = rows.remove(&id).unwrap_or_default();
        let named = tests.get(&id).map(Vec::as_slice).unwrap_or_default();
        match found.as_slice() {
            [row] if row.held => faults.extend(held(&id, row, named)),
            [row] => faults.extend(not_yet(&id, row, named)),
            [] => faults.push(Fault::new(PAGE, 0, format!("{id} is in neither table"))),
            [_, again, ..] => faults.push(Fault::new(
                PAGE,
                again.line,
                format!("{id} stands here a second time"),
            )),
        }
    }
    let strange = rows
        .into_iter()
        .filter_map(|(id, rows)| Some((id, rows.first()?.line)));
    faults.extend(
        strange.map(|(id, line)| {
            Fault::new(PAGE, line, format!("{id} is no statement of the mission"))
        }),
    );
    faults
}

fn held(id: &str, row: &Row<'_>, tests: &[(String, usize, String)]) -> Vec<Fault> {
    let claimed: Vec<&str> = row.last.split('`').skip(1).step_by(2).collect();
    let mut faults = Vec::new();
    if claimed.is_empty() {
        faults.push(Fault::new(
            PAGE,
            row.line,
            format!("{id} is held by no test"),
        ));
    }
    for name in &claimed {
        if !tests.iter().any(|(_, _, test)| test == name) {
            faults.push(Fault::new(
                PAGE,
                row.line,
                format!("{id}: there is no test `{name}` in {E2E}"),
            ));
        }
    }
    let unclaimed = tests
        .iter()
        .filter(|(_, _, test)| !claimed.contains(&test.as_str()));
    faults.extend(
        unclaimed.map(|(path, line, test)| {
            Fault::new(path, *line, format!("`{test}` is not in {PAGE}"))
        }),
    );
    faults
}

fn not_yet(id: &str, row: &Row<'_>, tests: &[(String, usize, String)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if row.last.is_empty() {
        faults.push(Fault::new(
            PAGE,
            row.line,
            format!("{id} is not held, without a reason"),
        ));
    }
    faults.extend(tests.iter().map(|(path, line, test)| {
        Fault::new(
            path,
            *line,
            format!("`{test}` claims what {PAGE} says is not yet held"),
        )
    }));
    faults
}

/// The rows of both tables by statement.
fn rows(page: &str) -> BTreeMap<String, Vec<Row<'_>>> {
    let mut rows: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
    let mut held = None;
    for (at, line) in page.lines().enumerate() {
        match line.trim() {
            HELD => held = Some(true),
            NOT_YET => held = Some(false),
            line if line.starts_with("## ") => held = None,
            line => {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                let id = cells[0];
                let is_id = id.len() > 1
                    && id.starts_with(|c: char| c.is_ascii_uppercase())
                    && id[1..].bytes().all(|c| c.is_ascii_digit());
                if let (Some(held), true, Some(last)) =
                    (held, is_id && cells.len() > 2, cells.last())
                {
                    rows.entry(id.to_owned()).or_default().push(Row {
                        line: at + 1,
                        held,
                        last,
                    });
                }
            }
        }
    }
    rows
}

/// The whole-system tests that bear a statement's name, by statement: file, line, name.
fn tests_by_id(tree: &Tree) -> BTreeMap<String, Vec<(String, usize, String)>> {
    let mut found: BTreeMap<String, Vec<(String, usize, String)>> = BTreeMap::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(E2E)) {
        let mut marked = false;
        for (at, line) in code::blank(text).lines().enumerate() {
            let line = line.trim();
            let function = line.trim_start_matches("async ").strip_prefix("fn ");
            match function.and_then(|rest| rest.split_once('(')) {
                Some((name, _)) => {
                    if let Some(id) = id_of(name).filter(|_| marked) {
                        found.entry(id).or_default().push((
                            path.to_owned(),
                            at + 1,
                            name.to_owned(),
                        ));
                    }
                    marked = false;
                }
                None => marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
            }
        }
    }
    found
}

/// `a13_one_relay` bears the name of A13.
fn id_of(test: &str) -> Option<String> {
    let id = test.split_once('_')?.0.to_ascii_uppercase();
    ids().find(|known| *known == id)
}

#[test]
fn every_statement_has_a_test_of_its_name_or_is_said_not_to_hold() {
    expect_none(&agree(&Tree::open()));
}

/// A page on which all statements but A1 are not yet held, and A1 is as given.
fn page(first: &str) -> String {
    let others: String = ids()
        .skip(1)
        .map(|id| format!("| {id} | words | why |\n"))
        .collect();
    if first.contains('`') {
        format!("{HELD}\n{first}\n{NOT_YET}\n{others}")
    } else {
        format!("{HELD}\n{NOT_YET}\n{others}{first}\n")
    }
}

#[test]
fn a_statement_without_a_place_a_test_or_a_reason_is_found() {
    let test = (
        "tests/e2e/x.rs",
        "#[test]\nfn a1_plays() {}\nfn a1_helper() {}",
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | words | `a1_plays` |")), test],
        &[],
    );
    check(agree, &[(PAGE, &page("| A1 | words | why |"))], &[]);
    check(agree, &[(PAGE, &page(""))], &["docs/statements.md:0"]);
    check(
        agree,
        &[(PAGE, &page("| A1 | words | |"))],
        &["docs/statements.md:42"],
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | words | `a1_plays` |"))],
        &["docs/statements.md:2"],
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | words | `a1_sings` |")), test],
        &["docs/statements.md:2", "tests/e2e/x.rs:2"],
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | words | why |")), test],
        &["tests/e2e/x.rs:2"],
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | w | why |\n| A1 | w | why |"))],
        &["docs/statements.md:43"],
    );
    check(
        agree,
        &[(PAGE, &page("| A1 | w | why |\n| A18 | w | why |"))],
        &["docs/statements.md:43"],
    );
}
