//! The timestamps of a stream whose source may change: they pass as they were sent, and go on
//! rising when another source takes over.
//!
//! Timestamps with the time go in, timestamps come out. It does not know sources: it is told of a
//! cut.

use std::time::Duration;

/// How much further than the time that has passed another source's timestamps may be for the stream to
/// be the same one. Chosen, because two clocks that count the same stream are rarely further apart, and
/// players stand still for as long as time leaps ahead.
pub(crate) const AHEAD: u32 = 2_000;

/// Where a stream's time stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    offset: u32,
    newest: Option<(u32, Duration)>,
    cut: bool,
}

impl Timeline {
    /// Says that what comes next is from another source.
    pub fn cut(&mut self) {
        self.cut = self.newest.is_some();
    }

    /// The time in the stream of a message. `header` says that it is a kept header, whose own time
    /// tells nothing of the media's.
    pub fn place(&mut self, timestamp: u32, header: bool, now: Duration) -> u32 {
        if self.cut
            && let Some((newest, at)) = self.newest
        {
            let gap = u32::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u32::MAX);
            let next = newest.wrapping_add(gap.max(1));
            if header {
                return next;
            }
            self.cut = false;
            let ahead = timestamp.wrapping_add(self.offset).wrapping_sub(newest);
            if ahead == 0 || ahead > gap.saturating_add(AHEAD) {
                self.offset = next.wrapping_sub(timestamp);
            }
        }
        let placed = timestamp.wrapping_add(self.offset);
        let rises = |newest: u32| placed.wrapping_sub(newest) < u32::MAX / 2;
        if self.newest.is_none_or(|(newest, _)| rises(newest)) {
            self.newest = Some((placed, now));
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn timestamps_pass_as_sent_from_one_source() {
        let mut timeline = Timeline::default();
        for timestamp in [500, 540, 520, 0, u32::MAX, 3] {
            assert_eq!(timeline.place(timestamp, false, ms(0)), timestamp);
        }
    }

    #[test]
    fn another_source_goes_on_where_the_first_ended() {
        let mut timeline = Timeline::default();
        timeline.place(90_000, false, ms(0));
        timeline.cut();
        assert_eq!(timeline.place(0, true, ms(300)), 90_300);
        assert_eq!(timeline.place(40, false, ms(300)), 90_300);
        assert_eq!(timeline.place(80, false, ms(340)), 90_340);
        assert_eq!(timeline.place(20, false, ms(340)), 90_280);
    }

    #[test]
    fn the_clock_of_another_source_may_not_leap_ahead() {
        let check = |timestamp: u32, at: u64, expected: u32| {
            let mut timeline = Timeline::default();
            timeline.place(10_000, false, ms(0));
            timeline.cut();
            let placed = timeline.place(timestamp, false, ms(at));
            assert_eq!(placed, expected, "{timestamp} {at}");
        };
        check(25_000, 500, 10_500);
        check(12_400, 500, 12_400);
        check(25_000, 14_000, 25_000);
        check(10_000, 500, 10_500);
        check(9_000, 500, 10_500);
    }

    #[test]
    fn the_same_stream_from_another_place_keeps_its_time() {
        let mut timeline = Timeline::default();
        timeline.place(90_000, false, ms(0));
        timeline.cut();
        assert_eq!(timeline.place(0, true, ms(10)), 90_010);
        assert_eq!(timeline.place(90_500, false, ms(500)), 90_500);
    }
}
