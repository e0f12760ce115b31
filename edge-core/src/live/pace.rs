//! How far a viewer may fall behind, and what becomes of it then.
//!
//! A cursor, its ring and the time go in; whether it keeps pace, gives up media or is ended comes
//! out. A slow viewer loses media, never memory (laws.md, 3.4).

use std::time::Duration;

use super::{Cursor, Ring};

/// A viewer that is owed something older than this jumps to the newest keyframe.
pub const BEHIND: Duration = Duration::from_secs(5);
/// A viewer that is owed something and takes nothing for so long is ended.
pub const SILENT: Duration = Duration::from_secs(30);

/// How a viewer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It keeps up.
    Even,
    /// It was too far behind and begins at a newer place.
    Shed,
    /// It takes nothing and is to be ended.
    TooSlow,
}

/// Looks after a viewer; called whenever it was tried to write to it.
pub fn check(cursor: &mut Cursor, ring: &Ring, now: Duration) -> Pace {
    let Some(waiting) = cursor.owes_since(ring) else {
        cursor.note_progress(now);
        return Pace::Even;
    };
    if now.saturating_sub(cursor.progress()) >= SILENT {
        return Pace::TooSlow;
    }
    let late = now.saturating_sub(waiting) >= BEHIND;
    if late && cursor.jump(ring, now) {
        return Pace::Shed;
    }
    Pace::Even
}
