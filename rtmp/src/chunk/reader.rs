//! A peer's bytes into messages.
//!
//! In go bytes in pieces of any size, out come whole messages. Each chunk stream has its own
//! buffer, so messages may stand inside one another. The invariants: a buffer grows with what has
//! arrived, never by what a header announces; all buffers together stay under the budget; the
//! number of streams and of tiny chunks is bounded. Chunk size and abort take effect here (and the
//! message is handed on all the same). It does not know what messages mean, nor the time: the
//! budget for tiny chunks is filled up from outside.

use bytes::Bytes;

use crate::{Fault, Limits, Message, MessageKind};

/// Timestamp field that says: the real one follows in four bytes.
const EXTENDED: u32 = 0xff_ffff;

/// Most bytes of a chunk's header: 3 of id, 11 of message header, 4 of extended timestamp.
const MAX_HEADER: usize = 18;

/// Reads the chunks of one connection.
pub struct Reader {
    limits: Limits,
    admitted: bool,
    chunk_size: usize,
    streams: Vec<Stream>,
    state: State,
    /// The header being read, when it came in pieces.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// Bytes to read again before any input: they looked like a timestamp and are payload.
    again: [u8; 4],
    again_len: usize,
    /// Memory of all unfinished messages.
    held: usize,
    tiny_chunks_left: u32,
}

#[derive(Clone, Copy)]
enum State {
    Header,
    /// So many bytes of the chunk of the stream at `index` are still to come.
    Payload {
        index: usize,
        left: usize,
    },
}

/// What is remembered of a chunk stream: the last header, and the message being put together.
struct Stream {
    id: u32,
    timestamp: u32,
    /// The last timestamp field as it was sent: an absolute time or a step.
    field: u32,
    field_is_absolute: bool,
    extended: bool,
    length: usize,
    kind: MessageKind,
    stream_id: u32,
    /// Whether a message has begun and not ended.
    open: bool,
    buffer: Vec<u8>,
}

/// What a chunk's first bytes say.
struct Basic {
    format: u8,
    id: u32,
    len: usize,
}

impl Reader {
    /// A reader at the beginning of a connection's chunks.
    pub fn new(limits: Limits) -> Self {
        Self {
            tiny_chunks_left: limits.tiny_chunks,
            limits,
            admitted: false,
            chunk_size: super::INITIAL_CHUNK_SIZE as usize,
            streams: Vec::new(),
            state: State::Header,
            header: [0; MAX_HEADER],
            header_len: 0,
            again: [0; 4],
            again_len: 0,
            held: 0,
        }
    }

    /// Says whether the client was admitted: its unfinished messages may then hold more.
    pub fn set_admitted(&mut self, admitted: bool) {
        self.admitted = admitted;
    }

    /// Gives back so many tiny chunks to the budget, up to its size.
    pub fn refill(&mut self, tiny_chunks: u32) {
        self.tiny_chunks_left = self
            .tiny_chunks_left
            .saturating_add(tiny_chunks)
            .min(self.limits.tiny_chunks);
    }

    /// The peer's chunk size.
    pub fn chunk_size(&self) -> u32 {
        u32::try_from(self.chunk_size).unwrap_or(u32::MAX)
    }

