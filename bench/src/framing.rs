//! A server's chunks, read to judge them: a second reader of the wire beside the `rtmp` crate's,
//! so that one does not vouch for itself.
//!
//! In go bytes in pieces of any size, out come the kind, timestamp, length, first bytes and last
//! four bytes of each message; payloads are counted past, not kept, which is what lets one process
//! hold thousands of viewers. The invariant: after a [`Broken`] nothing more is read. It does not
//! know what messages mean, except those that change the chunks themselves.

use thiserror::Error;

use crate::frame::{HEAD, TAIL};

/// So much of a message that is neither audio nor video is kept.
const KEPT: usize = 4096;

/// No message of ours is larger, and none of a server's should be.
const LARGEST: usize = 8 * 1024 * 1024;

/// Chunk streams that a server may use.
const CHUNK_STREAMS: usize = 64;

/// A timestamp field that says: the real one follows in four bytes.
const EXTENDED: u32 = 0xff_ffff;

pub(crate) const SET_CHUNK_SIZE: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const COMMAND: u8 = 20;

/// What is wrong with a server's chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Broken {
    #[error("chunk stream `{0}` continues a message that never began")]
    NoHeader(u32),
    #[error("chunk stream `{0}` begins a message inside another")]
    Unfinished(u32),
    #[error("more than {CHUNK_STREAMS} chunk streams")]
    ChunkStreams,
    #[error("a message of `{0}` bytes")]
    Length(usize),
    #[error("a message of the unknown type `{0}`")]
    Kind(u8),
    #[error("a chunk size of `{0}`")]
    ChunkSize(u32),
    #[error("a control message of type `{0}` that is too short")]
    Short(u8),
}

/// A message that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole<'a> {
    /// Its type id.
    pub(crate) kind: u8,
    /// Milliseconds.
    pub(crate) timestamp: u32,
    /// Bytes of payload.
    pub(crate) length: usize,
    /// The payload's beginning: [`HEAD`] bytes of audio and video, 4 KiB of all else.
    pub(crate) head: &'a [u8],
    /// The payload's last bytes.
    pub(crate) tail: [u8; TAIL],
}

/// Reads one connection's chunks.
pub(crate) struct Framing {
    chunk_size: usize,
    streams: Vec<Stream>,
    header: Vec<u8>,
    /// The stream whose chunk is being read, and what is left of the chunk.
    open: Option<(usize, usize)>,
}

struct Stream {
    id: u32,
    timestamp: u32,
    step: u32,
    extended: bool,
    length: usize,
    kind: u8,
    /// Payload bytes of the message at hand that have arrived; `None` between messages.
    arrived: Option<usize>,
    head: Vec<u8>,
    tail: [u8; TAIL],
}

impl Framing {
    /// A reader at the first byte after the handshake.
    pub(crate) fn new() -> Self {
        Self {
            chunk_size: 128,
            streams: Vec::new(),
            header: Vec::with_capacity(18),
            open: None,
        }
    }

    /// Reads all of `input` and hands each whole message to `on`.
    ///
    /// # Errors
    /// [`Broken`], the first thing found.
    pub(crate) fn read(
        &mut self,
        mut input: &[u8],
        mut on: impl FnMut(Whole<'_>),
    ) -> Result<(), Broken> {
        loop {
            let (index, left) = match self.open {
                Some(open) => open,
                None => match self.read_header(&mut input)? {
                    Some(index) => (index, self.begin_chunk(index)),
                    None => return Ok(()),
                },
            };
            let (piece, rest) = input.split_at(left.min(input.len()));
            input = rest;
            self.streams[index].take(piece);
            self.open = (piece.len() < left).then_some((index, left - piece.len()));
            if self.open.is_some() {
                return Ok(());
            }
            let stream = &mut self.streams[index];
            if stream.arrived == Some(stream.length) {
                stream.arrived = None;
                on(stream.whole());
                self.obey(index)?;
            }
        }
    }

    /// Payload bytes of the chunk whose header has just been read.
    fn begin_chunk(&self, index: usize) -> usize {
        let stream = &self.streams[index];
        let missing = stream.length - stream.arrived.unwrap_or(0);
        missing.min(self.chunk_size)
    }

    /// Reads a chunk's header; `None` when `input` ends before it does.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<usize>, Broken> {
        while !self.header_is_whole() {
            let Some((first, rest)) = input.split_first() else {
                return Ok(None);
            };
            self.header.push(*first);
            *input = rest;
        }
        let header = std::mem::take(&mut self.header);
        let index = self.apply_header(&header);
        self.header = header;
        self.header.clear();
        index.map(Some)
    }

