//! Who feeds one stream: a relay that pulls it, or a client that publishes it.
//!
//! Relays and publishers come and go; who may begin, and whose messages go into the ring, comes out.
//! The invariants: at most one relay and one publisher at a time, and one of them feeds; a publisher
//! feeds once a server behind has taken its stream, and a relay goes on until then; a relay that comes
//! after a publisher knows since when nothing came. It knows neither servers nor viewers.

use std::time::Duration;

use contract::report::HopTarget;
use tokio_util::sync::CancellationToken;

use super::Publisher;

/// The source of one stream.
#[derive(Default)]
pub(super) struct Source {
    /// The server that it goes through.
    pub(super) next_hop: Option<HopTarget>,
    publisher: Option<(u64, Publisher)>,
    /// Whether what the publisher sends goes to the viewers.
    publishes: bool,
    relay: Option<(u64, CancellationToken)>,
    /// How many relays and publishers have come: each has its own number.
    count: u64,
    /// When the last publisher that fed it left.
    left: Option<Duration>,
    push: Option<PushEnd>,
}

/// What a relay gets that is to begin.
pub(super) struct RelayClaim {
    pub(super) number: u64,
    /// Fires when a publisher takes the stream over.
    pub(super) gives_way: CancellationToken,
    /// When the last publisher left, if there was one.
    pub(super) left: Option<Duration>,
}

/// How a push comes to its end, for those who come after it.
#[derive(Clone, Default)]
pub struct PushEnd {
    /// Asks it to hang up at once.
    pub hurry: CancellationToken,
    /// Fires when it has hung up.
    pub ended: CancellationToken,
}

impl Source {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// For the one who is to start the relay, because nothing feeds the stream yet.
    pub(super) fn claim_relay(&mut self) -> Option<RelayClaim> {
        if self.publishes || self.relay.is_some() {
            return None;
        }
        let number = self.number();
        let gives_way = CancellationToken::new();
        self.relay = Some((number, gives_way.clone()));
        Some(RelayClaim {
            number,
            gives_way,
            left: self.left,
        })
    }

    /// For a client that wants to publish; the number by which it is known. What feeds the stream goes
    /// on for now.
    pub(super) fn claim_publisher(&mut self, publisher: Publisher) -> Result<u64, Publisher> {
        if let Some((_, other)) = &self.publisher {
            return Err(other.clone());
        }
        let number = self.number();
        self.publisher = Some((number, publisher));
        Ok(number)
    }

    /// A server took the publisher's stream: from now on it feeds. False if it left meanwhile.
    pub(super) fn publish(&mut self, number: u64) -> bool {
        let is_there = self.is_publisher(number);
        if is_there {
            self.publishes = true;
            if let Some((_, relay)) = self.relay.take() {
                relay.cancel();
            }
        }
        is_there
    }

    /// The publisher is gone; whether it fed the stream.
    pub(super) fn publisher_left(&mut self, number: u64, now: Duration) -> bool {
        if !self.is_publisher(number) {
            return false;
        }
        self.publisher = None;
        let fed = std::mem::take(&mut self.publishes);
        if fed {
            self.left = Some(now);
        }
        fed
    }

    /// A relay is gone.
    pub(super) fn relay_left(&mut self, number: u64) {
        if self.is_relay(number) {
            self.relay = None;
        }
    }

    /// Whether this relay feeds the stream.
    pub(super) fn is_relay(&self, number: u64) -> bool {
        self.relay
            .as_ref()
            .is_some_and(|(known, _)| *known == number)
    }

    /// Whether this is the client that publishes, or wants to.
    pub(super) fn is_publisher(&self, number: u64) -> bool {
        self.publisher
            .as_ref()
            .is_some_and(|(known, _)| *known == number)
    }

    /// Whether there is neither a relay nor a publisher.
    pub(super) fn is_free(&self) -> bool {
        self.publisher.is_none() && self.relay.is_none()
    }

    /// The client whose messages go to the viewers.
    pub(super) fn publisher(&self) -> Option<&Publisher> {
        let publisher = self.publisher.as_ref().filter(|_| self.publishes);
        publisher.map(|(_, publisher)| publisher)
    }

    /// Notes how the newest push ends; how the one before it does.
    pub(super) fn follow_push(&mut self, push: PushEnd) -> Option<PushEnd> {
        self.push.replace(push)
    }

    /// How the newest push ends.
    pub(super) fn push(&self) -> Option<PushEnd> {
        self.push.clone()
    }
}
