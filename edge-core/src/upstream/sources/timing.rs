//! What the time brings to the servers of a relay: who is asked next, who has been silent for too long,
//! and when to look again.

use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;

use super::feed::Feed;
use super::{BESIDE, Output, SETTLED, Sources, Trouble};
use crate::upstream::arrivals::SILENCE;

/// After so long without media the next server is asked beside the ones before. Chosen, because a
/// server that has the stream sends its headers within two round trips, and a first picture is promised
/// within 1 s where only the second server has the stream.
const STAGGER: Duration = Duration::from_millis(200);
/// How long a server that is to stand by may keep silent on the stream.
const STANDS_BY: Duration = Duration::from_secs(3);

impl Sources {
    /// Does what the time brings.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.ended {
            return;
        }
        self.looked = Some(now);
        self.drop_silent(now);
        if let Some(active) = self.active {
            let silence = now.saturating_sub(self.last.unwrap_or_default());
            let retires = self.retires.is_some_and(|(_, until)| until <= now);
            if silence >= SILENCE || retires {
                self.rest(active, Some(Trouble::Lost), now);
                self.lose(now);
            } else if self.is_silent(now) {
                self.relieve(now);
            } else if now.saturating_sub(self.since) >= SETTLED && self.beside() == 0 {
                self.ask_next(now);
            }
        }
        if self.active.is_none() {
            self.look_for_it(now);
        }
        self.tell();
    }

    /// The server is silent: who stands by and is not goes on; else all others are asked too.
    fn relieve(&mut self, now: Duration) {
        let patience = self.arrivals.patience();
        let last = self.last.unwrap_or_default();
        let fresh = self.standing_by().filter(|hop| {
            self.feeds.iter().any(|feed| {
                feed.hop == *hop
                    && feed.last().is_some_and(|heard| {
                        let better = match self.retires {
                            Some(_) => feed.shows(),
                            None => heard > last,
                        };
                        better && now.saturating_sub(heard) < patience
                    })
            })
        });
        match fresh {
            Some(next) => self.take(next, now),
            None => while self.beside() < BESIDE && self.ask_next(now) {},
        }
    }

    /// Nobody brings the stream: the next server is asked beside the ones before.
    fn look_for_it(&mut self, now: Duration) {
        if let Some(last) = self.last {
            if now.saturating_sub(last) >= self.held() {
                return self.end(Reason::StreamEnded);
            }
            // It was there until now: who has it is found soonest by asking all at once.
            while self.beside() < BESIDE && self.ask_next(now) {}
        } else if self
            .newest_question()
            .is_none_or(|asked| asked + STAGGER <= now)
            && self.beside() < BESIDE
        {
            self.ask_next(now);
        }
    }

    /// When the newest of the servers that are silent on the stream was asked.
    fn newest_question(&self) -> Option<Duration> {
        self.feeds.iter().filter_map(Feed::asked_at).max()
    }

    /// How many are asked, or stand by.
    fn beside(&self) -> usize {
        let beside = |feed: &&Feed| feed.is_asked() && Some(feed.hop) != self.active;
        self.feeds.iter().filter(beside).count()
    }

    fn ask_next(&mut self, now: Duration) -> bool {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.is_due(now)) else {
            return false;
        };
        feed.ask(now);
        self.outputs.push_back(Output::Ask(feed.hop));
        true
    }

    /// Leaves servers that have nothing to say on the stream.
    fn drop_silent(&mut self, now: Duration) {
        let patience = if self.active.is_some() && !self.is_silent(now) {
            STANDS_BY
        } else {
            SILENCE
        };
        let silent: Vec<NextHop> = self
            .feeds
            .iter()
            .filter(|feed| {
                feed.silent_since()
                    .is_some_and(|since| since + patience <= now)
            })
            .map(|feed| feed.hop)
            .collect();
        for hop in silent {
            self.rest(hop, Some(Trouble::Missing), now);
        }
    }

    /// When [`Sources::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.ended {
            return None;
        }
        // What was due by the last look was done then.
        let mut due: Option<Duration> = None;
        let mut at = |time: Duration| {
            if self.looked.is_none_or(|looked| time > looked) {
                due = Some(due.map_or(time, |known| known.min(time)));
            }
        };
        let beside = self.beside();
        let last = self.last.unwrap_or_default();
        if self.active.is_some() {
            at(last + self.arrivals.patience());
            at(last + SILENCE);
            at(self.since + SETTLED);
            if let Some((_, until)) = self.retires {
                at(until);
            }
        } else if self.last.is_some() {
            at(last + self.held());
        } else if let Some(asked) = self.newest_question() {
            at(asked + STAGGER);
        }
        for feed in &self.feeds {
            if let Some(since) = feed.silent_since() {
                at(since + STANDS_BY);
                at(since + SILENCE);
            }
            if let Some(until) = feed.rests_until()
                && beside < BESIDE
            {
                at(until);
            }
        }
        due
    }
}
