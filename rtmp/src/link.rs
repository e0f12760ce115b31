//! What both ends of a connection do alike after the handshake: read messages, obey control,
//! acknowledge, write.
//!
//! In go bytes and the time, out come messages that mean something to a session, and one buffer of
//! bytes to send. The invariants: every message that a peer sends is counted, those that are answered
//! here too, so that none of them costs more than its share; what is owed in acknowledgements is sent at most once a call;
//! everything written goes with the chunk size that was announced before it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::chunk::{self, Reader};
use crate::control::{self, BandwidthLimit, UserControl};
use crate::{Fault, Limits, Message, MessageKind};

/// The window in which both ends acknowledge, unless the peer says otherwise. Chosen, because
/// ffmpeg, librtmp and SRS use it.
pub(crate) const WINDOW: u32 = 2_500_000;

/// How often budgets are filled up: not so often that rounding eats it.
const REFILL: Duration = Duration::from_millis(10);

/// One connection's reading and writing.
pub(crate) struct Link {
    reader: Reader,
    out: BytesMut,
    chunk_size: u32,
    /// When budgets were filled up last.
    refilled: Duration,
    tiny_chunks: u32,
    counted: Counted,
    received: u64,
    received_at_last_ack: u64,
    /// The peer wants to hear each so many bytes.
    peer_window: u32,
    window: u32,
    sent: u64,
    acknowledged: u64,
    /// Whether what control says of streams is for somebody behind.
    tunnels: bool,
}

/// How many messages the peer may still send.
struct Counted {
    admitted: bool,
    /// Of all kinds, until it is admitted.
    before_admission: u32,
    /// That are not media, each second from then on.
    commands: u32,
    before_admission_left: u32,
    commands_left: u32,
}

impl Counted {
    fn new(limits: &Limits) -> Self {
        Self {
            admitted: false,
            before_admission: limits.messages_before_admission,
            commands: limits.commands,
            before_admission_left: limits.messages_before_admission,
            commands_left: limits.commands,
        }
    }

    fn count(&mut self, kind: MessageKind) -> Result<(), Fault> {
        let (left, fault) = if !self.admitted {
            let fault = Fault::MessagesBeforeAdmission(self.before_admission);
            (&mut self.before_admission_left, fault)
        } else if kind.is_media() || kind.is_timed() {
            return Ok(());
        } else {
            (&mut self.commands_left, Fault::Commands(self.commands))
        };
        *left = left.checked_sub(1).ok_or(fault)?;
        Ok(())
    }

    /// Gives back what the time allows.
    fn refill(&mut self, passed: Duration) {
        let more = share(self.commands, passed);
        self.commands_left = self.commands_left.saturating_add(more).min(self.commands);
    }
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
            counted: Counted::new(&limits),
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
            tunnels: false,
        }
    }

    /// Counts bytes that arrived, handshake included, and fills up what time gives back.
    pub(crate) fn arrived(&mut self, count: usize, now: Duration) {
        self.received += count as u64;
        let passed = now.saturating_sub(self.refilled);
        if passed >= REFILL {
            self.refilled = now;
            self.reader.refill(share(self.tiny_chunks, passed));
            self.counted.refill(passed);
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
            self.counted.count(message.kind)?;
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
                    event @ UserControl::PingResponse(_) => return Ok(Some(Heard::Control(event))),
                    UserControl::StreamBegin(_)
                    | UserControl::StreamEof(_)
                    | UserControl::StreamDry(_)
                    | UserControl::SetBufferLength { .. }
                    | UserControl::StreamIsRecorded(_)
                    | UserControl::Other(_)
                        if self.tunnels =>
                    {
                        return Ok(Some(Heard::Message(message)));
                    }
                    event @ (UserControl::StreamBegin(_)
                    | UserControl::StreamEof(_)
                    | UserControl::StreamDry(_)
                    | UserControl::SetBufferLength { .. }
                    | UserControl::StreamIsRecorded(_)) => return Ok(Some(Heard::Control(event))),
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

    /// From now on all that is not of this connection alone is handed out as it came: control of
    /// streams too. Acknowledgements, chunk sizes and pings are of one connection.
    pub(crate) fn tunnel(&mut self) {
        self.tunnels = true;
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
        self.counted.admitted = admitted;
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

/// The share of what is allowed a second that this much time gives.
fn share(a_second: u32, passed: Duration) -> u32 {
    let share = u128::from(a_second) * passed.as_micros() / 1_000_000;
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// A count as it stands on the wire, where it wraps.
fn low_half(count: u64) -> u32 {
    (count & u64::from(u32::MAX)) as u32
}
