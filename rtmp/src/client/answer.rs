//! A server's commands: answers to ours, statuses, and all others.
//!
//! A command goes in, events and the next step of what was wanted come out.

use super::{BUFFER_MS, CONNECT, Event, Pending, Purpose, Session, Stream};
use crate::amf::{Properties, Value, property};
use crate::command::Command;
use crate::control::UserControl;
use crate::phase::Phase;
use crate::{Fault, Message};

impl Session {
    pub(super) fn hear_command(&mut self, message: &Message) -> Result<(), Fault> {
        let command = Command::parse(message)?;
        match command.name.as_str() {
            "_result" => self.hear_answer(command, true)?,
            "_error" => self.hear_answer(command, false)?,
            "onStatus" => self.push_status(message.stream_id, &command),
            _ => self.events.push_back(Event::Command {
                stream_id: message.stream_id,
                command: Box::new(command),
            }),
        }
        Ok(())
    }

    fn hear_answer(&mut self, command: Command, ok: bool) -> Result<(), Fault> {
        if command.transaction == CONNECT && matches!(self.phase, Phase::Connect { .. }) {
            self.hear_connect_answer(&command, ok);
            return Ok(());
        }
        let place = self
            .pending
            .iter()
            .position(|(transaction, _)| *transaction == command.transaction);
        // Answers to what needs none (releaseStream, FCPublish) were never awaited.
        let Some(place) = place else {
            return Ok(());
        };
        match self.pending.swap_remove(place).1 {
            Pending::Call => self.events.push_back(Event::Answer {
                transaction: command.transaction,
                ok,
                values: command.arguments,
            }),
            Pending::CreateStream(_) if !ok => self.push_status(0, &command),
            Pending::CreateStream(purpose) => {
                let stream_id = command
                    .number(1)
                    .map(|id| id as u32)
                    .ok_or(Fault::MessageStream(0))?;
                self.begin(stream_id, purpose);
            }
        }
        Ok(())
    }

    fn hear_connect_answer(&mut self, command: &Command, ok: bool) {
        let object = |index| {
            command
                .argument(index)
                .and_then(Value::properties)
                .cloned()
                .unwrap_or_default()
        };
        if !ok {
            self.phase = Phase::Rejected;
            let object = first_info(command);
            self.events.push_back(Event::Rejected {
                code: text(&object, "code"),
                description: text(&object, "description"),
                object,
            });
            return;
        }
        self.phase = Phase::Connected;
        self.events.push_back(Event::Connected {
            properties: object(0),
            info: object(1),
        });
        for purpose in std::mem::take(&mut self.wanted) {
            self.want(purpose);
        }
    }

    /// Does on its message stream what was wanted.
    fn begin(&mut self, stream_id: u32, purpose: Purpose) {
        let transaction = self.transaction();
        let command = match &purpose {
            Purpose::Play { name, start } => {
                let arguments = vec![Value::Null, name.as_str().into(), Value::Number(*start)];
                Command::new("play", transaction, arguments)
            }
            Purpose::Publish { name, kind } => {
                let arguments = vec![Value::Null, name.as_str().into(), kind.as_str().into()];
                Command::new("publish", transaction, arguments)
            }
        };
        if let Purpose::Play { .. } = purpose {
            self.link.send(
                &UserControl::SetBufferLength {
                    stream_id,
                    length_ms: BUFFER_MS,
                }
                .message(),
            );
        }
        self.send_command(stream_id, &command);
        self.streams.push(Stream {
            id: stream_id,
            purpose,
        });
        self.events.push_back(Event::StreamReady { stream_id });
    }

    fn push_status(&mut self, stream_id: u32, command: &Command) {
        let object = first_info(command);
        self.events.push_back(Event::Status {
            stream_id,
            level: text(&object, "level"),
            code: text(&object, "code"),
            description: text(&object, "description"),
            object,
        });
    }
}

/// The first argument that is an object with a code; servers differ in its place.
fn first_info(command: &Command) -> Properties {
    let objects = || command.arguments.iter().filter_map(Value::properties);
    let coded = objects().find(|object| property(object, "code").is_some());
    coded
        .or_else(|| objects().next())
        .cloned()
        .unwrap_or_default()
}

fn text(object: &Properties, key: &str) -> String {
    property(object, key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
