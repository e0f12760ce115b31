//! Protocol control and user control messages: what the wire says about itself.
//!
//! Pure forms, there and back. [`crate::chunk::Reader`] obeys chunk size and abort, the sessions'
//! link obeys the rest.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{Fault, Message, MessageKind};

/// How hard a peer should take a bandwidth limit (RTMP 1.0, section 5.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandwidthLimit {
    /// Keep to it.
    Hard = 0,
    /// Keep to it or to the one in force, whichever is less.
    Soft = 1,
    /// Hard if the last was hard, else ignored.
    Dynamic = 2,
}

/// A user control event (RTMP 1.0, section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserControl {
    /// 0: the message stream can be used.
    StreamBegin(u32),
    /// 1: what was asked for has been sent to its end.
    StreamEof(u32),
    /// 2: there is nothing to send for now.
    StreamDry(u32),
    /// 3: the player buffers so much.
    SetBufferLength {
        /// The message stream.
        stream_id: u32,
        /// The buffer's length.
        length_ms: u32,
    },
    /// 4: the stream is a recorded one.
    StreamIsRecorded(u32),
    /// 6: answer with this timestamp.
    PingRequest(u32),
    /// 7: the answer.
    PingResponse(u32),
    /// Any other event; ignored.
    Other(u16),
}

impl UserControl {
    /// Reads an event.
    ///
    /// # Errors
    /// [`Fault::ShortControl`] when its fields are not all there.
    pub fn parse(payload: &Bytes) -> Result<Self, Fault> {
        let short = |_| Fault::ShortControl(MessageKind::UserControl.code());
        let mut payload = payload.clone();
        let event = payload.try_get_u16().map_err(short)?;
        let mut field = || payload.try_get_u32().map_err(short);
        Ok(match event {
            0 => Self::StreamBegin(field()?),
            1 => Self::StreamEof(field()?),
            2 => Self::StreamDry(field()?),
            3 => Self::SetBufferLength {
                stream_id: field()?,
                length_ms: field()?,
            },
            4 => Self::StreamIsRecorded(field()?),
            6 => Self::PingRequest(field()?),
            7 => Self::PingResponse(field()?),
            other => Self::Other(other),
        })
    }

    /// The message that carries it.
    pub fn message(self) -> Message {
        let mut payload = BytesMut::with_capacity(10);
        let (event, field) = match self {
            Self::StreamBegin(stream_id) => (0, Some(stream_id)),
            Self::StreamEof(stream_id) => (1, Some(stream_id)),
            Self::StreamDry(stream_id) => (2, Some(stream_id)),
            Self::SetBufferLength { stream_id, .. } => (3, Some(stream_id)),
            Self::StreamIsRecorded(stream_id) => (4, Some(stream_id)),
            Self::PingRequest(timestamp) => (6, Some(timestamp)),
            Self::PingResponse(timestamp) => (7, Some(timestamp)),
            Self::Other(event) => (event, None),
        };
        payload.put_u16(event);
        if let Some(field) = field {
            payload.put_u32(field);
        }
        if let Self::SetBufferLength { length_ms, .. } = self {
            payload.put_u32(length_ms);
        }
        Message::new(MessageKind::UserControl, 0, 0, payload)
    }
}

/// The one number of a control message.
///
/// # Errors
/// [`Fault::ShortControl`] when it is not all there.
pub fn number(message: &Message) -> Result<u32, Fault> {
    message
        .payload
        .clone()
        .try_get_u32()
        .map_err(|_| Fault::ShortControl(message.kind.code()))
}

/// Says the size of our chunks from now on.
pub fn set_chunk_size(size: u32) -> Message {
    Message::new(MessageKind::SetChunkSize, 0, 0, size.to_be_bytes().to_vec())
}

/// Says how many bytes have arrived in all, wrapping at 2³².
pub fn acknowledgement(received: u32) -> Message {
    Message::new(
        MessageKind::Acknowledgement,
        0,
        0,
        received.to_be_bytes().to_vec(),
    )
}

/// Asks for an acknowledgement each so many bytes.
pub fn window_ack_size(size: u32) -> Message {
    Message::new(
        MessageKind::WindowAckSize,
        0,
        0,
        size.to_be_bytes().to_vec(),
    )
}

/// Asks the peer to send no more than so many bytes unacknowledged.
pub fn set_peer_bandwidth(size: u32, limit: BandwidthLimit) -> Message {
    let mut payload = size.to_be_bytes().to_vec();
    payload.push(limit as u8);
    Message::new(MessageKind::SetPeerBandwidth, 0, 0, payload)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_the_way_there_and_back() {
        for event in [
            UserControl::StreamBegin(1),
            UserControl::StreamEof(2),
            UserControl::StreamDry(3),
            UserControl::SetBufferLength {
                stream_id: 4,
                length_ms: 3_000,
            },
            UserControl::StreamIsRecorded(5),
            UserControl::PingRequest(6),
            UserControl::PingResponse(7),
            UserControl::Other(31),
        ] {
            let payload = event.message().payload;
            assert_eq!(UserControl::parse(&payload), Ok(event));
            if !matches!(event, UserControl::Other(_)) {
                let short = payload.slice(..payload.len() - 1);
                assert_eq!(UserControl::parse(&short), Err(Fault::ShortControl(4)));
            }
        }
    }

    #[test]
    fn numbers_are_read_or_too_short() {
        assert_eq!(number(&window_ack_size(77)), Ok(77));
        assert_eq!(
            number(&set_peer_bandwidth(78, BandwidthLimit::Dynamic)),
            Ok(78)
        );
        let short = Message::new(MessageKind::Acknowledgement, 0, 0, vec![0; 3]);
        assert_eq!(number(&short), Err(Fault::ShortControl(3)));
    }
}
