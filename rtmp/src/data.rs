//! Data messages (`onMetaData`, cue points, `|RtmpSampleAccess`), and aggregates of messages.
//!
//! Payloads stay as they were sent; here is just enough to tell one data message from another, to
//! hand a publisher's `@setDataFrame` to viewers, and to take an aggregate apart without copying.

use bytes::{Buf, Bytes, BytesMut};

use crate::amf::{self, Decoder, Value};
use crate::{Fault, Limits, Message, MessageKind};

/// How a publisher marks data that is to be kept and given to every viewer.
const SET_DATA_FRAME: &str = "@setDataFrame";

/// The name of a data message: its first string. `None` where there is none.
pub fn name(message: &Message) -> Option<String> {
    match Decoder::new(body(message)?).value() {
        Ok(Some(Value::String(name))) => Some(name),
        Ok(_) | Err(_) => None,
    }
}

/// The message as viewers get it: AMF0 form, without `@setDataFrame`, the rest of the bytes shared
/// with the original. Messages that are no data, or in another form, come back as they are; so
/// does a `@setDataFrame` with nothing after it.
pub fn for_viewers(message: &Message) -> Message {
    let Some(body) = body(message) else {
        return message.clone();
    };
    let mut decoder = Decoder::new(body.clone());
    let payload = match decoder.value() {
        Ok(Some(Value::String(name))) if name == SET_DATA_FRAME && !decoder.rest().is_empty() => {
            decoder.rest().clone()
        }
        Ok(_) | Err(_) => body,
    };
    Message {
        kind: MessageKind::DataAmf0,
        payload,
        ..message.clone()
    }
}

/// A data message of these values.
pub fn message(stream_id: u32, timestamp: u32, values: &[Value]) -> Message {
    let mut payload = BytesMut::new();
    amf::encode_all(&mut payload, values);
    Message::new(MessageKind::DataAmf0, timestamp, stream_id, payload)
}

/// The AMF0 bytes of a data message of either form.
fn body(message: &Message) -> Option<Bytes> {
    if message.kind == MessageKind::DataAmf0 {
        Some(message.payload.clone())
    } else if message.kind == MessageKind::DataAmf3 && message.payload.first() == Some(&0) {
        Some(message.payload.slice(1..))
    } else {
        None
    }
}

/// Takes an aggregate apart into the audio, video and data messages in it. Their timestamps are
/// moved so that the first has the aggregate's (RTMP 1.0, section 7.1.6).
///
/// # Errors
/// [`Fault::Aggregate`] where the lengths do not fit, [`Fault::AggregateParts`].
pub fn parts(aggregate: &Message) -> Result<Vec<Message>, Fault> {
    let mut rest = aggregate.payload.clone();
    let mut parts = Vec::new();
    let mut shift = None;
    while !rest.is_empty() {
        if parts.len() >= Limits::AGGREGATE_PARTS {
            return Err(Fault::AggregateParts(Limits::AGGREGATE_PARTS));
        }
        if rest.len() < 11 {
            return Err(Fault::Aggregate);
        }
        let kind = MessageKind::from_code(rest.get_u8());
        let length = usize::try_from(rest.get_uint(3)).map_err(|_| Fault::Aggregate)?;
        let low = rest.get_uint(3);
        let high = u64::from(rest.get_u8());
        let timestamp = u32::try_from(high << 24 | low).map_err(|_| Fault::Aggregate)?;
        rest.advance(3);
        if rest.len() < length {
            return Err(Fault::Aggregate);
        }
        let payload = rest.split_to(length);
        // The last part's length at its end is left out by some.
        rest.advance(rest.len().min(4));
        let shift = *shift.get_or_insert(aggregate.timestamp.wrapping_sub(timestamp));
        if kind.is_timed() {
            parts.push(Message::new(
                kind,
                timestamp.wrapping_add(shift),
                aggregate.stream_id,
                payload,
            ));
        }
    }
    Ok(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn viewers_get_metadata_without_the_publishers_mark() {
        let meta = [
            Value::from("onMetaData"),
            Value::EcmaArray(vec![("width".into(), 4.0.into())]),
        ];
        let plain = message(1, 5, &meta);
        let marked = message(1, 5, &[vec![SET_DATA_FRAME.into()], meta.to_vec()].concat());
        let mut amf3 = marked.clone();
        amf3.kind = MessageKind::DataAmf3;
        amf3.payload = [&[0], &marked.payload[..]].concat().into();
        for from in [&plain, &marked, &amf3] {
            assert_eq!(for_viewers(from), plain);
        }
        assert_eq!(name(&plain).as_deref(), Some("onMetaData"));
        assert_eq!(name(&amf3).as_deref(), Some(SET_DATA_FRAME));
    }

    #[test]
    fn odd_data_is_left_as_it_is() {
        let alone = message(1, 5, &[SET_DATA_FRAME.into()]);
        assert_eq!(for_viewers(&alone), alone);
        for payload in [&b""[..], b"\x02\xff", b"\x05"] {
            let odd = Message::new(MessageKind::DataAmf0, 0, 1, payload.to_vec());
            assert_eq!(for_viewers(&odd), odd);
            assert_eq!(name(&odd), None);
        }
        let raw = Message::new(MessageKind::DataAmf3, 0, 1, vec![6, 7]);
        assert_eq!(for_viewers(&raw), raw);
    }

    fn tag(kind: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let [high, low @ ..] = timestamp.to_be_bytes();
        let mut tag = vec![kind];
        tag.extend_from_slice(&length.to_be_bytes()[1..]);
        tag.extend_from_slice(&low);
        tag.push(high);
        tag.extend_from_slice(&[0; 3]);
        tag.extend_from_slice(payload);
        tag.extend_from_slice(&(length + 11).to_be_bytes());
        tag
    }

    #[test]
    fn an_aggregate_is_taken_apart_on_its_own_time() {
        let bytes = [
            tag(8, 0x0100_0000, b"a"),
            tag(7, 1, b"?"),
            tag(9, 0x0100_0010, b""),
        ]
        .concat();
        let aggregate = Message::new(MessageKind::Aggregate, 40, 3, bytes.clone());
        let expected = vec![
            Message::new(MessageKind::Audio, 40, 3, &b"a"[..]),
            Message::new(MessageKind::Video, 56, 3, &b""[..]),
        ];
        assert_eq!(parts(&aggregate), Ok(expected));

        for cut in 1..bytes.len() {
            let cut = Message::new(MessageKind::Aggregate, 40, 3, bytes[..cut].to_vec());
            let _ = parts(&cut);
        }
        let many = Message::new(MessageKind::Aggregate, 0, 1, tag(8, 0, b"").repeat(4_097));
        assert_eq!(parts(&many), Err(Fault::AggregateParts(4_096)));
        let short = Message::new(
            MessageKind::Aggregate,
            0,
            1,
            vec![8, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1],
        );
        assert_eq!(parts(&short), Err(Fault::Aggregate));
    }
}
