//! What changes for the servers of a relay that runs when its route changes.
//!
//! The route's servers and times as they are now come in. The invariants: viewers stay, and timestamps go
//! on rising; a server that the route names no more is left as soon as another one brings media, and at
//! the latest after [`REACH`].

use std::time::Duration;

use contract::routing::NextHop;

use super::feed::Feed;
use super::{REACH, Sources};

impl Sources {
    /// The route names these servers from now on, in this order, and holds viewers for so long.
    pub fn follow(&mut self, order: &[NextHop], hold: Duration, now: Duration) {
        if self.ended {
            return;
        }
        self.hold = hold;
        self.retires = self
            .active
            .filter(|active| !order.contains(active))
            .map(|hop| {
                let known = self.retires.filter(|(known, _)| *known == hop);
                known.unwrap_or((hop, now + REACH))
            });
        let active = self.active;
        let stays = |hop: NextHop| order.contains(&hop) || active == Some(hop);
        let gone: Vec<NextHop> = self.feeds.iter().map(|feed| feed.hop).collect();
        for hop in gone.into_iter().filter(|hop| !stays(*hop)) {
            self.leave(hop);
        }
        let mut known = std::mem::take(&mut self.feeds);
        let mut take = |hop: NextHop| {
            let place = known.iter().position(|feed| feed.hop == hop);
            place.map(|place| known.swap_remove(place))
        };
        let mut feeds: Vec<Feed> = Vec::with_capacity(order.len() + 1);
        for hop in order {
            feeds.push(take(*hop).unwrap_or_else(|| Feed::new(*hop, now)));
        }
        feeds.extend(self.retires.and_then(|(hop, _)| take(hop)));
        self.feeds = feeds;
        self.splice.remember(self.feeds.len() > 1);
        self.handle_timeout(now);
    }

    /// The servers are asked for another stream from now on, which follows the one before.
    pub fn renew(&mut self, order: &[NextHop], hold: Duration, now: Duration) {
        if self.ended {
            return;
        }
        let asked: Vec<NextHop> = self.feeds.iter().map(|feed| feed.hop).collect();
        for hop in asked {
            self.leave(hop);
        }
        self.feeds = order.iter().map(|hop| Feed::new(*hop, now)).collect();
        self.hold = hold;
        (self.active, self.retires, self.over) = (None, None, false);
        self.splice.remember(order.len() > 1);
        self.handle_timeout(now);
    }

    /// Leaves for good who was to go, once the stream is not taken from it any more.
    pub(super) fn retire(&mut self) {
        let Some((hop, _)) = self.retires.filter(|(hop, _)| self.active != Some(*hop)) else {
            return;
        };
        self.leave(hop);
        self.feeds.retain(|feed| feed.hop != hop);
        self.retires = None;
    }
}
