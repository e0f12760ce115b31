//! Rust text as far as rules need it: code with comments and literals blanked out (so that a word in a
//! sentence is no use of it), the lines that are tests, and the paths that are named. Text in, text or names
//! out; line numbers stay what they were. It is no parser: macros are read as if they were plain code.

/// The text with every comment, string and character literal replaced by spaces; line breaks stay.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length =
            literal_or_comment(&chars[at..], at.checked_sub(1).map(|before| chars[before]));
        if length == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..at + length]
                    .iter()
                    .map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            at += length;
        }
    }
    out
}

/// How many characters the comment or literal that starts here has; 0 if none starts here.
fn literal_or_comment(rest: &[char], before: Option<char>) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => string(rest),
        ['r', '"' | '#', ..] if !before.is_some_and(is_name) => raw_string(rest),
        ['b', 'r', '"' | '#', ..] if !before.is_some_and(is_name) => match raw_string(&rest[1..]) {
            0 => 0,
            length => length + 1,
        },
        ['\'', '\\', ..] => {
            2 + rest[2..]
                .iter()
                .skip(1)
                .position(|&c| c == '\'')
                .map_or(1, |end| end + 2)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    let open = 1 + hashes;
    if rest.get(open) != Some(&'"') {
        return 0;
    }
    let closes = |at: usize| {
        rest[at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    (open + 1..rest.len())
        .find(|&at| closes(at))
        .map_or(rest.len(), |at| at + 1 + hashes)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// From which line on (counted from 1) a file is tests: all of it below a `tests/` folder, else from the first
/// `#[cfg(test)]` that stands before a module, which our style puts last.
pub(crate) fn tests_begin(path: &str, text: &str) -> usize {
    let own_file =
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    if own_file {
        return 1;
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let opens = |at: usize| {
        let next = lines[at + 1..]
            .iter()
            .find(|line| !line.starts_with("#[") && !line.starts_with("//"));
        lines[at].starts_with("#[cfg(test)]")
            && (lines[at].contains(" mod ") || next.is_some_and(|line| line.starts_with("mod ")))
    };
    (0..lines.len())
        .find(|&at| opens(at))
        .map_or(usize::MAX, |at| at + 1)
}

/// Whether a line of blanked code holds these characters as a whole word or path.
pub(crate) fn names(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + wanted.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// The names that follow `prefix` (such as `crate::`) in blanked code, with their lines: of
/// `use crate::{a::b, c}` these are `a` and `c`.
pub(crate) fn following(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| is_name(c) || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let line = code[..at].matches('\n').count() + 1;
        match rest.strip_prefix('{') {
            Some(group) => found.extend(
                heads(group)
                    .into_iter()
                    .map(|(down, name)| (line + down, name)),
            ),
            None => found.extend(head(rest).map(|name| (line, name))),
        }
    }
    found
}

fn head(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|&c| is_name(c)).collect();
    (!name.is_empty()).then_some(name)
}

/// The first names of the members of a `use` group, with how many lines below its brace each stands.
fn heads(group: &str) -> Vec<(usize, String)> {
    let (mut depth, mut down, mut found, mut fresh) = (0usize, 0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            '\n' => down += 1,
            c if fresh && is_name(c) => {
                found.extend(head(&group[at..]).map(|name| (down, name)));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn comments_and_literals_are_blank_and_code_stays() {
    for (text, expected) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"x\\\"y\") + 1", "f(      ) + 1"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"a\" c", "      c"),
        ("for_r\"x\"", "for_r   "),
        ("'a' 'b '\\'' '\\n' c", "    'b           c"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
    ] {
        assert_eq!(blank(text), expected, "of {text:?}");
    }
}

#[test]
fn tests_begin_where_the_style_puts_them() {
    for (path, text, expected) in [
        (
            "a/src/b.rs",
            "fn f() {}\n\n#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {}",
            3,
        ),
        ("a/src/b.rs", "#[cfg(test)]\nuse x;\nfn f() {}", usize::MAX),
        ("tests/e2e/b.rs", "fn f() {}", 1),
        ("edge-core/tests/b.rs", "fn f() {}", 1),
    ] {
        assert_eq!(tests_begin(path, text), expected, "of {text:?}");
    }
}

#[test]
fn the_names_after_a_prefix_are_found_in_groups_and_alone() {
    let code = "use crate::store::edges;\nuse crate::{app, auth::{Caller, x},\n  snapshot};\nlet a = crate::api::f();\nmycrate::no";
    let found = following(code, "crate::");
    let expected = [
        (1, "store"),
        (2, "app"),
        (2, "auth"),
        (3, "snapshot"),
        (4, "api"),
    ];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}
