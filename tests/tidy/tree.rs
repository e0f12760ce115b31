//! The files of the repository, and the faults that rules find in them. A tree comes from the disk or, in the
//! rules' own tests, from a few lines of text; a rule cannot tell which.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Every file by its path from the root, with `/` between the parts.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

/// One broken rule, where it was broken. Lines count from 1; 0 is the file as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Fault {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Tree {
    /// The repository, without what is built and without `.git` (a file in a work tree).
    pub(crate) fn open() -> Self {
        let mut tree = Tree::default();
        tree.add_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree
    }

    /// A tree of made files, for the tests of a rule.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Tree {
            files: files.collect(),
        }
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
            let entry = entry.expect("an entry of the repository can be read");
            let name = entry
                .file_name()
                .into_string()
                .expect("names in the repository are UTF-8");
            let kind = entry
                .file_type()
                .expect("an entry of the repository has a type");
            let path = format!("{prefix}{name}");
            if kind.is_dir() {
                let built = matches!(
                    path.as_str(),
                    "target" | ".git" | "fuzz/target" | "fuzz/corpus" | "fuzz/artifacts"
                );
                if !built {
                    self.add_folder(&entry.path(), &format!("{path}/"));
                }
            } else if kind.is_file() && path != ".git" {
                let bytes = fs::read(entry.path()).expect("a file of the repository can be read");
                self.files.insert(path, bytes);
            }
        }
    }

    /// Paths and texts of the files that are text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, bytes)| Some((path.as_str(), str::from_utf8(bytes).ok()?)))
    }

    /// Paths and texts of the Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        str::from_utf8(self.files.get(path)?).ok()
    }

    /// Paths (without the folder's own) and contents of all files below a folder.
    pub(crate) fn below<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.files
            .iter()
            .filter_map(move |(path, bytes)| Some((path.strip_prefix(folder)?, bytes.as_slice())))
    }
}

/// Fails with every fault on a line of its own.
pub(crate) fn expect_none(faults: &[Fault]) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(
        faults.is_empty(),
        "{} broken:\n{}",
        faults.len(),
        lines.join("\n")
    );
}

/// Checks the lines a rule complains about in made files, as `path:line`.
pub(crate) fn check(rule: fn(&Tree) -> Vec<Fault>, files: &[(&str, &str)], expected: &[&str]) {
    let faults = rule(&Tree::of(files));
    let found: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}:{}", fault.path, fault.line))
        .collect();
    assert_eq!(found, expected, "in {files:?} the rule said {faults:?}");
}
