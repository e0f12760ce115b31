//! A client's commands: which mean what, and the answers that need no thought.
//!
//! A command goes in, events and answers come out. Commands that stand here are understood;
//! all others pass as they are.

use super::answer::fc_answer;
use super::{Connect, Event, Play, Publish, PublishKind, Session, StreamUse};
use crate::amf::Value;
use crate::command::Command;
use crate::phase::Phase;
use crate::{Fault, Message, MessageKind, name};

/// Properties by which `connect` tells what goes beyond the old format (Enhanced RTMP).
pub const OFFERS: [&str; 4] = [
    "fourCcList",
    "videoFourCcInfoMap",
    "audioFourCcInfoMap",
    "capsEx",
];

impl Session {
    pub(super) fn hear_command(&mut self, message: &Message) -> Result<(), Fault> {
        let command = Command::parse(message)?;
        self.speaks_amf3 |= message.kind == MessageKind::CommandAmf3;
        if matches!(self.phase, Phase::Connect { .. }) {
            if command.name != "connect" {
                return Err(Fault::BeforeConnect(message.kind.code()));
            }
            return self.hear_connect(&command);
        }
        let stream_id = message.stream_id;
        let transaction = command.transaction;
        let event = match command.name.as_str() {
            "connect" => return Err(Fault::SecondConnect),
            "createStream" => Event::CreateStream {
                stream_id: self.create_stream(transaction)?,
            },
            "releaseStream" => {
                self.plain_result(transaction);
                Event::ReleaseStream {
                    transaction,
                    name: stream_name(&command)?,
                }
            }
            "FCPublish" => {
                self.plain_result(transaction);
                Event::FcPublish {
                    transaction,
                    name: stream_name(&command)?,
                }
            }
            "FCUnpublish" => {
                self.plain_result(transaction);
                Event::FcUnpublish {
                    transaction,
                    name: stream_name(&command)?,
                }
            }
            "FCSubscribe" => {
                self.answer(fc_answer("onFCSubscribe", "NetStream.Play.Start"));
                Event::FcSubscribe {
                    transaction,
                    name: stream_name(&command)?,
                }
            }
            "getStreamLength" => Event::GetStreamLength {
                transaction,
                name: stream_name(&command)?,
            },
            "publish" | "play" if command.argument(1) == Some(&Value::Boolean(false)) => {
                self.leave(stream_id);
                Event::CloseStream { stream_id }
            }
            "publish" => {
                self.enter(stream_id, StreamUse::Publishing)?;
                Event::Publish(Publish {
                    transaction,
                    stream_id,
                    name: stream_name(&command)?,
                    kind: PublishKind::of(command.text(2)),
                })
            }
            "play" => {
                self.enter(stream_id, StreamUse::Playing)?;
                Event::Play(Play {
                    transaction,
                    stream_id,
                    name: stream_name(&command)?,
                    start: command.number(2).unwrap_or(-2_000.0),
                    duration: command.number(3).unwrap_or(-1_000.0),
                    reset: is_true(command.argument(4)).unwrap_or(true),
                })
            }
            "pause" | "pauseRaw" => Event::Pause {
                stream_id,
                paused: is_true(command.argument(1)).unwrap_or(true),
                position_ms: command.number(2).unwrap_or(0.0),
            },
            "seek" => Event::Seek {
                stream_id,
                position_ms: command.number(1).unwrap_or(0.0),
            },
            "receiveAudio" => Event::ReceiveAudio {
                stream_id,
                wanted: is_true(command.argument(1)).unwrap_or(true),
            },
            "receiveVideo" => Event::ReceiveVideo {
                stream_id,
                wanted: is_true(command.argument(1)).unwrap_or(true),
            },
            "closeStream" => {
                self.leave(stream_id);
                Event::CloseStream { stream_id }
            }
            "deleteStream" => {
                let stream_id = command.number(1).map_or(stream_id, |id| id as u32);
                let Some(slot) = self.slot(stream_id) else {
                    return Ok(());
                };
                self.streams[slot] = StreamUse::Free;
                Event::DeleteStream { stream_id }
            }
            _ => Event::Command {
                stream_id,
                command: Box::new(command),
            },
        };
        self.events.push_back(event);
        Ok(())
    }

    fn hear_connect(&mut self, command: &Command) -> Result<(), Fault> {
        let connect = Connect::new(command)?;
        self.offered = connect
            .object
            .iter()
            .filter(|(key, _)| OFFERS.contains(&key.as_str()))
            .cloned()
            .collect();
        if connect.object_encoding == 3.0 {
            self.object_encoding = 3.0;
        }
        self.phase = Phase::Connected;
        self.events.push_back(Event::Connect(Box::new(connect)));
        Ok(())
    }

    /// Takes the lowest free id, so that nearly every client has id 1.
    fn create_stream(&mut self, transaction: f64) -> Result<u32, Fault> {
        let slot = match self
            .streams
            .iter()
            .position(|stream| *stream == StreamUse::Free)
        {
            Some(slot) => slot,
            None if self.streams.len() >= self.limits.message_streams as usize => {
                return Err(Fault::MessageStreams(self.limits.message_streams));
            }
            None => {
                self.streams.push(StreamUse::Free);
                self.streams.len() - 1
            }
        };
        self.streams[slot] = StreamUse::Idle;
        let stream_id = u32::try_from(slot + 1).expect("there are few message streams");
        let values = vec![Value::Null, Value::Number(f64::from(stream_id))];
        self.answer(Command::new("_result", transaction, values));
        Ok(stream_id)
    }

    fn enter(&mut self, stream_id: u32, purpose: StreamUse) -> Result<(), Fault> {
        let slot = self
            .slot(stream_id)
            .ok_or(Fault::MessageStream(stream_id))?;
        self.streams[slot] = match (self.streams[slot], purpose) {
            (StreamUse::Free, _) => return Err(Fault::MessageStream(stream_id)),
            // A player may go on to another stream without closing the first.
            (StreamUse::Idle, _) | (StreamUse::Playing, StreamUse::Playing) => purpose,
            (StreamUse::Publishing | StreamUse::Playing, _) => {
                return Err(Fault::MessageStreamBusy(stream_id));
            }
        };
        Ok(())
    }

    fn leave(&mut self, stream_id: u32) {
        if let Some(slot) = self.slot(stream_id)
            && self.streams[slot] != StreamUse::Free
        {
            self.streams[slot] = StreamUse::Idle;
        }
    }

    /// The answer to what needs none but is waited for by some encoders.
    fn plain_result(&mut self, transaction: f64) {
        if transaction != 0.0 {
            let values = vec![Value::Null, Value::Undefined];
            self.answer(Command::new("_result", transaction, values));
        }
    }

    /// Answers at once, or behind `connect` if that is not answered yet.
    fn answer(&mut self, answer: Command) {
        if self.accepted {
            self.send_command(0, &answer);
        } else {
            self.early.push(answer);
        }
    }
}

fn stream_name(command: &Command) -> Result<String, Fault> {
    let text = command.text(1).unwrap_or_default();
    name::check(text)?;
    Ok(text.to_owned())
}

fn is_true(value: Option<&Value>) -> Option<bool> {
    let value = value?;
    value
        .as_bool()
        .or_else(|| value.as_number().map(|number| number != 0.0))
}
