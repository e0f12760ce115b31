//! When viewers are written to: on the video frame, audio and data riding along.
//!
//! What was appended and the time go in; whether it is due, and when it will be, come out. A write
//! costs the same whatever it carries (laws.md, 3.3), so what comes while a worker is still busy
//! goes with its next round.

use std::time::Duration;

use crate::media::Track;

/// How long audio or data waits for a video frame to ride along with. Chosen, because pictures
/// come each 40 ms at 25 frames a second, and sound alone each 21 or 23 ms: two or three messages
/// go in one write.
const RIDE: Duration = Duration::from_millis(60);

/// What waits to be written.
#[derive(Debug, Default, Clone, Copy)]
pub struct Flush {
    due: Option<Duration>,
}

impl Flush {
    /// Notes a message that came.
    pub fn appended(&mut self, track: Track, now: Duration) {
        let at = match track {
            Track::Video => now,
            Track::Audio | Track::Data => now + RIDE,
        };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When to write; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Whether to write now; if so, nothing waits any more.
    pub fn take(&mut self, now: Duration) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.due = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_waits_for_the_picture_but_not_for_long() {
        let ms = Duration::from_millis;
        let mut flush = Flush::default();
        assert!(!flush.take(ms(0)));
        flush.appended(Track::Audio, ms(0));
        assert!(!flush.take(ms(10)));
        flush.appended(Track::Audio, ms(20));
        flush.appended(Track::Video, ms(30));
        assert!(flush.take(ms(30)));
        assert_eq!(flush.due(), None);
        flush.appended(Track::Data, ms(40));
        flush.appended(Track::Audio, ms(90));
        assert_eq!(flush.due(), Some(ms(100)));
        assert!(flush.take(ms(100)));
    }
}
