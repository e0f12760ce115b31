//! What others wrote and we carry along, in `static/vendor`: every file stands in its hash list, as it was when
//! it was taken, and every line of the list has its file. The list is what `sha256sum` writes and checks:
//! `cd static/vendor && sha256sum --check SHA256SUMS`.

use sha2::{Digest, Sha256};

use crate::tree::{Fault, Tree, check, expect_none};

const FOLDER: &str = "static/vendor/";
const LIST: &str = "SHA256SUMS";

fn pinned(tree: &Tree) -> Vec<Fault> {
    let list_path = format!("{FOLDER}{LIST}");
    let list = tree.text(&list_path).unwrap_or_default();
    let listed: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| line.split_once("  "))
        .collect();
    let mut faults = Vec::new();
    for (name, bytes) in tree.below(FOLDER).filter(|(name, _)| *name != LIST) {
        match listed.iter().find(|(_, known)| *known == name) {
            None => faults.push(Fault::new(
                &list_path,
                0,
                format!("`{name}` is not in the list"),
            )),
            Some((hash, _)) if *hash != hex(bytes) => {
                faults.push(Fault::new(
                    &list_path,
                    0,
                    format!("`{name}` is not what was taken"),
                ));
            }
            Some(_) => {}
        }
    }
    for (at, line) in list.lines().enumerate() {
        let name = line.split_once("  ").map(|(_, name)| name);
        if name.is_none_or(|name| tree.below(FOLDER).all(|(there, _)| there != name)) {
            faults.push(Fault::new(&list_path, at + 1, "this line has no file"));
        }
    }
    faults
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn vendored_files_are_what_was_taken() {
    expect_none(&pinned(&Tree::open()));
}

#[test]
fn an_altered_an_unlisted_and_a_missing_file_are_found() {
    let list = format!("{}  x.js\n", hex(b"good"));
    let list = list.as_str();
    check(
        pinned,
        &[
            ("static/vendor/SHA256SUMS", list),
            ("static/vendor/x.js", "good"),
        ],
        &[],
    );
    check(
        pinned,
        &[
            ("static/vendor/SHA256SUMS", list),
            ("static/vendor/x.js", "bad"),
        ],
        &["static/vendor/SHA256SUMS:0"],
    );
    check(
        pinned,
        &[("static/vendor/SHA256SUMS", list)],
        &["static/vendor/SHA256SUMS:1"],
    );
    check(
        pinned,
        &[("static/vendor/y.js", "x")],
        &["static/vendor/SHA256SUMS:0"],
    );
}
