//! The newest messages of a ring as one piece of memory, for all viewers that stand at the same
//! place.
//!
//! A ring and places go in; bytes for one plain write come out. Most viewers keep up and are owed
//! the same; looking at each message again for each of them costs more than joining the messages
//! once a round. The invariants: bytes are joined only when two viewers in turn stand at one
//! place, so that it is never a copy a viewer; what is joined is bounded. It does not know the
//! viewers.

use super::Ring;

/// The most that is joined. Chosen, because a copy of so much costs as much as some writes.
const MAX_BYTES: usize = 64 << 10;

/// Messages from one number to another, in one piece.
#[derive(Debug, Default)]
pub struct Batch {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
    /// Where the last viewer stood that was not served from here.
    last: Option<u64>,
}

impl Batch {
    /// What viewers at `from` are owed, if it is here or worth bringing here.
    pub fn at(&mut self, ring: &Ring, from: u64) -> Option<&Self> {
        let head = ring.head();
        if from >= head || from < ring.first() {
            return None;
        }
        if self.from == from && self.to == head {
            return (!self.bytes.is_empty()).then_some(self);
        }
        if self.last != Some(from) {
            self.last = Some(from);
            return None;
        }
        self.gather(ring, from);
        (!self.bytes.is_empty()).then_some(self)
    }

    /// Joins the messages from here to the head; nothing where they are too large.
    fn gather(&mut self, ring: &Ring, from: u64) {
        self.bytes.clear();
        self.from = from;
        self.to = ring.head();
        let total: usize = ring.range(from).map(|entry| entry.bytes.len()).sum();
        if total <= MAX_BYTES {
            for entry in ring.range(from) {
                self.bytes.extend_from_slice(&entry.bytes);
            }
        }
    }

    /// The bytes, as viewers on the shared message stream get them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number after its last message.
    pub(super) fn to(&self) -> u64 {
        self.to
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::live::Entry;
    use crate::live::cursor::tests::{audio, inter, key};

    fn ring(entries: Vec<Entry>) -> Ring {
        let mut ring = Ring::default();
        for entry in entries {
            ring.append(Arc::new(entry));
        }
        ring
    }

    #[test]
    fn the_second_viewer_at_a_place_brings_its_messages_together() {
        let mut ring = ring(vec![key(0), audio(10), inter(33)]);
        let joined = |ring: &Ring, from| -> Vec<u8> {
            ring.range(from)
                .flat_map(|one| one.bytes.to_vec())
                .collect()
        };
        let mut batch = Batch::default();
        assert!(batch.at(&ring, 1).is_none());
        assert_eq!(batch.at(&ring, 1).unwrap().bytes(), joined(&ring, 1));
        assert!(batch.at(&ring, 0).is_none());
        assert!(batch.at(&ring, 1).is_some());
        assert!(batch.at(&ring, 3).is_none());

        ring.append(Arc::new(audio(40)));
        assert!(batch.at(&ring, 2).is_none(), "the head went on");
        assert_eq!(batch.at(&ring, 2).unwrap().bytes(), joined(&ring, 2));
    }

    #[test]
    fn what_is_large_is_left_where_it_is() {
        let large = rtmp::Message::new(rtmp::MessageKind::Video, 0, 1, vec![0x27; MAX_BYTES]);
        let ring = ring(vec![key(0), Entry::new(&large, std::time::Duration::ZERO)]);
        let mut batch = Batch::default();
        for _ in 0..3 {
            assert!(batch.at(&ring, 0).is_none());
        }
    }
}
