//! When viewers are written to: on the video frame, audio and data riding along, or when a route's
//! latency budget is used up.
//!
//! What was appended and the time go in; when it is due comes out. A write costs the same whatever
//! it carries (laws.md, 3.3), so what comes while a worker is still busy goes with its next round.

use std::time::Duration;

use crate::media::Track;

/// How long sound of a stream without pictures waits for more of it. Chosen, because it comes each
/// 21 or 23 ms: three messages go in one write.
const SOUND: Duration = Duration::from_millis(60);
/// How long audio or data waits for a video frame to ride along with. Chosen, because pictures come
/// at least each 100 ms where anything moves; what shows slides must not hold the sound.
const RIDE: Duration = Duration::from_millis(100);

/// What waits to be written.
#[derive(Debug, Default, Clone, Copy)]
pub struct Flush {
    gather: Duration,
    due: Option<Duration>,
}

impl Flush {
    /// Sets how long a message may wait for others to go with, as the route says.
    pub fn set_gather(&mut self, gather: Duration) {
        self.gather = gather;
    }

    /// Notes a message that came at `now`; `pictures` says whether the stream has any.
    pub fn appended(&mut self, track: Track, pictures: bool, now: Duration) {
        let wait = match track {
            Track::Video => self.gather,
            Track::Audio | Track::Data if pictures => self.gather.max(RIDE),
            Track::Audio | Track::Data => self.gather.max(SOUND),
        };
        let at = now + wait;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When to write; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Whether what comes next may have to be written before what waits already: if not, there is no
    /// need to look at it before that is due.
    #[must_use]
    pub fn heeds(&self, now: Duration) -> bool {
        self.due.is_none_or(|due| due > now + self.gather)
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

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Messages with their times, and when they are due together.
    fn check(gather_ms: u64, pictures: bool, messages: &[(Track, u64)], due_ms: u64) {
        let mut flush = Flush::default();
        flush.set_gather(ms(gather_ms));
        assert!(!flush.take(ms(1_000_000)), "nothing waits");
        for (track, at) in messages {
            flush.appended(*track, pictures, ms(*at));
        }
        assert_eq!(flush.due(), Some(ms(due_ms)), "{gather_ms} {messages:?}");
        assert!(!flush.take(ms(due_ms - 1)));
        assert!(flush.take(ms(due_ms)));
        assert_eq!(flush.due(), None);
    }

    #[test]
    fn audio_waits_for_the_picture_but_not_for_long() {
        use Track::{Audio, Data, Video};
        check(0, true, &[(Video, 30)], 30);
        check(0, true, &[(Audio, 10), (Audio, 20), (Video, 30)], 30);
        check(0, true, &[(Data, 40), (Audio, 90)], 140);
    }

    #[test]
    fn only_what_may_be_due_sooner_is_heeded() {
        use Track::{Audio, Video};
        let check = |gather_ms, track, now_ms, heeds| {
            let mut flush = Flush::default();
            flush.set_gather(ms(gather_ms));
            assert!(flush.heeds(ms(0)), "nothing waits");
            flush.appended(track, true, ms(10));
            assert_eq!(flush.heeds(ms(now_ms)), heeds, "{gather_ms} {now_ms}");
        };
        // A picture is due at once, sound waits for one.
        check(0, Audio, 10, true);
        check(0, Audio, 109, true);
        check(50, Audio, 10, true);
        check(50, Audio, 60, false);
        check(50, Video, 10, false);
        check(350, Audio, 10, false);
    }

    #[test]
    fn sound_alone_goes_three_messages_at_a_time() {
        check(0, false, &[(Track::Audio, 10), (Track::Audio, 33)], 70);
    }

    #[test]
    fn a_route_with_a_budget_gathers_pictures_too() {
        use Track::{Audio, Video};
        check(50, true, &[(Video, 30), (Audio, 40), (Video, 63)], 80);
        check(350, true, &[(Audio, 10), (Video, 30)], 360);
        check(350, false, &[(Audio, 10)], 360);
    }
}
