//! What both ends of a connection do alike after the handshake: read messages, obey control,
//! acknowledge, write.
//!
//! In go bytes and the time, out come messages that mean something to a session, and one buffer of
//! bytes to send. The invariants: what is owed in acknowledgements is sent at most once a call;
//! everything written goes with the chunk size that was announced before it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::chunk::{self, Reader};
use crate::control::{self, BandwidthLimit, UserControl};
use crate::{Fault, Limits, Message, MessageKind};

/// The window in which both ends acknowledge, unless the peer says otherwise. Chosen, because
/// ffmpeg, librtmp and SRS use it.
pub(crate) const WINDOW: u32 = 2_500_000;

/// How often the budget for tiny chunks is filled up: not so often that rounding eats it.
const REFILL: Duration = Duration::from_millis(10);

/// One connection's reading and writing.
pub(crate) struct Link {
    reader: Reader,
    out: BytesMut,
    chunk_size: u32,
    /// When the budget for tiny chunks was filled up last.
    refilled: Duration,
    tiny_chunks: u32,
    received: u64,
    received_at_last_ack: u64,
    /// The peer wants to hear each so many bytes.
    peer_window: u32,
    window: u32,
    sent: u64,
    acknowledged: u64,
}

/// What the link makes of a message.
pub(crate) enum Heard {
    /// A command, media, data: for the session.
    Message(Message),
    /// A user control event that the link does not answer by itself.
    Control(UserControl),
}

impl Link {
    pub(crate) fn new(limits: Limits, now: Duration) -> Self {
        Self {
            tiny_chunks: limits.tiny_chunks,
            reader: Reader::new(limits),
            out: BytesMut::new(),
            chunk_size: chunk::INITIAL_CHUNK_SIZE,
            refilled: now,
            received: 0,
            received_at_last_ack: 0,
            peer_window: WINDOW,
            window: 0,
            sent: 0,
            acknowledged: 0,
        }
    }

    /// Counts bytes that arrived, handshake included, and fills up what time gives back.
    pub(crate) fn arrived(&mut self, count: usize, now: Duration) {
        self.received += count as u64;
        let passed = now.saturating_sub(self.refilled);
        if passed >= REFILL {
            self.refilled = now;
            let tiny_chunks = u128::from(self.tiny_chunks) * passed.as_micros() / 1_000_000;
            self.reader
                .refill(u32::try_from(tiny_chunks).unwrap_or(u32::MAX));
        }
    }

    /// Acknowledges what the peer's window makes due.
    pub(crate) fn acknowledge(&mut self) {
        let unheard = self.received - self.received_at_last_ack;
        if self.peer_window > 0 && unheard >= u64::from(self.peer_window) {
            self.received_at_last_ack = self.received;
            self.send(&control::acknowledgement(low_half(self.received)));
        }
    }

    /// The next thing a session must know of, taken from the front of `input`.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Heard>, Fault> {
        while let Some(message) = self.reader.read(input)? {
            match message.kind {
                // The reader has obeyed these already.
                MessageKind::SetChunkSize | MessageKind::Abort => {}
                MessageKind::Acknowledgement => {
                    self.take_acknowledgement(control::number(&message)?)
                }
                MessageKind::WindowAckSize => self.peer_window = control::number(&message)?,
                MessageKind::SetPeerBandwidth => {
                    let window = control::number(&message)?;
                    if window != self.window {
                        self.window = window;
                        self.send(&control::window_ack_size(window));
                    }
                }
                MessageKind::UserControl => match UserControl::parse(&message.payload)? {
                    UserControl::PingRequest(timestamp) => {
                        self.send(&UserControl::PingResponse(timestamp).message());
                    }
                    event @ (UserControl::StreamBegin(_)
                    | UserControl::StreamEof(_)
                    | UserControl::StreamDry(_)
                    | UserControl::SetBufferLength { .. }
                    | UserControl::StreamIsRecorded(_)
                    | UserControl::PingResponse(_)) => return Ok(Some(Heard::Control(event))),
                    UserControl::Other(_) => {}
                },
                MessageKind::Audio
                | MessageKind::Video
                | MessageKind::DataAmf3
                | MessageKind::SharedObjectAmf3
                | MessageKind::CommandAmf3
                | MessageKind::DataAmf0
                | MessageKind::SharedObjectAmf0
                | MessageKind::CommandAmf0
                | MessageKind::Aggregate
                | MessageKind::Other(_) => return Ok(Some(Heard::Message(message))),
            }
        }
        Ok(None)
    }

    /// The peer says how much it has; the number wraps, the sum does not.
    fn take_acknowledgement(&mut self, received: u32) {
        let step = received.wrapping_sub(low_half(self.acknowledged));
        let told = self.acknowledged + u64::from(step);
        // An old or invented number would be ahead of what was sent.
        if told <= self.sent {
            self.acknowledged = told;
        }
    }

    /// Writes a message behind what is to be sent.
    pub(crate) fn send(&mut self, message: &Message) {
        let before = self.out.len();
        chunk::encode(&mut self.out, message, self.chunk_size);
        self.sent += (self.out.len() - before) as u64;
    }

    /// Sends bytes that are no chunks: the handshake.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.sent += bytes.len() as u64;
    }

    /// Counts bytes that were sent past this link.
    pub(crate) fn sent_elsewhere(&mut self, count: u64) {
        self.sent += count;
    }

    /// Announces our window and bandwidth.
    pub(crate) fn announce_window(&mut self, bandwidth: bool) {
        self.window = WINDOW;
        self.send(&control::window_ack_size(WINDOW));
        if bandwidth {
            self.send(&control::set_peer_bandwidth(
                WINDOW,
                BandwidthLimit::Dynamic,
            ));
        }
    }

    /// Announces our chunk size and uses it from then on.
    pub(crate) fn announce_chunk_size(&mut self) {
        self.send(&control::set_chunk_size(chunk::CHUNK_SIZE));
        self.chunk_size = chunk::CHUNK_SIZE;
    }

    /// Hands out what is to be sent, with its memory: a link that has nothing to say holds none.
    pub(crate) fn take_output(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out).freeze())
    }

    pub(crate) fn set_admitted(&mut self, admitted: bool) {
        self.reader.set_admitted(admitted);
    }

    pub(crate) fn held(&self) -> usize {
        self.reader.held()
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }
}

/// A count as it stands on the wire, where it wraps.
fn low_half(count: u64) -> u32 {
    (count & u64::from(u32::MAX)) as u32
}
