//! One way to read a long list: so many at a time, and where to go on.

use serde::{Deserialize, Serialize};

/// The most that one answer lists; chosen, because a page of more is read by nobody.
pub const MOST: u32 = 500;
/// What an answer lists unless it is asked for more or less.
pub const USUAL: u32 = 100;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Window {
    /// The `next` of the part before; nothing means from the start.
    pub after: Option<String>,
    /// How many at most; 100 unless said, 500 at most.
    pub limit: Option<u32>,
}

impl Window {
    /// The largest part, from the start: for lists that a page shows whole.
    #[must_use]
    pub fn whole() -> Self {
        Self {
            after: None,
            limit: Some(MOST),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }

    pub(crate) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// What this part holds.
    pub items: Vec<T>,
    /// What to ask for next; nothing when this is the end.
    pub next: Option<String>,
}

impl<T> Listing<T> {
    /// A part made of rows read with one row more than asked for, which tells that there is more.
    pub(crate) fn of(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
