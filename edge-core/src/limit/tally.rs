//! What one holder has on this edge: counts that go up and down by one, and rates as they were
//! measured last.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::limit::{Count, Holder, LimitKind, Limits};

use super::bucket::Bucket;
use super::{Moved, Place};

/// What one holder has.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Its limits when it was last given a place.
    pub(super) limits: Limits,
    pub(super) connections: u64,
    pub(super) publishers: u64,
    pub(super) bucket: Bucket,
    viewers_by_stream: HashMap<Arc<str>, u64>,
    connections_by_addr: HashMap<IpAddr, u64>,
    /// Connections let in since the last measurement.
    entered: u64,
    connections_per_second: u64,
    receive_bits_per_second: u64,
    send_bits_per_second: u64,
}

impl Tally {
    /// What it has that counts for this limit and place.
    pub(super) fn has(&self, kind: LimitKind, place: &Place) -> u64 {
        match kind {
            LimitKind::Connections => self.connections,
            LimitKind::Publishers => self.publishers,
            LimitKind::ConnectionsPerSecond => self.connections_per_second,
            LimitKind::ReceiveBitsPerSecond => self.receive_bits_per_second,
            LimitKind::SendBitsPerSecond => self.send_bits_per_second,
            LimitKind::ViewersPerStream => match place {
                Place::Viewer(stream) => at(&self.viewers_by_stream, stream),
                Place::Connection(_) | Place::Publisher => 0,
            },
            LimitKind::ConnectionsPerAddress => match place {
                Place::Connection(addr) => at(&self.connections_by_addr, addr),
                Place::Viewer(_) | Place::Publisher => 0,
            },
        }
    }

    /// Takes a place; `rate` is what it may take of them a second, if that is limited.
    pub(super) fn enter(&mut self, place: &Place, rate: Option<u64>, now: Duration) {
        match place {
            Place::Connection(addr) => {
                self.connections += 1;
                self.entered += 1;
                *self.connections_by_addr.entry(*addr).or_default() += 1;
                if let Some(rate) = rate {
                    self.bucket.take(rate, now);
                }
            }
            Place::Viewer(stream) => {
                *self
                    .viewers_by_stream
                    .entry(Arc::clone(stream))
                    .or_default() += 1;
            }
            Place::Publisher => self.publishers += 1,
        }
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, place: &Place) {
        match place {
            Place::Connection(addr) => {
                self.connections = self.connections.saturating_sub(1);
                take_one(&mut self.connections_by_addr, addr);
            }
            Place::Viewer(stream) => take_one(&mut self.viewers_by_stream, stream),
            Place::Publisher => self.publishers = self.publishers.saturating_sub(1),
        }
    }

    /// Takes what was moved since the last measurement. Rates are the mean of two measurements, so
    /// that the burst by which a viewer begins does not count for more than it is.
    pub(super) fn measure(&mut self, moved: Moved, since: Duration) {
        let entered = std::mem::take(&mut self.entered);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let each_second = |count: u64, scale: u64| {
            let scaled = count.saturating_mul(scale).saturating_mul(1_000);
            scaled.checked_div(millis).unwrap_or(0)
        };
        self.connections_per_second = each_second(entered, 1);
        let mean = |before: u64, now: u64| before.midpoint(now);
        self.receive_bits_per_second = mean(
            self.receive_bits_per_second,
            each_second(moved.received_bytes, 8),
        );
        self.send_bits_per_second =
            mean(self.send_bits_per_second, each_second(moved.sent_bytes, 8));
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let counts = [
            self.connections,
            self.publishers,
            self.entered,
            self.connections_per_second,
            self.receive_bits_per_second,
            self.send_bits_per_second,
        ];
        counts.iter().all(|count| *count == 0)
            && self.viewers_by_stream.is_empty()
            && self.connections_by_addr.is_empty()
            && self.bucket.is_full(now)
    }

    /// Adds what it has under those limits that are set, where it is not nothing.
    pub(super) fn count_into(&self, holder: &Holder, limits: &Limits, counts: &mut Vec<Count>) {
        let mut add = |kind: LimitKind, item: Option<String>, count: u64| {
            if limits.of(kind).is_some() && count > 0 {
                counts.push(Count {
                    of: holder.clone(),
                    kind,
                    item,
                    count,
                });
            }
        };
        add(LimitKind::Connections, None, self.connections);
        add(LimitKind::Publishers, None, self.publishers);
        add(
            LimitKind::ConnectionsPerSecond,
            None,
            self.connections_per_second,
        );
        add(
            LimitKind::ReceiveBitsPerSecond,
            None,
            self.receive_bits_per_second,
        );
        add(
            LimitKind::SendBitsPerSecond,
            None,
            self.send_bits_per_second,
        );
        if limits.viewers_per_stream.is_some() {
            for (stream, count) in &self.viewers_by_stream {
                add(
                    LimitKind::ViewersPerStream,
                    Some(stream.to_string()),
                    *count,
                );
            }
        }
        if limits.connections_per_address.is_some() {
            for (addr, count) in &self.connections_by_addr {
                add(
                    LimitKind::ConnectionsPerAddress,
                    Some(addr.to_string()),
                    *count,
                );
            }
        }
    }
}

fn at<K: Eq + Hash>(counts: &HashMap<K, u64>, key: &K) -> u64 {
    counts.get(key).copied().unwrap_or(0)
}

fn take_one<K: Eq + Hash + Clone>(counts: &mut HashMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