    fn header_is_whole(&self) -> bool {
        let header = &self.header[..];
        let Some((format, id, basic)) = basic(header) else {
            return false;
        };
        let fields = [11, 7, 3, 0][usize::from(format)];
        if header.len() < basic + fields {
            return false;
        }
        let extended = if fields > 0 {
            be24(&header[basic..]) == EXTENDED
        } else {
            let known = self.streams.iter().find(|stream| stream.id == id);
            known.is_some_and(|stream| stream.extended)
        };
        header.len() >= basic + fields + if extended { 4 } else { 0 }
    }

    /// Takes a whole header's meaning.
    fn apply_header(&mut self, header: &[u8]) -> Result<usize, Broken> {
        let (format, id, basic) = basic(header).expect("the header is whole");
        let fields = &header[basic..];
        let place = self.streams.iter().position(|stream| stream.id == id);
        let index = match place {
            Some(index) => index,
            None if format != 0 => return Err(Broken::NoHeader(id)),
            None if self.streams.len() >= CHUNK_STREAMS => return Err(Broken::ChunkStreams),
            None => {
                self.streams.push(Stream::new(id));
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[index];
        if format == 3 && stream.arrived.is_some() {
            return Ok(index);
        }
        if stream.arrived.is_some() {
            return Err(Broken::Unfinished(id));
        }
        if format < 3 {
            let field = be24(fields);
            stream.extended = field == EXTENDED;
            stream.step = if stream.extended {
                let last = &header[header.len() - 4..];
                u32::from_be_bytes([last[0], last[1], last[2], last[3]])
            } else {
                field
            };
        }
        if format < 2 {
            stream.length = be24(&fields[3..]) as usize;
            stream.kind = fields[6];
        }
        stream.timestamp = if format == 0 {
            stream.step
        } else {
            stream.timestamp.wrapping_add(stream.step)
        };
        if stream.length > LARGEST {
            return Err(Broken::Length(stream.length));
        }
        if !matches!(stream.kind, 1..=6 | 8 | 9 | 15..=20 | 22) {
            return Err(Broken::Kind(stream.kind));
        }
        stream.arrived = Some(0);
        stream.head.clear();
        stream.tail = [0; TAIL];
        Ok(index)
    }

    /// Obeys a message that changes the chunks themselves.
    fn obey(&mut self, index: usize) -> Result<(), Broken> {
        let Stream { kind, head, .. } = &self.streams[index];
        if !matches!(*kind, SET_CHUNK_SIZE | ABORT) {
            return Ok(());
        }
        let field = head.get(..4).ok_or(Broken::Short(*kind))?;
        let number = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
        if *kind == SET_CHUNK_SIZE {
            if !(1..=EXTENDED).contains(&number) {
                return Err(Broken::ChunkSize(number));
            }
            self.chunk_size = number as usize;
        } else if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == number) {
            stream.arrived = None;
        }
        Ok(())
    }
}

impl Stream {
    fn new(id: u32) -> Self {
        Self {
            id,
            timestamp: 0,
            step: 0,
            extended: false,
            length: 0,
            kind: 0,
            arrived: None,
            head: Vec::new(),
            tail: [0; TAIL],
        }
    }

    /// Takes some payload.
    fn take(&mut self, piece: &[u8]) {
        let kept = if matches!(self.kind, AUDIO | VIDEO) {
            HEAD
        } else {
            KEPT
        };
        let room = kept.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..room]);
        if piece.len() >= TAIL {
            self.tail.copy_from_slice(&piece[piece.len() - TAIL..]);
        } else {
            self.tail.rotate_left(piece.len());
            self.tail[TAIL - piece.len()..].copy_from_slice(piece);
        }
        *self.arrived.get_or_insert(0) += piece.len();
    }

    fn whole(&self) -> Whole<'_> {
        Whole {
            kind: self.kind,
            timestamp: self.timestamp,
            length: self.length,
            head: &self.head,
            tail: self.tail,
        }
    }
}

/// Format, chunk stream and length of a basic header; `None` when it is not all there.
fn basic(header: &[u8]) -> Option<(u8, u32, usize)> {
    let first = *header.first()?;
    let format = first >> 6;
    match first & 0x3f {
        0 => Some((format, 64 + u32::from(*header.get(1)?), 2)),
        1 => {
            let (low, high) = (*header.get(1)?, *header.get(2)?);
            Some((format, 64 + u32::from(low) + 256 * u32::from(high), 3))
        }
        id => Some((format, u32::from(id), 1)),
    }
}

fn be24(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

#[cfg(test)]
#[path = "framing/tests.rs"]
mod tests;
