//! Commands: a name, a transaction, arguments.
//!
//! In go the payloads of AMF0 and AMF3 command messages, out come [`Command`]s, and back. The raw
//! bytes after the transaction are kept, so that what is not understood can be carried on as it
//! was. It does not know which commands exist.

use bytes::{BufMut, Bytes, BytesMut};

use crate::amf::{self, Decoder, Value};
use crate::{Fault, Message, MessageKind};

/// One command or answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What is called, or `_result`, `_error`, `onStatus`.
    pub name: String,
    /// The number by which the answer names its question; 0 where none is expected.
    pub transaction: f64,
    /// What follows; by custom the first is the command object, often null.
    pub arguments: Vec<Value>,
    /// The bytes of `arguments` as they were sent.
    pub raw: Bytes,
}

impl Command {
    /// Makes a command of its parts.
    pub fn new(name: &str, transaction: f64, arguments: Vec<Value>) -> Self {
        let mut raw = BytesMut::new();
        amf::encode_all(&mut raw, &arguments);
        Self {
            name: name.to_owned(),
            transaction,
            arguments,
            raw: raw.freeze(),
        }
    }

    /// Reads a command message of either form. AMF3 commands begin with a byte that says whether
    /// AMF0 follows; where it does not, the bytes are read as AMF0 all the same, as every peer
    /// sends it.
    ///
    /// # Errors
    /// [`Fault::CommandName`], [`Fault::CommandTransaction`], and those of [`Decoder::value`].
    pub fn parse(message: &Message) -> Result<Self, Fault> {
        let mut payload = message.payload.clone();
        if message.kind == MessageKind::CommandAmf3 && payload.first() == Some(&0) {
            payload = payload.slice(1..);
        }
        let mut decoder = Decoder::new(payload);
        let Some(Value::String(name)) = decoder.value()? else {
            return Err(Fault::CommandName);
        };
        let transaction = match decoder.value()? {
            Some(Value::Number(transaction)) => transaction,
            // Some peers leave it out where no answer is wanted.
            Some(Value::Null | Value::Undefined) | None => 0.0,
            Some(_) => return Err(Fault::CommandTransaction),
        };
        let raw = decoder.rest().clone();
        let arguments = decoder.all()?;
        Ok(Self {
            name,
            transaction,
            arguments,
            raw,
        })
    }

    /// The message that carries it in AMF0 form, the arguments from `raw`.
    pub fn message(&self, stream_id: u32) -> Message {
        self.message_of(MessageKind::CommandAmf0, stream_id, &[])
    }

    /// The message that carries it in AMF3 form, which is AMF0 behind a byte that says so.
    pub fn amf3_message(&self, stream_id: u32) -> Message {
        self.message_of(MessageKind::CommandAmf3, stream_id, &[0])
    }

    fn message_of(&self, kind: MessageKind, stream_id: u32, before: &[u8]) -> Message {
        let length = before.len() + 3 + self.name.len() + 9 + self.raw.len();
        let mut payload = BytesMut::with_capacity(length);
        payload.put_slice(before);
        amf::encode(&mut payload, &Value::from(self.name.as_str()));
        amf::encode(&mut payload, &Value::Number(self.transaction));
        payload.put_slice(&self.raw);
        Message::new(kind, 0, stream_id, payload)
    }

    /// The argument at a place, counted from the command object.
    pub fn argument(&self, index: usize) -> Option<&Value> {
        self.arguments.get(index)
    }

    /// The text at a place.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.argument(index)?.as_str()
    }

    /// The number at a place.
    pub fn number(&self, index: usize) -> Option<f64> {
        self.argument(index)?.as_number()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(kind: MessageKind, payload: &[u8]) -> Result<Command, Fault> {
        Command::parse(&Message::new(kind, 0, 0, payload.to_vec()))
    }

    #[test]
    fn a_command_survives_the_way_there_and_back() {
        let command = Command::new(
            "play",
            4.0,
            vec![Value::Null, "s".into(), Value::Number(-2.0)],
        );
        assert_eq!(Command::parse(&command.message(1)), Ok(command.clone()));
        let mut amf3 = vec![0];
        amf3.extend_from_slice(&command.message(1).payload);
        assert_eq!(parse(MessageKind::CommandAmf3, &amf3), Ok(command));
    }

    #[test]
    fn a_name_alone_is_a_command_without_arguments() {
        let command = parse(MessageKind::CommandAmf0, b"\x02\0\x05close").unwrap();
        assert_eq!((command.transaction, command.arguments.len()), (0.0, 0));
    }

    #[test]
    fn what_is_no_command_is_a_fault() {
        for (payload, fault) in [
            (&b""[..], Fault::CommandName),
            (b"\x05", Fault::CommandName),
            (b"\x02\0\x04play\x01\0", Fault::CommandTransaction),
            (b"\x02\0\x04play\0\0", Fault::AmfTruncated),
        ] {
            assert_eq!(
                parse(MessageKind::CommandAmf0, payload),
                Err(fault),
                "{payload:?}"
            );
        }
        assert_eq!(
            parse(MessageKind::CommandAmf3, b"\0"),
            Err(Fault::CommandName)
        );
    }
}
