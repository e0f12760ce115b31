//! The bounds of a connection, in one place. Defaults are those of the handbook's laws, section 6.

use std::time::Duration;

/// What a peer may take of us. Values are read when the session is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole handshake.
    pub handshake: Duration,
    /// Time from the handshake's end to `connect`; for a client, to its answer.
    pub connect: Duration,
    /// Chunk stream ids a peer may use on one connection.
    pub chunk_streams: usize,
    /// Most bytes of a command, data, shared object, control or unknown message.
    pub command_size: usize,
    /// Most bytes of an audio, video or aggregate message.
    pub media_size: usize,
    /// Bytes that all unfinished messages may hold together before admission.
    pub unfinished_before_admission: usize,
    /// The same after admission.
    pub unfinished_after_admission: usize,
    /// Messages (not bytes) a client may send before it is admitted.
    pub messages_before_admission: u32,
    /// Messages that are not media or data, a second and at once, after admission.
    pub commands: u32,
    /// Chunks with under [`Limits::TINY_CHUNK`] bytes of payload a second, and at once.
    pub tiny_chunks: u32,
    /// Message streams a client may hold at once.
    pub message_streams: u32,
}

impl Limits {
    /// The largest chunk size that a peer may set: no message can be larger.
    pub const MAX_CHUNK_SIZE: u32 = 16_777_215;
    /// A chunk with less payload than this draws on the budget for tiny chunks. Chosen, because
    /// half of RTMP's first chunk size of 128 is used by nobody who wants to move media.
    pub const TINY_CHUNK: usize = 64;
    /// Parts that one aggregate message may have. Chosen, because they become events at once.
    pub const AGGREGATE_PARTS: usize = 4_096;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            chunk_streams: 64,
            command_size: 64 * 1024,
            media_size: 8 * 1024 * 1024,
            unfinished_before_admission: 64 * 1024,
            unfinished_after_admission: 16 * 1024 * 1024,
            // Chosen, because a client needs under 20; the rest is for encoders that send media
            // without waiting for the answer to `publish`.
            messages_before_admission: 1_024,
            // Chosen, because the busiest clients that we know, those that acknowledge each 250 kB at a
            // gigabit a second, say 500; and because answering so many costs 1 % of a core.
            commands: 1_000,
            // Chosen, because 2 Mbit/s in chunks of one byte still pass, at 1 % of a core.
            tiny_chunks: 262_144,
            message_streams: 32,
        }
    }
}