    /// Bytes of memory that unfinished messages hold.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes bytes from the front of `input` until a message is whole, or all are taken.
    ///
    /// # Errors
    /// [`Fault::ChunkStreams`], [`Fault::NoHeader`], [`Fault::ChunkSize`], [`Fault::MessageSize`],
    /// [`Fault::Unfinished`], [`Fault::TinyChunks`], [`Fault::ShortControl`]. The reader is of no
    /// use afterwards.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Fault> {
        while self.again_len > 0 || !input.is_empty() {
            let whole = if self.again_len > 0 {
                let bytes = self.again;
                let mut again = &bytes[4 - std::mem::take(&mut self.again_len)..];
                let whole = self.step(&mut again)?;
                // A header that is put back has five bytes or more, so nothing is left of these.
                if !again.is_empty() {
                    self.again_len = again.len();
                }
                whole
            } else {
                self.step(input)?
            };
            if let Some(index) = whole {
                let message = self.finish(index);
                self.apply(&message)?;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Takes a header or some payload; returns the stream when its message is whole.
    fn step(&mut self, input: &mut &[u8]) -> Result<Option<usize>, Fault> {
        match self.state {
            State::Header => {
                if self.read_header(input) {
                    self.begin_chunk(input)
                } else {
                    Ok(None)
                }
            }
            State::Payload { index, left } => self.read_payload(index, left, input),
        }
    }

    /// Collects a chunk's header; false when `input` ends before it is whole.
    fn read_header(&mut self, input: &mut &[u8]) -> bool {
        loop {
            let wanted = self.header_wanted();
            if self.header_len >= wanted {
                return true;
            }
            let count = (wanted - self.header_len).min(input.len());
            if count == 0 {
                return false;
            }
            let (used, rest) = input.split_at(count);
            self.header[self.header_len..self.header_len + count].copy_from_slice(used);
            self.header_len += count;
            *input = rest;
        }
    }

    /// How long the header is, as far as the bytes at hand tell.
    fn header_wanted(&self) -> usize {
        let Some(basic) = basic(&self.header[..self.header_len]) else {
            return if self.header_len == 0 {
                1
            } else {
                2 + usize::from(self.header[0] & 0x3f == 1)
            };
        };
        let fields = match basic.format {
            0 => 11,
            1 => 7,
            2 => 3,
            _ => 0,
        };
        let wanted = basic.len + fields;
        let extended = if fields == 0 {
            self.find(basic.id)
                .is_some_and(|index| self.streams[index].extended)
        } else {
            self.header_len >= basic.len + 3 && be24(&self.header[basic.len..]) == EXTENDED
        };
        wanted + if extended { 4 } else { 0 }
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.streams.iter().position(|stream| stream.id == id)
    }

    /// Understands the collected header; returns the stream whose message is whole already.
    fn begin_chunk(&mut self, input: &mut &[u8]) -> Result<Option<usize>, Fault> {
        let header = self.header;
        let header = &header[..self.header_len];
        self.header_len = 0;
        let basic = basic(header).expect("a collected header is whole");
        let index = self.stream(&basic)?;
        let fields = &header[basic.len..];
        if basic.format < 3 {
            self.begin_message(index, basic.format, fields)?;
            return self.begin_payload(index, input);
        }
        let stream = &mut self.streams[index];
        if !stream.open {
            self.repeat_message(index, fields)?;
            return self.begin_payload(index, input);
        }
        // Some peers leave the extended timestamp out of the chunks that go on with a message;
        // then these four bytes are payload. Four equal bytes at that place are taken for it.
        if stream.extended && ![stream.field, stream.timestamp].contains(&be32(fields)) {
            self.again.copy_from_slice(fields);
            self.again_len = self.again.len();
            let left = self.chunk_payload(index)?;
            self.state = State::Payload { index, left };
            return Ok(None);
        }
        self.begin_payload(index, input)
    }

    /// The place of a chunk's stream, made if it is new and may be.
    fn stream(&mut self, basic: &Basic) -> Result<usize, Fault> {
        if let Some(index) = self.find(basic.id) {
            return Ok(index);
        }
        // librtmp begins chunk stream 2 with a type 1 header: then the message stream is 0.
        if basic.format > 1 {
            return Err(Fault::NoHeader(basic.id));
        }
        if self.streams.len() >= self.limits.chunk_streams {
            return Err(Fault::ChunkStreams(self.limits.chunk_streams));
        }
        self.streams.push(Stream {
            id: basic.id,
            timestamp: 0,
            field: 0,
            field_is_absolute: true,
            extended: false,
            length: 0,
            kind: MessageKind::Other(0),
            stream_id: 0,
            open: false,
            buffer: Vec::new(),
        });
        Ok(self.streams.len() - 1)
    }

    /// Reads a type 0, 1 or 2 header. An unfinished message of the stream is given up.
    fn begin_message(&mut self, index: usize, format: u8, fields: &[u8]) -> Result<(), Fault> {
        self.give_up(index);
        let stream = &mut self.streams[index];
        let field = be24(fields);
        stream.extended = field == EXTENDED;
        stream.field = if stream.extended {
            be32(&fields[fields.len() - 4..])
        } else {
            field
        };
        stream.field_is_absolute = format == 0;
        stream.timestamp = match format {
            0 => stream.field,
            _ => stream.timestamp.wrapping_add(stream.field),
        };
        if format < 2 {
            stream.length = be24(&fields[3..]) as usize;
            stream.kind = MessageKind::from_code(fields[6]);
        }
        if format == 0 {
            stream.stream_id = u32::from_le_bytes([fields[7], fields[8], fields[9], fields[10]]);
        }
        self.open(index)
    }

    /// A type 3 header that begins a message: all as before, one step later.
    fn repeat_message(&mut self, index: usize, fields: &[u8]) -> Result<(), Fault> {
        let stream = &mut self.streams[index];
        if stream.extended {
            stream.field = be32(fields);
        }
        // RTMP 1.0, section 5.3.1.2.4: after a type 0 header its timestamp is the step. Not so for
        // an extended one: it would be a step of hours, and writers that repeat it mean the time.
        stream.timestamp = if stream.extended && stream.field_is_absolute {
            stream.field
        } else {
            stream.timestamp.wrapping_add(stream.field)
        };
        self.open(index)
    }

    fn open(&mut self, index: usize) -> Result<(), Fault> {
        let stream = &mut self.streams[index];
        let max = if stream.kind.is_media() {
            self.limits.media_size
        } else {
            self.limits.command_size
        };
        if stream.length > max {
            return Err(Fault::MessageSize {
                kind: stream.kind.code(),
                length: stream.length,
                max,
            });
        }
        stream.open = true;
        Ok(())
    }

    /// Goes from a chunk's header to its payload.
    fn begin_payload(&mut self, index: usize, input: &mut &[u8]) -> Result<Option<usize>, Fault> {
        let left = self.chunk_payload(index)?;
        if left == 0 {
            self.state = State::Header;
            return Ok(Some(index));
        }
        self.read_payload(index, left, input)
    }

    /// How much payload the chunk has that begins now; small ones cost.
    fn chunk_payload(&mut self, index: usize) -> Result<usize, Fault> {
        let stream = &self.streams[index];
        let left = (stream.length - stream.buffer.len()).min(self.chunk_size);
        if left < Limits::TINY_CHUNK {
            let Some(rest) = self.tiny_chunks_left.checked_sub(1) else {
                return Err(Fault::TinyChunks(self.limits.tiny_chunks));
            };
            self.tiny_chunks_left = rest;
        }
        Ok(left)
    }

    /// Takes payload; returns the stream when its message is whole.
    fn read_payload(
        &mut self,
        index: usize,
        left: usize,
        input: &mut &[u8],
    ) -> Result<Option<usize>, Fault> {
        let count = left.min(input.len());
        self.append(index, &input[..count], input.len())?;
        *input = &input[count..];
        Ok(self.advance(index, left - count))
    }

    fn advance(&mut self, index: usize, left: usize) -> Option<usize> {
        let stream = &self.streams[index];
        self.state = if left == 0 {
            State::Header
        } else {
            State::Payload { index, left }
        };
        (stream.buffer.len() == stream.length).then_some(index)
    }

    /// Adds to a message. Memory grows with what is there: `arrived` bytes are at hand.
    fn append(&mut self, index: usize, bytes: &[u8], arrived: usize) -> Result<(), Fault> {
        let stream = &mut self.streams[index];
        let room = stream.buffer.capacity() - stream.buffer.len();
        if room < bytes.len() {
            let budget = if self.admitted {
                self.limits.unfinished_after_admission
            } else {
                self.limits.unfinished_before_admission
            };
            let others = self.held - stream.buffer.capacity();
            let affordable = budget.saturating_sub(others + stream.buffer.len());
            let missing = stream.length - stream.buffer.len();
            let more = missing
                .min(arrived.max(stream.buffer.len()))
                .min(affordable);
            if more < bytes.len() {
                return Err(Fault::Unfinished(budget));
            }
            self.held -= stream.buffer.capacity();
            stream.buffer.reserve_exact(more);
            self.held += stream.buffer.capacity();
        }
        stream.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, index: usize) -> Message {
        let stream = &mut self.streams[index];
        let buffer = std::mem::take(&mut stream.buffer);
        self.held -= buffer.capacity();
        stream.open = false;
        Message {
            kind: stream.kind,
            timestamp: stream.timestamp,
            stream_id: stream.stream_id,
            payload: Bytes::from(buffer),
        }
    }

    fn give_up(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        self.held -= stream.buffer.capacity();
        stream.buffer = Vec::new();
        stream.open = false;
    }

    /// Obeys the messages that change how the following bytes are read.
    fn apply(&mut self, message: &Message) -> Result<(), Fault> {
        if !matches!(message.kind, MessageKind::SetChunkSize | MessageKind::Abort) {
            return Ok(());
        }
        let Some(value) = message
            .payload
            .first_chunk::<4>()
            .map(|bytes| u32::from_be_bytes(*bytes))
        else {
            return Err(Fault::ShortControl(message.kind.code()));
        };
        if message.kind == MessageKind::SetChunkSize {
            if value == 0 || value > Limits::MAX_CHUNK_SIZE {
                return Err(Fault::ChunkSize {
                    size: value,
                    max: Limits::MAX_CHUNK_SIZE,
                });
            }
            self.chunk_size = value as usize;
        } else if let Some(index) = self.find(value) {
            self.give_up(index);
        }
        Ok(())
    }
}

/// Reads a chunk's type and stream id, once its bytes are there.
fn basic(header: &[u8]) -> Option<Basic> {
    let first = *header.first()?;
    let format = first >> 6;
    let (id, len) = match first & 0x3f {
        0 => (64 + u32::from(*header.get(1)?), 2),
        1 => (
            64 + u32::from(*header.get(1)?) + 256 * u32::from(*header.get(2)?),
            3,
        ),
        id => (u32::from(id), 1),
    };
    Some(Basic { format, id, len })
}

fn be24(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests;
