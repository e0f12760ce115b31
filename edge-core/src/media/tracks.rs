//! Which of a stream's tracks a message is for: numbers of one byte, as a set.
//!
//! Plain FLV has one track of each kind, number 0; Enhanced RTMP numbers them, and one message may
//! carry several.

/// A set of track numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tracks([u64; 4]);

impl Tracks {
    /// The track of a message that names none.
    pub const FIRST: Self = Self([1, 0, 0, 0]);

    /// One track.
    #[must_use]
    pub fn one(track: u8) -> Self {
        let mut tracks = Self::default();
        tracks.insert(track);
        tracks
    }

    /// Adds a track.
    pub fn insert(&mut self, track: u8) {
        self.0[usize::from(track >> 6)] |= 1 << (track & 63);
    }

    /// Whether a track is among them.
    #[must_use]
    pub fn contains(&self, track: u8) -> bool {
        self.0[usize::from(track >> 6)] & (1 << (track & 63)) != 0
    }

    /// Whether all tracks of another set are among them.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(own, theirs)| theirs & !own == 0)
    }

    /// The lowest number.
    #[must_use]
    pub fn lowest(&self) -> Option<u8> {
        (0..=u8::MAX).find(|track| self.contains(*track))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn set(tracks: &[u8]) -> Tracks {
        let mut set = Tracks::default();
        tracks.iter().for_each(|track| set.insert(*track));
        set
    }

    #[test]
    fn a_set_covers_its_parts_only() {
        for (whole, part, expected) in [
            (&[0, 1, 2][..], &[1][..], true),
            (&[0, 1, 2], &[], true),
            (&[1], &[0, 1], false),
            (&[0, 63, 64, 255], &[64, 255], true),
            (&[63], &[64], false),
        ] {
            assert_eq!(
                set(whole).covers(&set(part)),
                expected,
                "{whole:?} {part:?}"
            );
        }
        assert_eq!(set(&[200, 7]).lowest(), Some(7));
        assert_eq!(set(&[]).lowest(), None);
        assert_eq!(Tracks::FIRST, Tracks::one(0));
    }
}
