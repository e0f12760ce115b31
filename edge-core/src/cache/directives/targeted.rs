//! A dictionary of structured fields (RFC 9651, section 4.2.2), as far as cache directives need it: members by name,
//! whole numbers told apart, parameters passed over. One byte that does not fit, and nothing of it counts.

use http::HeaderValue;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Integer(i64),
    True,
    False,
    /// A text, a list, a fraction or anything else.
    Other,
}

/// Reads the lines of a field; a member that comes twice counts as it was said last. `None` for what
/// cannot be read and for what is empty.
pub(super) fn read<'v>(
    lines: impl IntoIterator<Item = &'v HeaderValue>,
) -> Option<Vec<(String, Member)>> {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(line.to_str().ok()?);
    }
    let mut rest = Rest(text.as_bytes());
    let mut members: Vec<(String, Member)> = Vec::new();
    rest.skip(b" ");
    while !rest.0.is_empty() {
        let name = rest.key()?;
        let member = if rest.take(b'=') {
            rest.member()?
        } else {
            Member::True
        };
        rest.parameters()?;
        members.retain(|(known, _)| *known != name);
        members.push((name, member));
        rest.skip(b" \t");
        if rest.0.is_empty() {
            break;
        }
        if !rest.take(b',') {
            return None;
        }
        rest.skip(b" \t");
        if rest.0.is_empty() {
            return None;
        }
    }
    (!members.is_empty()).then_some(members)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self, these: &[u8]) {
        while self.0.first().is_some_and(|byte| these.contains(byte)) {
            self.0 = &self.0[1..];
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.0.first() == Some(&byte);
        if is_there {
            self.0 = &self.0[1..];
        }
        is_there
    }

    /// Takes bytes as long as they fit.
    fn run(&mut self, fits: impl Fn(u8) -> bool) -> &[u8] {
        let end = self.0.iter().position(|byte| !fits(*byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Option<String> {
        let first = *self.0.first()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        let key = self.run(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        });
        String::from_utf8(key.to_vec()).ok()
    }

    fn member(&mut self) -> Option<Member> {
        if !self.take(b'(') {
            return self.item();
        }
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Member::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Member> {
        match *self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.text(),
            b'?' => {
                self.take(b'?');
                if self.take(b'1') {
                    return Some(Member::True);
                }
                self.take(b'0').then_some(Member::False)
            }
            b':' => {
                self.take(b':');
                self.run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.take(b':').then_some(Member::Other)
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.run(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                });
                Some(Member::Other)
            }
            _ => None,
        }
    }

    /// Fifteen digits at most, or twelve and three behind the point.
    fn number(&mut self) -> Option<Member> {
        let sign = if self.take(b'-') { -1 } else { 1 };
        let digits = self.run(|byte| byte.is_ascii_digit());
        let whole: i64 = str::from_utf8(digits).ok()?.parse().ok()?;
        let long = digits.len();
        if self.take(b'.') {
            let behind = self.run(|byte| byte.is_ascii_digit()).len();
            return (long <= 12 && (1..=3).contains(&behind)).then_some(Member::Other);
        }
        (long <= 15).then_some(Member::Integer(sign * whole))
    }

    fn text(&mut self) -> Option<Member> {
        self.take(b'"');
        loop {
            self.run(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
            if self.take(b'"') {
                return Some(Member::Other);
            }
            if !self.take(b'\\') || !(self.take(b'"') || self.take(b'\\')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Member::{False, Integer, Other, True};
    use super::*;

    fn check(lines: &[&str], expected: Option<&[(&str, Member)]>) {
        let values: Vec<HeaderValue> = lines.iter().map(|line| line.parse().unwrap()).collect();
        let found = read(&values);
        let found = found.as_ref().map(|members| {
            let members = members
                .iter()
                .map(|(name, member)| (name.as_str(), *member));
            members.collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref(), expected, "{lines:?}");
    }

    #[test]
    fn members_are_told_apart() {
        check(
            &["a=1, b, c=?0, d=?1", "e=\"x\\\",y\""],
            Some(&[
                ("a", Integer(1)),
                ("b", True),
                ("c", False),
                ("d", True),
                ("e", Other),
            ]),
        );
        check(
            &["a=tok/en;p;q=\"1\", b=(1 \"2\";x  t), c=:YQ==:, d=-7, e=1.5"],
            Some(&[
                ("a", Other),
                ("b", Other),
                ("c", Other),
                ("d", Integer(-7)),
                ("e", Other),
            ]),
        );
        check(
            &["a=1\t,\tb", "a=2"],
            Some(&[("b", True), ("a", Integer(2))]),
        );
    }

    #[test]
    fn one_byte_that_does_not_fit_spoils_it() {
        for spoiled in [
            "",
            "A",
            "a=",
            "a=1,",
            "a=1,,b",
            "a 1",
            "a=1 b",
            "a=\"x",
            "a=(1",
            "a=(1\"2\")",
            "a=?2",
            "a=1234567890123456",
            "a=1.2345",
            "a=1.",
            "a=-",
            "a=:x",
            "a;=1",
            "1",
            "a=@1",
        ] {
            check(&[spoiled], None);
        }
        check(&[], None);
    }
}
