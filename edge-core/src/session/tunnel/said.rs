//! What a command means to a tunnel: as much of it is read as is needed to judge it, for what follows
//! may be of any form.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use contract::facts::Action;
use contract::token::TOKEN_PARAMETER;
use rtmp::amf::{self, Decoder, Value};
use rtmp::{Fault, Message, MessageKind, name};

/// What a command of a client means.
#[derive(Debug, PartialEq)]
pub(in crate::session) enum Said {
    /// To play or publish a stream.
    Stream(Asked),
    /// Something of a stream beforehand, with the transaction of its answer.
    Announced { asked: Asked, transaction: f64 },
    /// The end of what a message stream does: its own, or that of another one.
    Close { other: Option<u32> },
    /// Nothing that an edge knows.
    Else,
}

/// A stream that is asked for.
#[derive(Debug, PartialEq)]
pub(in crate::session) struct Asked {
    pub(in crate::session) action: Action,
    pub(in crate::session) name: String,
    /// The bytes of the payload at which the name stands as a value of its own.
    pub(in crate::session) at: Option<Range<usize>>,
}

/// A command's name and transaction, if it can be read.
pub(super) fn head(message: &Message) -> Option<(String, f64)> {
    if !matches!(
        message.kind,
        MessageKind::CommandAmf0 | MessageKind::CommandAmf3
    ) {
        return None;
    }
    let mut decoder = Decoder::new(body(message));
    let Ok(Some(Value::String(name))) = decoder.value() else {
        return None;
    };
    Some((name, transaction(&mut decoder)))
}

/// Reads a command.
///
/// # Errors
/// Any [`Fault`] of what had to be read.
pub(super) fn read(message: &Message) -> Result<Said, Fault> {
    let mut decoder = Decoder::new(body(message));
    let Some(Value::String(command)) = decoder.value()? else {
        return Err(Fault::CommandName);
    };
    let (action, announces) = match command.as_str() {
        "publish" => (Action::Publish, false),
        "play" | "play2" => (Action::Play, false),
        "releaseStream" | "FCPublish" => (Action::Publish, true),
        "FCSubscribe" | "getStreamLength" => (Action::Play, true),
        "closeStream" => return Ok(Said::Close { other: None }),
        "deleteStream" => {
            transaction(&mut decoder);
            decoder.value()?;
            let id = decoder.value()?;
            let other = id.and_then(|id| id.as_number()).map(|id| id as u32);
            return Ok(Said::Close { other });
        }
        "connect" => return Err(Fault::SecondConnect),
        _ => return Ok(Said::Else),
    };
    let transaction = transaction(&mut decoder);
    decoder.value()?;
    let length = message.payload.len();
    let from = length - decoder.rest().len();
    let argument = decoder.value()?;
    let at = from..length - decoder.rest().len();
    let (name, at) = match argument {
        Some(Value::Boolean(false)) if !announces => return Ok(Said::Close { other: None }),
        Some(Value::String(name)) => (name, Some(at)),
        // How some players change streams: the name is among the options, where it stays as it is,
        // so that a token, which would go further, cannot stand there.
        Some(options) if command == "play2" => {
            let name = options.get("streamName").and_then(Value::as_str);
            let name = name.unwrap_or_default();
            if name.contains(TOKEN_PARAMETER) {
                return Err(Fault::Name(name.len()));
            }
            (name.to_owned(), None)
        }
        Some(_) | None => (String::new(), None),
    };
    name::check(&name)?;
    let asked = Asked { action, name, at };
    Ok(if announces {
        Said::Announced { asked, transaction }
    } else {
        Said::Stream(asked)
    })
}

/// The message with another stream's name in place of these bytes.
pub(super) fn renamed(message: Message, name: &str, at: &Range<usize>) -> Message {
    let mut payload = BytesMut::with_capacity(message.payload.len());
    payload.extend_from_slice(&message.payload[..at.start]);
    amf::encode(&mut payload, &Value::from(name));
    payload.extend_from_slice(&message.payload[at.end..]);
    Message {
        payload: payload.freeze(),
        ..message
    }
}

