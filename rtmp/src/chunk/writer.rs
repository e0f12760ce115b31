//! Messages into chunks, without any state: full headers, continued by one byte a chunk.
//!
//! The invariant: what is written depends only on the arguments, so one result serves every
//! viewer. It does not know sessions; whoever sends the bytes must have announced the chunk size.

use bytes::{BufMut, Bytes, BytesMut};

use super::{ChunkStreamId, SHARED_STREAM_ID};
use crate::Message;

/// Timestamps from here on do not fit in the header's three bytes.
const EXTENDED: u32 = 0xff_ffff;

/// Bytes of the first chunk's header for a message with this timestamp: 12, or 16 with an
/// extended timestamp. What follows in the bytes of [`encode_shared`] is the same for every
/// message stream id.
pub fn header_len(timestamp: u32) -> usize {
    if timestamp >= EXTENDED { 16 } else { 12 }
}

/// The header of a message's first chunk, for a viewer whose message stream id is not
/// [`SHARED_STREAM_ID`]: it replaces the first [`header_len`] bytes of the shared ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; 16],
    len: usize,
}

impl Header {
    /// The full header of a message on a chunk stream, for one message stream.
    ///
    /// # Panics
    /// When the payload is larger than a message can be (16,777,215 bytes): the limits of a
    /// connection let none in.
    pub fn new(message: &Message, chunk_stream: ChunkStreamId, stream_id: u32) -> Self {
        let length = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
        assert!(length <= EXTENDED, "a message has at most 16,777,215 bytes");
        let mut bytes = [0; 16];
        let field = message.timestamp.min(EXTENDED);
        bytes[0] = chunk_stream as u8;
        bytes[1..4].copy_from_slice(&field.to_be_bytes()[1..]);
        bytes[4..7].copy_from_slice(&length.to_be_bytes()[1..]);
        bytes[7] = message.kind.code();
        bytes[8..12].copy_from_slice(&stream_id.to_le_bytes());
        bytes[12..16].copy_from_slice(&message.timestamp.to_be_bytes());
        Self {
            bytes,
            len: header_len(message.timestamp),
        }
    }
}

impl AsRef<[u8]> for Header {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The bytes of a message for every viewer: message stream id [`SHARED_STREAM_ID`] whatever the
/// message says, one allocation, one copy of the payload.
///
/// # Panics
/// When the payload is larger than a message can be, or the chunk size is 0.
pub fn encode_shared(message: &Message, chunk_stream: ChunkStreamId, chunk_size: u32) -> Bytes {
    let chunk_size = chunk_size as usize;
    let chunks = message.payload.len() / chunk_size + 1;
    let mut out = BytesMut::with_capacity(16 + message.payload.len() + 5 * (chunks - 1));
    put(
        &mut out,
        message,
        chunk_stream,
        SHARED_STREAM_ID,
        chunk_size,
    );
    out.freeze()
}

/// Appends the bytes of a message with its own message stream id.
///
/// # Panics
/// When the payload is larger than a message can be, or the chunk size is 0.
pub fn encode(out: &mut BytesMut, message: &Message, chunk_size: u32) {
    put(
        out,
        message,
        ChunkStreamId::of(message.kind),
        message.stream_id,
        chunk_size as usize,
    );
}

fn put(
    out: &mut BytesMut,
    message: &Message,
    chunk_stream: ChunkStreamId,
    stream_id: u32,
    chunk_size: usize,
) {
    out.put_slice(Header::new(message, chunk_stream, stream_id).as_ref());
    for (index, piece) in message.payload.chunks(chunk_size).enumerate() {
        if index > 0 {
            out.put_u8(0b1100_0000 | chunk_stream as u8);
            if message.timestamp >= EXTENDED {
                out.put_u32(message.timestamp);
            }
        }
        out.put_slice(piece);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::MessageKind;

    fn check(timestamp: u32, payload: &[u8], chunk_size: u32, expected: &[u8]) {
        let message = Message::new(MessageKind::Audio, timestamp, 7, payload.to_vec());
        let shared = encode_shared(&message, ChunkStreamId::Audio, chunk_size);
        assert_eq!(&shared[..], expected);

        let mut own = BytesMut::new();
        encode(&mut own, &message, chunk_size);
        let mut joined = Header::new(&message, ChunkStreamId::Audio, 7)
            .as_ref()
            .to_vec();
        joined.extend_from_slice(&shared[header_len(timestamp)..]);
        assert_eq!(
            own, joined,
            "an own header and the shared rest are the message itself"
        );
    }

    #[test]
    fn full_headers_continued_by_one_byte() {
        check(5, b"", 4, &[4, 0, 0, 5, 0, 0, 0, 8, 1, 0, 0, 0]);
        check(5, b"abcd", 4, b"\x04\0\0\x05\0\0\x04\x08\x01\0\0\0abcd");
        check(
            5,
            b"abcde",
            4,
            b"\x04\0\0\x05\0\0\x05\x08\x01\0\0\0abcd\xc4e",
        );
    }

    #[test]
    fn extended_timestamps_stand_in_every_chunk() {
        check(
            0xff_fffe,
            b"a",
            1,
            b"\x04\xff\xff\xfe\0\0\x01\x08\x01\0\0\0a",
        );
        check(
            0xff_ffff,
            b"ab",
            1,
            b"\x04\xff\xff\xff\0\0\x02\x08\x01\0\0\0\0\xff\xff\xffa\xc4\0\xff\xff\xffb",
        );
    }
}
