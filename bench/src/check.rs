//! Whether one viewer gets the publisher's messages whole, in order, each once, with timestamps
//! that rise.
//!
//! In go messages as [`crate::framing`] reads them, out come stamps of those that are right, and
//! counts of what is wrong. Nothing is wrong before the first keyframe: what a server sends a
//! newcomer until then is its own choice. It does not know time.

use crate::frame::{AAC_HEADER, AVC_HEADER, Kind, Stamp};
use crate::framing::{AUDIO, VIDEO, Whole};

/// What was wrong, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Never came: a gap before the next one.
    pub(crate) missing: u64,
    /// Came after a later one, or twice.
    pub(crate) swapped: u64,
    /// Shorter or longer than it was sent.
    pub(crate) length: u64,
    /// With a timestamp before its predecessor's.
    pub(crate) timestamp: u64,
    /// Without the stamp, or with the end of another.
    pub(crate) torn: u64,
}

impl Faults {
    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.missing += other.missing;
        self.swapped += other.swapped;
        self.length += other.length;
        self.timestamp += other.timestamp;
        self.torn += other.torn;
    }

    /// Messages that came and were not as they were sent. A missing one may be the law (a slow
    /// viewer loses media); a wrong one never is.
    pub(crate) fn wrong(&self) -> u64 {
        self.swapped + self.length + self.timestamp + self.torn
    }
}

/// One viewer's memory of what came.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// The place that is due next; `None` before the first keyframe.
    due: Option<u64>,
    last_video: Option<u32>,
    last_audio: Option<u32>,
    pub(crate) faults: Faults,
}

impl Check {
    /// Judges a message; its stamp when it has one and came in its order.
    pub(crate) fn judge(&mut self, whole: &Whole<'_>) -> Option<Stamp> {
        let last = match whole.kind {
            VIDEO => &mut self.last_video,
            AUDIO => &mut self.last_audio,
            _ => return None,
        };
        if is_header(whole) {
            return None;
        }
        let before = last.replace(whole.timestamp);
        let stamp = Stamp::parse(whole.head, whole.tail);
        if self.due.is_none() && stamp.is_none_or(|stamp| stamp.kind != Kind::Keyframe) {
            return None;
        }
        // The difference on a circle, as timestamps wrap.
        if before.is_some_and(|before| whole.timestamp.wrapping_sub(before) > u32::MAX / 2) {
            self.faults.timestamp += 1;
        }
        let Some(stamp) = stamp else {
            self.faults.torn += 1;
            return None;
        };
        if whole.length != stamp.length as usize {
            self.faults.length += 1;
        }
        let due = self.due.unwrap_or(stamp.order);
        if stamp.order < due {
            self.faults.swapped += 1;
            return None;
        }
        self.faults.missing += stamp.order - due;
        self.due = Some(stamp.order + 1);
        Some(stamp)
    }
}

fn is_header(whole: &Whole<'_>) -> bool {
    whole.length == whole.head.len() && [AVC_HEADER, AAC_HEADER].contains(&whole.head)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{HEAD, TAIL};

    /// A message on its way: the order it is stamped with, its timestamp, its payload.
    struct Sent {
        kind: Kind,
        order: u64,
        timestamp: u32,
        payload: Bytes,
    }

    fn sent(kind: Kind, order: u64) -> Sent {
        let stamp = Stamp {
            kind,
            order,
            sent_ns: 1,
            length: 200,
        };
        Sent {
            kind,
            order,
            timestamp: 10 * order as u32,
            payload: stamp.payload(),
        }
    }

    /// A keyframe, then audio and video in turns.
    fn stream(count: u64) -> Vec<Sent> {
        (0..count)
            .map(|order| match order {
                0 => sent(Kind::Keyframe, 0),
                _ if order % 2 == 1 => sent(Kind::Audio, order),
                _ => sent(Kind::Interframe, order),
            })
            .collect()
    }

    fn check(messages: &[Sent], expected: Faults) -> Vec<u64> {
        let mut check = Check::default();
        let mut orders = Vec::new();
        for message in messages {
            let payload = &message.payload;
            let mut tail = [0; TAIL];
            tail.copy_from_slice(&payload[payload.len() - TAIL..]);
            let stamp = check.judge(&Whole {
                kind: if message.kind == Kind::Audio {
                    AUDIO
                } else {
                    VIDEO
                },
                timestamp: message.timestamp,
                length: payload.len(),
                head: &payload[..HEAD.min(payload.len())],
                tail,
            });
            if let Some(stamp) = stamp {
                assert_eq!(stamp.order, message.order);
                orders.push(stamp.order);
            }
        }
        assert_eq!(check.faults, expected);
        orders
    }

    #[test]
    fn a_whole_stream_has_no_faults() {
        let orders = check(&stream(20), Faults::default());
        assert_eq!(orders, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_is_found() {
        let mut messages = stream(20);
        messages.drain(7..10);
        let missing = 3;
        check(
            &messages,
            Faults {
                missing,
                ..Faults::default()
            },
        );
    }

    #[test]
    fn swapped_messages_are_found() {
        let mut messages = stream(20);
        messages.swap(8, 9);
        let faults = Faults {
            missing: 1,
            swapped: 1,
            ..Faults::default()
        };
        check(&messages, faults);
        // The same kind swapped: its timestamps fall too.
        let mut messages = stream(20);
        messages.swap(8, 10);
        let faults = Faults {
            missing: 2,
            swapped: 2,
            timestamp: 1,
            ..Faults::default()
        };
        check(&messages, faults);
    }

    #[test]
    fn a_message_that_comes_twice_is_found() {
        let mut messages = stream(20);
        messages.insert(9, sent(Kind::Interframe, 8));
        let swapped = 1;
        check(
            &messages,
            Faults {
                swapped,
                ..Faults::default()
            },
        );
    }

    #[test]
    fn a_wrong_length_is_found() {
        let mut messages = stream(20);
        let whole = messages[5].payload.clone();
        messages[5].payload = [&whole[..100], &whole[101..]].concat().into();
        let faults = Faults {
            length: 1,
            ..Faults::default()
        };
        check(&messages, faults);
        // Cut at the end it bears no mark.
        messages[5].payload = whole.slice(..whole.len() - 1);
        let faults = Faults {
            torn: 1,
            missing: 1,
            ..Faults::default()
        };
        check(&messages, faults);
    }

    #[test]
    fn a_timestamp_that_falls_is_found_and_one_that_wraps_is_not() {
        let mut messages = stream(20);
        messages[10].timestamp = 5;
        let timestamp = 1;
        check(
            &messages,
            Faults {
                timestamp,
                ..Faults::default()
            },
        );
        let mut messages = stream(20);
        for message in &mut messages {
            message.timestamp = (u32::MAX - 50).wrapping_add(message.timestamp);
        }
        check(&messages, Faults::default());
    }

    #[test]
    fn nothing_counts_before_the_first_keyframe() {
        let mut messages = vec![sent(Kind::Audio, 0), sent(Kind::Interframe, 4)];
        messages.push(sent(Kind::Keyframe, 9));
        messages.push(sent(Kind::Audio, 10));
        let orders = check(&messages, Faults::default());
        assert_eq!(orders, [9, 10]);
    }
}
