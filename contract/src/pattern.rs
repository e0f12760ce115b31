//! Patterns for hosts, applications, streams and pages: `*` stands for any run of characters, also
//! none; everything else stands for itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The most bytes of a pattern; chosen, because names on the wire have no more.
pub const MAX_PATTERN_BYTES: usize = 512;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing was given.
    #[error("a pattern must not be empty; `*` matches everything")]
    Empty,
    /// It is too long.
    #[error("the pattern has {0} bytes, at most {MAX_PATTERN_BYTES} are accepted")]
    TooLong(usize),
    /// It holds control characters.
    #[error("`{}` must not contain control characters", .0.escape_debug())]
    Control(String),
}

/// A pattern with `*` as its only special character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes a text as a pattern.
    ///
    /// # Errors
    /// Any of [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        if text.is_empty() {
            Err(PatternError::Empty)
        } else if text.len() > MAX_PATTERN_BYTES {
            Err(PatternError::TooLong(text.len()))
        } else if text.chars().any(char::is_control) {
            Err(PatternError::Control(text.to_owned()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The pattern that matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits, letter case counting.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes(), |left, right| {
            left == right
        })
    }

    /// Whether the whole of `text` fits, ASCII letter case not counting: for host names.
    #[must_use]
    pub fn matches_host(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes(), |left, right| {
            left.eq_ignore_ascii_case(&right)
        })
    }
}

impl Pattern {
    /// What the only `*` of the pattern stands for in a text that matches; `None` if the text
    /// does not match or the pattern has no star or several.
    #[must_use]
    pub fn only_star<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (before, after) = self.0.split_once('*')?;
        if after.contains('*') {
            return None;
        }
        text.strip_prefix(before)?.strip_suffix(after)
    }
}

/// Greedy matching with one point to come back to: linear in practice, and never worse than the
/// product of both lengths, so that no pattern and no name can make it slow.
fn fits(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                at_pattern += 1;
                retry = Some((at_pattern, at_text));
            }
            Some(wanted) if same(*wanted, text[at_text]) => {
                at_pattern += 1;
                at_text += 1;
            }
            Some(_) | None => match retry {
                Some((after_star, covered)) => {
                    at_pattern = after_star;
                    at_text = covered + 1;
                    retry = Some((after_star, covered + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        };
        check("live", "live", true);
        check("live", "live2", false);
        check("live*", "live", true);
        check("live*", "live/room", true);
        check("*.example.org", "a.b.example.org", true);
        check("*.example.org", "example.org", false);
        check("a*b*c", "a--b--b-c", true);
        check("a*b*c", "a--c", false);
        check("*", "", true);
        check("Live", "live", false);
    }

    #[test]
    fn hosts_match_in_any_letter_case() {
        assert!(
            Pattern::parse("*.Example.org")
                .unwrap()
                .matches_host("CDN.example.ORG")
        );
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = Pattern::parse(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(256).replace('a', "b")));
    }
}
