//! The servers of one relay: who is asked for the stream and when, whose media go on to the viewers,
//! and who stands by.
//!
//! What servers say goes in with the time; whom to ask, whom to leave and what to pass on come out.
//! The invariants: media of one server at a time go on; a server is left only when another one brings
//! media or its silence has lasted; at most one stands by, and [`BESIDE`] are asked at once; whoever
//! fails rests for a while before it is asked again. It dials nothing.

mod feed;
mod renewal;
mod timing;

use std::collections::VecDeque;
use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;
use rtmp::Message;

use super::arrivals::Arrivals;
use super::splice::Splice;
use feed::{Feed, State};

/// How long a stream comes before another server is asked to stand by. Chosen, so that a look of a
/// second costs one server only.
const SETTLED: Duration = Duration::from_secs(1);
/// A server that brought the stream for so long is asked again soon after it went away.
const SERVED: Duration = Duration::from_secs(4);
/// Servers that are asked at once; chosen, because routes rarely name more.
const BESIDE: usize = 4;
/// How long viewers stay at least when a server went away in the middle of a stream while another one
/// may have it, even if the route holds them for less.
const REACH: Duration = Duration::from_secs(2);

/// A server that was asked and is silent on the stream for so long has not got it, as far as those can
/// know who come next. Chosen, because one that has it sends its headers within two round trips.
const ANSWERS: Duration = Duration::from_millis(500);

/// What a server said.
#[derive(Debug, Clone)]
pub enum Said {
    /// It was reached and is asked for the stream.
    Opened,
    /// A message of the stream.
    Message(Message),
    /// The stream is over there, for now at least.
    Over,
    /// It is out of the question for now.
    Failed(Trouble),
}

/// Why a server is out of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It was not reached.
    Unreachable,
    /// It does not give the stream.
    Refused,
    /// It has not got the stream.
    Missing,
    /// It went away.
    Lost,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Ask this server for the stream.
    Ask(NextHop),
    /// Leave this server, and say nothing more of it.
    Leave(NextHop),
    /// The stream is taken from this server now.
    Through(NextHop),
    /// This goes on to the viewers.
    Pass(Message),
    /// The stream is waited for; so much is known of why.
    Waits(Reason),
    /// It is over for all viewers.
    End(Reason),
}

/// The servers of one relay.
#[derive(Debug)]
pub struct Sources {
    feeds: Vec<Feed>,
    splice: Splice,
    arrivals: Arrivals,
    /// How long viewers stay when their publisher is gone.
    hold: Duration,
    active: Option<NextHop>,
    /// Since when it is active.
    since: Duration,
    /// The route names it no more: it goes when another brings media, or then.
    retires: Option<(NextHop, Duration)>,
    /// When media went on last; `None` as long as none did.
    last: Option<Duration>,
    /// The server said itself that the stream is over.
    over: bool,
    waits: Option<Reason>,
    ended: bool,
    /// When it was looked for what the time brings.
    looked: Option<Duration>,
    outputs: VecDeque<Output>,
}

impl Sources {
    /// Servers in the order in which they are to be asked, none before `from`.
    #[must_use]
    pub fn new(order: &[NextHop], hold: Duration, from: Duration) -> Self {
        let mut sources = Self {
            feeds: order.iter().map(|hop| Feed::new(*hop, from)).collect(),
            splice: Splice::default(),
            arrivals: Arrivals::default(),
            hold,
            active: None,
            since: from,
            retires: None,
            last: None,
            over: false,
            waits: None,
            ended: false,
            looked: None,
            outputs: VecDeque::new(),
        };
        sources.splice.remember(order.len() > 1);
        sources
    }

    /// The same for viewers whose publisher left at this time: they are held from then on.
    #[must_use]
    pub fn resumed(order: &[NextHop], hold: Duration, left: Duration) -> Self {
        Self {
            last: Some(left),
            over: true,
            ..Self::new(order, hold, left)
        }
    }

    /// Takes what a server said.
    pub fn handle(&mut self, hop: NextHop, said: Said, now: Duration) {
        if self.ended || self.feed(hop).is_none_or(|feed| !feed.is_asked()) {
            return;
        }
        match said {
            Said::Opened => {
                if let Some(feed) = self.feed(hop) {
                    feed.opened();
                }
            }
            Said::Message(message) => self.heard(hop, message, now),
            Said::Over => self.over(hop, now),
            Said::Failed(trouble) => self.failed(hop, trouble, now),
        }
        if self.last != Some(now) || self.active.is_none() {
            self.handle_timeout(now);
        }
        self.tell();
    }

    fn feed(&mut self, hop: NextHop) -> Option<&mut Feed> {
        self.feeds.iter_mut().find(|feed| feed.hop == hop)
    }

    fn heard(&mut self, hop: NextHop, message: Message, now: Duration) {
        if self.active == Some(hop) {
            self.arrivals.heard(now);
            self.last = Some(now);
            let passed = self.splice.pass(message, now);
            self.outputs.extend(passed.map(Output::Pass));
            return;
        }
        let silent = self.is_silent(now);
        let brings = self.retires.is_some();
        let alone = self.standing_by().is_none_or(|known| known == hop);
        let Some(feed) = self.feed(hop) else {
            return;
        };
        feed.keep(message, now);
        // Who is to go brings pictures until this one can.
        if silent && (!brings || feed.shows()) {
            self.take(hop, now);
        } else if !alone {
            self.rest(hop, None, now);
        }
    }

