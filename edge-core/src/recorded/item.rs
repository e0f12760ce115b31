//! One message of a recording, made into chunks once, and the messages from one keyframe to the next.

use bytes::{Bytes, BytesMut};
use rtmp::chunk::{self, ChunkStreamId, SHARED_STREAM_ID, header_len};
use rtmp::{Message, MessageKind, data};

use crate::media::{self, Look};

/// Where a message's kind stands in its chunks.
const KIND: usize = 7;
/// Where its message stream stands.
const STREAM: std::ops::Range<usize> = 8..12;

/// One message, ready to be written to any viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its time, in milliseconds from the recording's begin, as the server sent it.
    pub timestamp: u32,
    /// What it is.
    pub look: Look,
    /// Its chunks, for viewers on the shared message stream.
    pub bytes: Bytes,
}

impl Item {
    /// Makes a message into chunks.
    #[must_use]
    pub fn new(message: &Message) -> Self {
        let shown = data::for_viewers(message);
        Self {
            timestamp: shown.timestamp,
            look: media::look(&shown),
            bytes: chunk::encode_shared(&shown, ChunkStreamId::of(shown.kind), chunk::CHUNK_SIZE),
        }
    }

    /// Reads a message's chunks back; `None` where they cannot be such.
    #[must_use]
    pub(super) fn of_chunks(timestamp: u32, bytes: Bytes) -> Option<Self> {
        let header = header_len(timestamp);
        let kind = MessageKind::from_code(*bytes.get(KIND)?);
        if bytes.len() < header || !kind.is_timed() {
            return None;
        }
        // What is looked at stands in the first chunk.
        let message = Message::new(kind, timestamp, SHARED_STREAM_ID, bytes.slice(header..));
        Some(Self {
            timestamp,
            look: media::look(&message),
            bytes,
        })
    }

    /// What it carries: the payload with what stands between its chunks, the same for the same
    /// payload and timestamp.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.bytes[header_len(self.timestamp)..]
    }

    /// Its chunks for a viewer on this message stream: the header where it differs, and the rest.
    #[must_use]
    pub fn addressed(&self, stream_id: u32) -> (Bytes, Bytes) {
        if stream_id == SHARED_STREAM_ID {
            return (Bytes::new(), self.bytes.clone());
        }
        let header = header_len(self.timestamp);
        let mut own = BytesMut::from(&self.bytes[..header]);
        own[STREAM].copy_from_slice(&stream_id.to_le_bytes());
        (own.freeze(), self.bytes.slice(header..))
    }

    /// The same message at another time: a header that is given to who comes in later. One of more
    /// than a chunk keeps its time.
    #[must_use]
    pub fn at(&self, timestamp: u32) -> Self {
        let body = self.body();
        if self.timestamp == timestamp || body.len() > chunk::CHUNK_SIZE as usize {
            return self.clone();
        }
        let kind = MessageKind::from_code(self.bytes[KIND]);
        let payload = self.bytes.slice(header_len(self.timestamp)..);
        let message = Message::new(kind, timestamp, SHARED_STREAM_ID, payload);
        Self {
            timestamp,
            look: self.look,
            bytes: chunk::encode_shared(&message, ChunkStreamId::of(kind), chunk::CHUNK_SIZE),
        }
    }
}

/// Where a piece ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At the keyframe at this time.
    Next(u32),
    /// At the recording's end; its last message has this time.
    End(u32),
}

/// The messages from one keyframe (or the begin) up to the next (or the end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The time of its keyframe; 0 for the first piece.
    pub from: u32,
    /// Where it ends.
    pub until: Until,
    /// Its messages.
    pub items: Vec<Item>,
}

impl Piece {
    /// Bytes of its messages.
    #[must_use]
    pub fn size(&self) -> usize {
        self.items.iter().map(|item| item.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::fixture::{key, video};

    #[test]
    fn an_item_is_the_message_itself_on_every_message_stream() {
        for size in [0, 10, 70_000, 200_000] {
            for timestamp in [7, 0x0123_4567] {
                let message = video(timestamp, 1, size);
                let item = Item::new(&message);
                let (header, rest) = item.addressed(5);
                let mut expected = BytesMut::new();
                let five = Message {
                    stream_id: 5,
                    ..message
                };
                chunk::encode(&mut expected, &five, chunk::CHUNK_SIZE);
                assert_eq!([header, rest].concat(), expected);
                let (none, all) = item.addressed(SHARED_STREAM_ID);
                assert!(none.is_empty() && all == item.bytes);
                assert_eq!(
                    Item::of_chunks(timestamp, item.bytes.clone()).as_ref(),
                    Some(&item)
                );
            }
        }
    }

    #[test]
    fn a_header_can_be_given_at_another_time() {
        let item = Item::new(&key(0));
        assert_eq!(item.at(5_000), Item::new(&key(5_000)));
        assert_eq!(item.at(0x0100_0000).body(), item.body());
    }
}
