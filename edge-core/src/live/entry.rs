//! One message of a stream, made into chunks once.
//!
//! A message and the time go in; the bytes that every viewer gets come out. Immutable from then
//! on, so that it is shared by all of them without a lock.

use std::time::Duration;

use bytes::Bytes;
use rtmp::chunk::{self, ChunkStreamId};
use rtmp::{Message, data};

use crate::media::{self, Look, Track};

/// One message, ready to be written.
#[derive(Debug)]
pub struct Entry {
    /// Chunks for every viewer whose message stream is the shared one.
    pub bytes: Bytes,
    /// Chunks for the next server, where they differ: with the publisher's `@setDataFrame`.
    pub upstream: Option<Bytes>,
    /// What it is.
    pub look: Look,
    /// Its time in the stream, in milliseconds, wrapping.
    pub timestamp: u32,
    /// When it came.
    pub arrived: Duration,
}

impl Entry {
    /// What an entry costs beside its bytes; measured roughly, so that many tiny messages are
    /// bounded too.
    const OVERHEAD: usize = 192;

    /// Makes a message into chunks.
    #[must_use]
    pub fn new(message: &Message, arrived: Duration) -> Self {
        Self::seen(message, media::look(message), arrived)
    }

    /// Makes a message into chunks that was looked at already.
    #[must_use]
    pub fn seen(message: &Message, look: Look, arrived: Duration) -> Self {
        let encode = |message: &Message| {
            chunk::encode_shared(message, ChunkStreamId::of(message.kind), chunk::CHUNK_SIZE)
        };
        let (bytes, upstream) = if look.track == Track::Data {
            let shown = data::for_viewers(message);
            let differs = shown.payload != message.payload;
            (encode(&shown), differs.then(|| encode(message)))
        } else {
            (encode(message), None)
        };
        Self {
            bytes,
            upstream,
            look,
            timestamp: message.timestamp,
            arrived,
        }
    }

    /// The memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        Self::OVERHEAD + self.bytes.len() + self.upstream.as_ref().map_or(0, Bytes::len)
    }

    /// The chunks for viewers or for the next server.
    #[must_use]
    pub fn chunks(&self, upstream: bool) -> &Bytes {
        match &self.upstream {
            Some(bytes) if upstream => bytes,
            Some(_) | None => &self.bytes,
        }
    }

    /// The chunks as if the message had come at another time: what a late joiner is given of kept
    /// headers, so that its timeline does not begin in the past. A message of more than one chunk
    /// keeps its time.
    #[must_use]
    pub fn restamped(&self, timestamp: u32, upstream: bool) -> Bytes {
        let bytes = self.chunks(upstream);
        let header = chunk::header_len(self.timestamp);
        let payload = bytes.slice(header..);
        let single = payload.len() <= chunk::CHUNK_SIZE as usize;
        if self.timestamp == timestamp || !single {
            return bytes.clone();
        }
        let kind = rtmp::MessageKind::from_code(bytes[7]);
        let message = Message::new(kind, timestamp, chunk::SHARED_STREAM_ID, payload);
        chunk::encode_shared(&message, ChunkStreamId::of(kind), chunk::CHUNK_SIZE)
    }
}
