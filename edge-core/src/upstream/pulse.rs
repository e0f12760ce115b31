//! Whether a server that takes a stream is still awake: it is asked by pings, and a silence that is
//! longer than it ever took for an answer is told.
//!
//! Questions and signs of life go in with the time; when to ask, and whether it froze, come out. The
//! invariant: one that never answered a ping is never called frozen, because not every server does.

use std::time::Duration;

/// Between two questions. Chosen, because a server that freezes is to be noticed within 2 s.
const EACH: Duration = Duration::from_millis(300);
/// The shortest and the longest time for an answer. The first is chosen with [`EACH`]; the second,
/// because a server that takes longer is of no use to a live stream.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1_100), Duration::from_secs(8));
/// So many times its slowest answer is waited for.
const TIMES: u32 = 4;

/// What is known of one server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pulse {
    /// When it was asked first of the questions that it has not answered yet.
    open: Option<Duration>,
    /// When it was asked last.
    asked: Option<Duration>,
    answers: bool,
    slowest: Duration,
}

impl Pulse {
    /// When it is to be asked.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| asked + EACH)
    }

    /// It was asked.
    pub fn asked(&mut self, now: Duration) {
        self.asked = Some(now);
        self.open.get_or_insert(now);
    }

    /// It answered a question.
    pub fn answered(&mut self, now: Duration) {
        self.answers = true;
        if let Some(open) = self.open.take() {
            self.slowest = self.slowest.max(now.saturating_sub(open));
        }
    }

    /// Whether it says nothing any more.
    #[must_use]
    pub fn is_frozen(&self, now: Duration) -> bool {
        let patience = (self.slowest * TIMES).clamp(PATIENCE.0, PATIENCE.1);
        let silent = |open| now.saturating_sub(open) >= patience;
        self.answers && self.open.is_some_and(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_server_that_stops_answering_is_noticed_by_its_own_measure() {
        // It takes so long for an answer; what it is given once it is silent.
        for (takes, given) in [(5, 1_100), (200, 1_100), (290, 1_160)] {
            let mut pulse = Pulse::default();
            let mut now = ms(10_000);
            for _ in 0..20 {
                assert!(pulse.due() <= now && !pulse.is_frozen(now), "{takes}");
                pulse.asked(now);
                pulse.answered(now + ms(takes));
                now = pulse.due();
            }
            let asked = now;
            while !pulse.is_frozen(now) {
                pulse.asked(now);
                now += EACH;
            }
            let noticed = now - asked;
            assert!(
                noticed >= ms(given) && noticed <= ms(given) + EACH,
                "{takes}"
            );
        }
    }

    #[test]
    fn one_that_answers_no_pings_is_not_frozen() {
        let mut pulse = Pulse::default();
        for now in (0..60_000).step_by(300).map(ms) {
            pulse.asked(now);
            assert!(!pulse.is_frozen(now));
        }
        // A late answer to the first question tells how slow it is.
        pulse.answered(ms(60_000));
        pulse.asked(ms(60_300));
        assert!(!pulse.is_frozen(ms(68_000)) && pulse.is_frozen(ms(68_300)));
    }
}
