//! Streams that were asked for in vain: kept shortly, so that viewers who ask again and again cost the
//! servers behind little.
//!
//! A stream's key and the time go in; when it may be asked for comes out. The invariant: at most
//! [`MOST`] are kept, and none for longer than [`KEPT`].

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::Retry;

/// The most streams. Chosen, because a crowd that makes names up must not fill memory.
const MOST: usize = 4_096;
/// What was asked for so long ago begins anew.
const KEPT: Duration = Duration::from_secs(30);

/// Streams that were not there.
#[derive(Debug)]
pub struct Absent<K> {
    streams: HashMap<K, (Retry, Duration)>,
}

impl<K> Default for Absent<K> {
    fn default() -> Self {
        Self {
            streams: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Absent<K> {
    /// When the stream may be asked for.
    #[must_use]
    pub fn may_be_asked(&self, key: &K, now: Duration) -> Duration {
        let until = self.streams.get(key).map(|(_, until)| *until);
        until.map_or(now, |until| until.max(now))
    }

    /// It was asked for in vain.
    pub fn missing(&mut self, key: &K, now: Duration) {
        self.streams.retain(|_, (_, until)| *until + KEPT > now);
        if self.streams.len() >= MOST && !self.streams.contains_key(key) {
            return;
        }
        let (retry, until) = self.streams.entry(key.clone()).or_default();
        *until = now + retry.next_wait();
    }

    /// It is there.
    pub fn found(&mut self, key: &K) {
        self.streams.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_asked_for_less_and_less_and_then_forgotten() {
        let ms = Duration::from_millis;
        let mut absent = Absent::default();
        assert_eq!(absent.may_be_asked(&1, ms(7)), ms(7));
        for (now, may) in [
            (0, 250),
            (250, 750),
            (1_000, 2_000),
            (2_000, 4_000),
            (4_000, 6_000),
        ] {
            absent.missing(&1, ms(now));
            assert_eq!(absent.may_be_asked(&1, ms(now)), ms(may));
        }
        assert_eq!(absent.may_be_asked(&2, ms(9)), ms(9));
        absent.missing(&2, ms(60_000));
        assert_eq!(absent.may_be_asked(&1, ms(60_000)), ms(60_000));
        assert_eq!(absent.streams.len(), 1);
        absent.found(&2);
        for key in 0..10_000 {
            absent.missing(&key, ms(60_000));
        }
        assert_eq!(absent.streams.len(), MOST);
    }
}
