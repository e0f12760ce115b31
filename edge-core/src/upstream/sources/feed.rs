//! One server of a relay: whether it is asked, what it has brought, and when it may be asked again.

use std::time::Duration;

use contract::routing::NextHop;
use rtmp::Message;

use super::super::Retry;
use super::super::kept::Kept;
use super::Trouble;

/// How one server stands.
#[derive(Debug)]
pub(super) enum State {
    /// It is not asked before then.
    Rests {
        /// Until when.
        until: Duration,
    },
    /// It is asked, and silent on the stream.
    Asked {
        /// Since when.
        since: Duration,
        /// Whether it was reached.
        open: bool,
    },
    /// It brings the stream beside another one.
    StandsBy {
        /// What it brought.
        kept: Kept,
        /// When it brought something last.
        last: Duration,
    },
    /// The stream is taken from it.
    Active,
}

/// One server of a relay.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) hop: NextHop,
    pub(super) state: State,
    /// What was wrong with it last.
    pub(super) trouble: Option<Trouble>,
    /// It said that the stream is over, and brought nothing since.
    pub(super) said_over: bool,
    /// Waits while viewers have nothing, and while they only want somebody to stand by.
    retry: Retry,
    spare: Retry,
}

impl Feed {
    pub(super) fn new(hop: NextHop, from: Duration) -> Self {
        Self {
            hop,
            state: State::Rests { until: from },
            trouble: None,
            said_over: false,
            retry: Retry::default(),
            spare: Retry::spare(),
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.is_resting()
    }

    pub(super) fn is_resting(&self) -> bool {
        matches!(self.state, State::Rests { .. })
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.rests_until().is_some_and(|until| until <= now)
    }

    pub(super) fn rests_until(&self) -> Option<Duration> {
        match self.state {
            State::Rests { until } => Some(until),
            State::Asked { .. } | State::StandsBy { .. } | State::Active => None,
        }
    }

    /// When it was asked, as long as it is silent.
    pub(super) fn asked_at(&self) -> Option<Duration> {
        match self.state {
            State::Asked { since, .. } => Some(since),
            State::Rests { .. } | State::StandsBy { .. } | State::Active => None,
        }
    }

    /// Since when it is silent, if it is and is not the one that the stream is taken from.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        match self.state {
            State::Asked { since, .. } => Some(since),
            State::StandsBy { last, .. } => Some(last),
            State::Rests { .. } | State::Active => None,
        }
    }

    /// When it brought something last while it stood by.
    pub(super) fn last(&self) -> Option<Duration> {
        match self.state {
            State::StandsBy { last, .. } => Some(last),
            State::Rests { .. } | State::Asked { .. } | State::Active => None,
        }
    }

    /// Whether it stands by with a picture with which viewers can go on.
    pub(super) fn shows(&self) -> bool {
        matches!(&self.state, State::StandsBy { kept, .. } if kept.has_keyframe())
    }

    /// Whether it was reached and is silent on the stream.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Asked { open: true, .. })
    }

    pub(super) fn ask(&mut self, now: Duration) {
        self.said_over = false;
        self.state = State::Asked {
            since: now,
            open: false,
        };
    }

    pub(super) fn opened(&mut self) {
        if let State::Asked { open, .. } = &mut self.state {
            *open = true;
        }
    }

    /// Keeps a message of it.
    pub(super) fn keep(&mut self, message: Message, now: Duration) {
        if !matches!(self.state, State::StandsBy { .. }) {
            self.state = State::StandsBy {
                kept: Kept::default(),
                last: now,
            };
        }
        self.said_over = false;
        self.trouble = None;
        if let State::StandsBy { kept, last } = &mut self.state {
            kept.push(message, now);
            *last = now;
        }
    }

    /// It is the one now: what was kept of it.
    pub(super) fn activate(&mut self) -> Option<Kept> {
        match std::mem::replace(&mut self.state, State::Active) {
            State::StandsBy { kept, .. } => {
                self.spare.reset();
                Some(kept)
            }
            state @ (State::Rests { .. } | State::Asked { .. } | State::Active) => {
                self.state = state;
                None
            }
        }
    }

    /// It said that the stream is over: it may come back there.
    pub(super) fn over(&mut self, now: Duration) {
        self.said_over = true;
        self.state = State::Asked {
            since: now,
            open: true,
        };
    }

    /// It is left for a while: for longer where it is only wanted to stand by.
    pub(super) fn rest(&mut self, trouble: Option<Trouble>, spare: bool, now: Duration) {
        self.trouble = trouble.or(self.trouble);
        let retry = if spare {
            &mut self.spare
        } else {
            &mut self.retry
        };
        self.state = State::Rests {
            until: now + retry.next_wait(),
        };
    }

    /// It served for a while: its next failure begins anew.
    pub(super) fn served(&mut self) {
        self.retry.reset();
    }

    /// Viewers have nothing any more: who was left only as not needed is asked at once.
    pub(super) fn hurry(&mut self, now: Duration) {
        if let State::Rests { until } = &mut self.state {
            *until = now.min(*until);
        }
    }
}