    /// Takes the stream from another server from now on.
    fn take(&mut self, hop: NextHop, now: Duration) {
        if let Some(old) = self.active {
            self.rest(old, Some(Trouble::Lost), now);
            self.active = None;
        }
        let Some(kept) = self.feed(hop).and_then(Feed::activate) else {
            return;
        };
        self.active = Some(hop);
        self.retire();
        self.since = now;
        self.over = false;
        self.last = Some(now);
        self.arrivals = Arrivals::default();
        self.arrivals.heard(now);
        self.outputs.push_back(Output::Through(hop));
        let passed = self.splice.turn(&kept, now);
        self.outputs.extend(passed.into_iter().map(Output::Pass));
    }

    /// Whether nothing comes from the server that the stream is taken from, or nothing is to come.
    fn is_silent(&self, now: Duration) -> bool {
        let last = self.last.unwrap_or_default();
        self.active.is_none()
            || self.retires.is_some()
            || now.saturating_sub(last) >= self.arrivals.patience()
    }

    fn standing_by(&self) -> Option<NextHop> {
        let stands = |feed: &&Feed| matches!(feed.state, State::StandsBy { .. });
        self.feeds.iter().find(stands).map(|feed| feed.hop)
    }

    fn over(&mut self, hop: NextHop, now: Duration) {
        if let Some(feed) = self.feed(hop) {
            feed.over(now);
        }
        if self.active == Some(hop) {
            self.over = true;
            self.lose(now);
        }
    }

    fn failed(&mut self, hop: NextHop, trouble: Trouble, now: Duration) {
        let said_over = self.feed(hop).is_some_and(|feed| feed.said_over);
        let alone = self.feeds.len() == 1;
        self.put_to_rest(hop, Some(trouble), now);
        if self.active == Some(hop) {
            self.lose(now);
        }
        let refused = |feed: &Feed| feed.is_resting() && feed.trouble == Some(Trouble::Refused);
        if self.last.is_none() && self.feeds.iter().all(refused) {
            self.end(Reason::OriginRefused);
        } else if said_over && alone && matches!(hop, NextHop::Edge(_)) {
            // It said so and hung up: another edge of ours has held its viewers itself. Origins
            // hang up on players as soon as nobody publishes.
            self.end(Reason::StreamEnded);
        }
    }

    /// The server that the stream came from is gone.
    fn lose(&mut self, now: Duration) {
        let lost = self.active.take();
        self.retire();
        // Two that bring a little and go again by turns are asked less and less.
        if now.saturating_sub(self.since) >= SETTLED {
            for feed in self.feeds.iter_mut().filter(|feed| Some(feed.hop) != lost) {
                feed.hurry(now);
            }
        }
        if let Some(next) = self.standing_by() {
            self.take(next, now);
        }
    }

    /// Whether a server is wanted only to stand by.
    fn is_spare(&self, hop: NextHop, now: Duration) -> bool {
        self.active.is_some_and(|active| active != hop) && !self.is_silent(now)
    }

    /// Leaves a server, which may be asked again after a while.
    fn rest(&mut self, hop: NextHop, trouble: Option<Trouble>, now: Duration) {
        self.leave(hop);
        self.put_to_rest(hop, trouble, now);
    }

    fn put_to_rest(&mut self, hop: NextHop, trouble: Option<Trouble>, now: Duration) {
        let spare = self.is_spare(hop, now);
        let served = self.active == Some(hop) && now.saturating_sub(self.since) >= SERVED;
        if let Some(feed) = self.feed(hop) {
            if served {
                feed.served();
            }
            feed.rest(trouble, spare, now);
        }
    }

    fn leave(&mut self, hop: NextHop) {
        if self.feed(hop).is_some_and(|feed| feed.is_asked()) {
            self.outputs.push_back(Output::Leave(hop));
        }
    }

    fn end(&mut self, reason: Reason) {
        if !self.ended {
            self.ended = true;
            self.outputs.push_back(Output::End(reason));
        }
    }

    /// How long a stream that is gone is held.
    fn held(&self) -> Duration {
        if self.over || self.feeds.len() < 2 {
            self.hold
        } else {
            self.hold.max(REACH)
        }
    }

    /// Says what is known of a stream that is waited for, when that changed.
    fn tell(&mut self) {
        if self.last.is_some() || self.ended {
            return;
        }
        let known = |wanted: Trouble| {
            let mut feeds = self.feeds.iter();
            feeds.any(|feed| feed.trouble == Some(wanted))
        };
        let reason = if self.feeds.iter().any(|feed| feed.is_open()) || known(Trouble::Missing) {
            Reason::StreamNotFound
        } else if known(Trouble::Refused) {
            Reason::OriginRefused
        } else if known(Trouble::Unreachable) || known(Trouble::Lost) {
            Reason::OriginUnreachable
        } else {
            return;
        };
        if self.waits != Some(reason) {
            self.waits = Some(reason);
            self.outputs.push_back(Output::Waits(reason));
        }
    }

    /// Whether media went on yet.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.last.is_some()
    }

    /// Whether somebody was asked for the stream, and has not got it.
    #[must_use]
    pub fn asked_in_vain(&self, now: Duration) -> bool {
        let in_vain = |feed: &Feed| {
            let silent = feed.asked_at().is_some_and(|asked| asked + ANSWERS <= now);
            silent || feed.trouble.is_some()
        };
        !self.is_live() && self.feeds.iter().any(in_vain)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

#[cfg(test)]
mod tests;
