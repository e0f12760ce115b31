//! What part of a query tells one HTTP object of a route from another.
//!
//! A rule and a query go in, the query that counts comes out: it is part of the key, and it is all of the query that the
//! origin is told. What does not count cannot change an answer that others get too. Names are compared as they are
//! written: one that is escaped is another name, here and in the key alike.

use serde::{Deserialize, Serialize};

use crate::fault::FieldFault;

/// The most names in a rule; chosen, because real ones list a dozen trackers.
pub const MAX_NAMES: usize = 64;
/// The longest name.
pub const MAX_NAME_BYTES: usize = 128;

/// Which parameters count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryParts {
    /// The query as it came.
    #[default]
    Whole,
    /// Nothing of it.
    None,
    /// The listed ones.
    Only,
    /// All but the listed ones.
    Without,
}

impl QueryParts {
    /// Every variant, for forms.
    pub const ALL: [Self; 4] = [Self::Whole, Self::None, Self::Only, Self::Without];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::None => "none",
            Self::Only => "only",
            Self::Without => "without",
        }
    }

    /// How people say it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Whole => "All of it",
            Self::None => "Nothing of it",
            Self::Only => "Only the parameters listed",
            Self::Without => "All but the parameters listed",
        }
    }
}

/// What counts of the query of requests that read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryRule {
    /// Which parameters count.
    pub parts: QueryParts,
    /// Their names, for `only` and `without`.
    pub names: Vec<String>,
    /// Whether their order does not: they are sorted by name, equal names staying in order.
    pub sorted: bool,
}

impl QueryRule {
    /// What counts of a query.
    #[must_use]
    pub fn counted(&self, query: Option<&str>) -> Option<String> {
        let query = query.filter(|query| !query.is_empty())?;
        if self.parts == QueryParts::Whole && !self.sorted {
            return Some(query.to_owned());
        }
        let listed = |pair: &&str| self.names.iter().any(|known| known == name(pair));
        let mut pairs: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter(|pair| match self.parts {
                QueryParts::Whole => true,
                QueryParts::None => false,
                QueryParts::Only => listed(pair),
                QueryParts::Without => !listed(pair),
            })
            .collect();
        if self.sorted {
            pairs.sort_by(|left, right| name(left).cmp(name(right)));
        }
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    /// What is wrong with it, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let lists = matches!(self.parts, QueryParts::Only | QueryParts::Without);
        if lists && self.names.is_empty() {
            faults.push(FieldFault::new(
                "query.names",
                "the names of parameters, one a line",
            ));
        }
        if self.names.len() > MAX_NAMES {
            let message = format!("at most {MAX_NAMES} names");
            faults.push(FieldFault::new("query.names", &message));
        }
        if let Some(wrong) = self.names.iter().find(|name| !is_name(name)) {
            let message = format!("`{wrong}` cannot be the name of a parameter");
            faults.push(FieldFault::new("query.names", &message));
        }
        faults
    }
}

fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"&=#?".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rule(parts: QueryParts, names: &[&str], sorted: bool) -> QueryRule {
        QueryRule {
            parts,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            sorted,
        }
    }

    #[test]
    fn only_what_counts_stays_of_a_query() {
        use QueryParts::{None as Nothing, Only, Whole, Without};
        let check = |rule: QueryRule, query: &str, expected: Option<&str>| {
            let found = rule.counted(Some(query));
            assert_eq!(found.as_deref(), expected, "{rule:?} {query}");
        };
        check(rule(Whole, &[], false), "b=1&&a", Some("b=1&&a"));
        check(rule(Whole, &[], false), "", None);
        check(rule(Whole, &[], true), "b=2&&a&b=1", Some("a&b=2&b=1"));
        check(rule(Nothing, &[], false), "a=1", None);
        check(
            rule(Only, &["id"], false),
            "utm=1&id=2&idx=3&id",
            Some("id=2&id"),
        );
        check(rule(Only, &["id"], false), "utm=1", None);
        check(
            rule(Without, &["utm"], true),
            "utm=1&c&b=2&utm",
            Some("b=2&c"),
        );
        assert_eq!(rule(Whole, &[], true).counted(None), None);
    }

    #[test]
    fn a_rule_that_lists_needs_names_that_can_be() {
        let check = |rule: QueryRule, is_sound: bool| {
            assert_eq!(rule.faults().is_empty(), is_sound, "{rule:?}");
        };
        check(QueryRule::default(), true);
        check(rule(QueryParts::Only, &["id", "a[]"], true), true);
        check(rule(QueryParts::Only, &[], false), false);
        check(rule(QueryParts::Without, &["a=b"], false), false);
        check(rule(QueryParts::None, &[""], false), false);
        check(
            rule(QueryParts::Without, &["a"; MAX_NAMES + 1], false),
            false,
        );
    }
}
