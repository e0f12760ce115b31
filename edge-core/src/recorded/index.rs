//! Which pieces of a recording are at hand, and where its holes are.
//!
//! Pieces are entered and forgotten; a time goes in, what there is comes out. It does not know the
//! pieces' bytes.

use std::collections::BTreeMap;

use super::Until;

/// Seeks that are remembered because the server answered them with a later keyframe. Chosen: more
/// than any recording's viewers make; the earliest are forgotten.
const MAX_JUMPS: usize = 1_024;

/// A piece that is at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known<P> {
    until: Until,
    place: P,
}

/// What there is at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The piece that begins here.
    Piece(u32),
    /// Nothing more: the recording ends before.
    End,
    /// It is not at hand. A fetch from here is of use up to the next piece that is.
    Hole {
        /// The piece before ends exactly here.
        exact: bool,
        /// Where the next piece at hand begins.
        until: Option<u32>,
    },
}

/// Where a piece is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot<P> {
    /// Where it ends.
    pub until: Until,
    /// Where its bytes are.
    pub place: P,
}

/// The pieces at hand, each at a place that means something to who keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index<P> {
    pieces: BTreeMap<u32, Known<P>>,
    end: Option<u32>,
    /// What was asked for, and the later keyframe that came.
    jumps: BTreeMap<u32, u32>,
}

impl<P> Default for Index<P> {
    fn default() -> Self {
        Self {
            pieces: BTreeMap::new(),
            end: None,
            jumps: BTreeMap::new(),
        }
    }
}

impl<P: Copy> Index<P> {
    /// Enters a piece, or says where one is now.
    pub fn enter(&mut self, from: u32, until: Until, place: P) {
        if let Until::End(end) = until {
            self.end = Some(end);
        }
        self.pieces.insert(from, Known { until, place });
    }

    /// A piece that begins exactly here.
    #[must_use]
    pub fn spot(&self, from: u32) -> Option<Spot<P>> {
        let known = self.pieces.get(&from)?;
        Some(Spot {
            until: known.until,
            place: known.place,
        })
    }

    /// Forgets pieces.
    pub fn forget(&mut self, gone: impl Fn(&P) -> bool) {
        self.pieces.retain(|_, known| !gone(&known.place));
    }

    /// Forgets a piece.
    pub fn remove(&mut self, from: u32) {
        self.pieces.remove(&from);
    }

    /// Says that there is nothing from here on, where the end is not known better.
    pub fn ends_before(&mut self, at: u32) {
        self.end.get_or_insert(at.saturating_sub(1));
    }

    /// Where one who asked for this time begins, because nothing earlier came.
    #[must_use]
    pub fn jump(&self, at: u32) -> Option<u32> {
        let (_, began) = self.jumps.range(..=at).next_back()?;
        (at < *began).then_some(*began)
    }

    /// Remembers that who asked for a time was given a later one.
    pub fn jumped(&mut self, asked: u32, began: u32) {
        if asked < began {
            self.jumps.insert(asked, began);
        }
        if self.jumps.len() > MAX_JUMPS {
            self.jumps.pop_first();
        }
    }

    /// What there is at a time.
    #[must_use]
    pub fn find(&self, at: u32) -> Found {
        let mut exact = false;
        if let Some((from, known)) = self.pieces.range(..=at).next_back() {
            match known.until {
                Until::Next(next) if at < next => return Found::Piece(*from),
                Until::End(end) if at <= end || *from == at => return Found::Piece(*from),
                Until::Next(next) => exact = next == at,
                Until::End(_) => return Found::End,
            }
        }
        if self.end.is_some_and(|end| at > end) {
            return Found::End;
        }
        if let Some(began) = self
            .jump(at)
            .filter(|began| self.pieces.contains_key(began))
        {
            return Found::Piece(began);
        }
        let until = self.pieces.range(at..).next().map(|(from, _)| *from);
        Found::Hole { exact, until }
    }

    /// When the recording's last message is, if that has been seen.
    #[must_use]
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// Whether everything from begin to end is at hand.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut at = 0;
        // Pieces stand in order: each is looked at once.
        for (from, known) in &self.pieces {
            if *from != at {
                return false;
            }
            match known.until {
                Until::Next(next) => at = next,
                Until::End(_) => return true,
            }
        }
        false
    }

    /// How many pieces are at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index<u8> {
        let mut index = Index::default();
        index.enter(0, Until::Next(2_000), 1);
        index.enter(2_000, Until::Next(4_000), 1);
        index.enter(8_000, Until::Next(10_000), 2);
        index.enter(10_000, Until::End(11_900), 2);
        index
    }

    #[test]
    fn a_time_finds_its_piece_or_the_hole_around_it() {
        let index = index();
        let hole = |exact, until| Found::Hole { exact, until };
        for (at, expected) in [
            (0, Found::Piece(0)),
            (1_999, Found::Piece(0)),
            (2_000, Found::Piece(2_000)),
            (4_000, hole(true, Some(8_000))),
            (5_000, hole(false, Some(8_000))),
            (8_000, Found::Piece(8_000)),
            (11_900, Found::Piece(10_000)),
            (11_901, Found::End),
        ] {
            assert_eq!(index.find(at), expected, "{at}");
        }
        assert_eq!(Index::<u8>::default().find(0), hole(false, None));
    }

    #[test]
    fn a_recording_is_complete_when_nothing_is_missing() {
        let mut index = index();
        assert!(!index.is_complete());
        index.enter(4_000, Until::Next(8_000), 3);
        assert!(index.is_complete());
        index.forget(|place| *place == 3);
        assert!(!index.is_complete());
        assert_eq!(index.end(), Some(11_900));
        index.forget(|place| *place == 2);
        assert_eq!(index.find(12_000), Found::End, "the end stays known");
    }

    #[test]
    fn a_seek_that_was_answered_later_is_answered_so_again() {
        let mut index = index();
        index.jumped(5_000, 8_000);
        assert_eq!(index.find(5_000), Found::Piece(8_000));
        assert_eq!(index.find(6_000), Found::Piece(8_000));
        let hole = Found::Hole {
            exact: false,
            until: Some(8_000),
        };
        assert_eq!(index.find(4_999), hole);
        index.enter(4_000, Until::Next(8_000), 1);
        assert_eq!(index.find(5_000), Found::Piece(4_000));
    }
}
