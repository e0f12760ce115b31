//! A tunnel between our two sessions: what is said comes out as it was said, in the same order.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use bytes::BytesMut;
use rtmp::amf::Value;
use rtmp::client;
use rtmp::command::Command;
use rtmp::control::UserControl;
use rtmp::server;
use rtmp::{Limits, Message, MessageKind, chunk};

const NOW: Duration = Duration::from_secs(7);

struct Pair {
    client: client::Session,
    server: server::Session,
    to_server: Vec<server::Event>,
    to_client: Vec<Message>,
}

impl Pair {
    /// After the handshake.
    fn new() -> Self {
        let mut pair = Self {
            client: client::Session::tunnel(Limits::default(), NOW),
            server: server::Session::new(Limits::default(), NOW),
            to_server: Vec::new(),
            to_client: Vec::new(),
        };
        assert!(!pair.client.is_connected());
        pair.run(1_000);
        assert!(pair.client.is_connected());
        pair
    }

    fn run(&mut self, step: usize) {
        let mut moved = true;
        while std::mem::take(&mut moved) {
            while let Some(output) = self.client.poll_output() {
                moved = true;
                match output {
                    client::Output::Send(bytes) => {
                        for piece in bytes.chunks(step) {
                            self.server.handle(piece, NOW).unwrap();
                        }
                    }
                    client::Output::Event(client::Event::Other(message)) => {
                        self.to_client.push(message);
                    }
                    client::Output::Event(other) => panic!("{other:?}"),
                }
            }
            while let Some(output) = self.server.poll_output() {
                moved = true;
                match output {
                    server::Output::Send(bytes) => {
                        for piece in bytes.chunks(step) {
                            self.client.handle(piece, NOW).unwrap();
                        }
                    }
                    server::Output::Event(event) => self.to_server.push(event),
                }
            }
        }
    }

    fn others(&mut self) -> Vec<Message> {
        let events = std::mem::take(&mut self.to_server);
        let others = events.into_iter().filter_map(|event| match event {
            server::Event::Other(message) => Some(message),
            _ => None,
        });
        others.collect()
    }
}

fn connect() -> Message {
    let object = Value::object([("app", "live".into())]);
    Command::new("connect", 1.0, vec![object]).message(0)
}

/// One message of each kind that is for somebody behind, some of them no well-formed AMF.
fn all_kinds() -> Vec<Message> {
    let commands = [
        Command::new("createStream", 2.0, vec![Value::Null]).message(0),
        Command::new("_result", 1.0, vec![Value::Null]).amf3_message(0),
    ];
    let control = [
        UserControl::StreamBegin(1),
        UserControl::StreamEof(1),
        UserControl::StreamDry(1),
        UserControl::StreamIsRecorded(1),
        UserControl::SetBufferLength {
            stream_id: 1,
            length_ms: 3_000,
        },
        // The check of a player's program.
        UserControl::Other(0x1a),
    ];
    let rest = [
        (MessageKind::Audio, vec![0xaf, 1, 2]),
        (MessageKind::Video, vec![0x17; 70_000]),
        (MessageKind::DataAmf0, vec![2, 0, 1, b'x']),
        (MessageKind::DataAmf3, vec![0, 6, 3]),
        (MessageKind::SharedObjectAmf0, vec![9; 300]),
        (MessageKind::SharedObjectAmf3, vec![0, 9, 9]),
        (MessageKind::Aggregate, vec![1, 2, 3]),
        (MessageKind::Other(30), vec![5; 10]),
    ];
    let rest = rest
        .into_iter()
        .map(|(kind, payload)| Message::new(kind, 40, 1, payload));
    let control = control.into_iter().map(|event| event.message());
    commands.into_iter().chain(control).chain(rest).collect()
}

#[test]
fn every_kind_passes_both_ways_as_it_was_said() {
    let mut pair = Pair::new();
    pair.client.send_message(&connect());
    pair.run(1_000);
    assert!(matches!(&pair.to_server[..], [server::Event::Connect(_)]));
    pair.to_server.clear();
    pair.server.begin_tunnel();
    pair.server.set_admitted(true);
    for message in all_kinds() {
        pair.client.send_message(&message);
        pair.server.send_message(&message);
    }
    pair.run(777);
    assert_eq!(pair.others(), all_kinds());
    assert_eq!(pair.to_client, all_kinds());
}

#[test]
fn what_came_in_one_piece_with_connect_is_not_answered_here_but_comes_out_after_it() {
    let mut pair = Pair::new();
    let after = &all_kinds()[..2];
    let mut bytes = BytesMut::new();
    for message in [connect()].iter().chain(after) {
        chunk::encode(&mut bytes, message, chunk::CHUNK_SIZE);
    }
    pair.server.handle(&bytes, NOW).unwrap();
    pair.run(1_000);
    assert!(matches!(&pair.to_server[..], [server::Event::Connect(_)]));
    pair.to_server.clear();
    pair.server.begin_tunnel();
    pair.run(1_000);
    assert_eq!(pair.others(), after);
    assert_eq!(pair.to_client, []);
}

#[test]
fn pings_stay_between_two_ends() {
    let mut pair = Pair::new();
    pair.client.send_message(&connect());
    pair.run(1_000);
    pair.to_server.clear();
    pair.server.begin_tunnel();
    pair.server.ping(NOW);
    pair.client.ping(NOW);
    let mut answered = false;
    while let Some(output) = pair.server.poll_output() {
        if let server::Output::Send(bytes) = output {
            pair.client.handle(&bytes, NOW).unwrap();
        }
    }
    while let Some(output) = pair.client.poll_output() {
        match output {
            client::Output::Send(bytes) => pair.server.handle(&bytes, NOW).unwrap(),
            client::Output::Event(event) => panic!("{event:?}"),
        }
    }
    while let Some(output) = pair.server.poll_output() {
        match output {
            server::Output::Send(bytes) => pair.client.handle(&bytes, NOW).unwrap(),
            server::Output::Event(event) => {
                assert!(matches!(event, server::Event::PingResponse { .. }));
                answered = true;
            }
        }
    }
    assert!(answered);
    let heard = pair.client.poll_output();
    assert!(matches!(
        heard,
        Some(client::Output::Event(client::Event::PingResponse { .. }))
    ));
}