/// The AMF0 of a command of either form.
fn body(message: &Message) -> Bytes {
    let payload = &message.payload;
    let skipped = message.kind == MessageKind::CommandAmf3 && payload.first() == Some(&0);
    payload.slice(usize::from(skipped)..)
}

/// The transaction; 0 where none is said.
fn transaction(decoder: &mut Decoder) -> f64 {
    match decoder.value() {
        Ok(Some(Value::Number(transaction))) => transaction,
        Ok(_) | Err(_) => 0.0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rtmp::command::Command;

    fn asked(name: &str, arguments: Vec<Value>) -> Result<Said, Fault> {
        let command = Command::new(name, 4.0, arguments);
        let said = read(&command.message(1));
        assert_eq!(said, with_at_moved(read(&command.amf3_message(1))));
        said
    }

    /// A command of AMF3 form has a byte more before it.
    fn with_at_moved(said: Result<Said, Fault>) -> Result<Said, Fault> {
        said.map(|said| match said {
            Said::Stream(asked) => Said::Stream(moved(asked)),
            Said::Announced { asked, transaction } => Said::Announced {
                asked: moved(asked),
                transaction,
            },
            Said::Close { .. } | Said::Else => said,
        })
    }

    fn moved(asked: Asked) -> Asked {
        let at = asked.at.map(|at| at.start - 1..at.end - 1);
        Asked { at, ..asked }
    }

    #[test]
    fn what_begins_or_ends_a_stream_is_known() {
        let name = || Value::from("s?x=1");
        let stream = |action| {
            Ok(Asked {
                action,
                name: "s?x=1".to_owned(),
                at: None,
            })
        };
        let without_place = |said: Result<Said, Fault>| match said {
            Ok(Said::Stream(asked) | Said::Announced { asked, .. }) => {
                Ok(Asked { at: None, ..asked })
            }
            Ok(Said::Close { .. } | Said::Else) => Err(None),
            Err(fault) => Err(Some(fault)),
        };
        for (command, action) in [
            ("play", Action::Play),
            ("publish", Action::Publish),
            ("releaseStream", Action::Publish),
            ("FCPublish", Action::Publish),
            ("FCSubscribe", Action::Play),
            ("getStreamLength", Action::Play),
        ] {
            let said = asked(command, vec![Value::Null, name()]);
            assert_eq!(without_place(said), stream(action), "{command}");
        }
        let options = Value::object([("streamName", name())]);
        let said = asked("play2", vec![Value::Null, options]);
        assert_eq!(without_place(said), stream(Action::Play));
        let closes = |other| Ok(Said::Close { other });
        assert_eq!(asked("closeStream", vec![Value::Null]), closes(None));
        let id = Value::Number(3.0);
        assert_eq!(
            asked("deleteStream", vec![Value::Null, id]),
            closes(Some(3))
        );
        let no = Value::Boolean(false);
        assert_eq!(asked("play", vec![Value::Null, no]), closes(None));
        assert_eq!(asked("getFriends", vec![Value::Null]), Ok(Said::Else));
    }

    #[test]
    fn what_would_pass_unjudged_is_a_fault() {
        let again = Value::object([("app", "live".into())]);
        assert_eq!(asked("connect", vec![again]), Err(Fault::SecondConnect));
        let options = Value::object([("streamName", "s?token=weir1.x".into())]);
        let said = asked("play2", vec![Value::Null, options]);
        assert_eq!(said, Err(Fault::Name(15)));
    }

    #[test]
    fn another_name_stands_where_the_first_one_stood() {
        let values = |name: &str| vec![Value::Null, name.into(), Value::Number(-2.0)];
        let message = Command::new("play", 4.0, values("s?token=x")).message(1);
        let Ok(Said::Stream(asked)) = read(&message) else {
            panic!("a stream is asked for");
        };
        let renamed = renamed(message, "s", &asked.at.unwrap());
        assert_eq!(renamed, Command::new("play", 4.0, values("s")).message(1));
    }
}
