//! What real programs say, in their order, one after another and all at once. Recorded from ffmpeg 5.1,
//! rtmpdump 2.4 and GStreamer 1.22; the others as their sources and manuals tell.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use bytes::BytesMut;
use rtmp::amf::Value;
use rtmp::command::Command;
use rtmp::handshake::ClientHandshake;
use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, Message, MessageKind, chunk, control};

const NOW: Duration = Duration::ZERO;

/// One thing that a program says.
enum Says {
    /// A command with a transaction on a message stream; what follows the null.
    Call(u32, f64, &'static str, Vec<Value>),
    /// A control message.
    Control(Message),
}

use Says::{Call, Control};

fn connect() -> Says {
    Call(
        0,
        1.0,
        "connect",
        vec![Value::object([("app", "live".into())])],
    )
}

fn window() -> Says {
    Control(control::window_ack_size(5_000_000))
}

fn buffer(stream_id: u32) -> Says {
    let length_ms = 3_000;
    Control(
        control::UserControl::SetBufferLength {
            stream_id,
            length_ms,
        }
        .message(),
    )
}

fn name() -> Value {
    "s".into()
}

fn live() -> Vec<Value> {
    vec![name(), "live".into()]
}

fn message(says: &Says) -> Message {
    match says {
        Control(message) => message.clone(),
        Call(stream_id, transaction, called, arguments) => {
            let mut all = arguments.clone();
            if *called != "connect" {
                all.insert(0, Value::Null);
            }
            Command::new(called, *transaction, all).message(*stream_id)
        }
    }
}

/// Feeds a session what a program says, and tells what came of it: events by name, and the
/// transactions that were answered.
fn run(program: &[Says], at_once: bool) -> (Vec<String>, Vec<f64>) {
    let (_, hello) = ClientHandshake::new();
    let mut session = Session::new(Limits::default(), NOW);
    let mut sent = BytesMut::new();
    let mut events = Vec::new();
    let mut inputs = vec![BytesMut::from(&hello[..]), BytesMut::from(&[0; 1536][..])];
    for says in program {
        let mut bytes = BytesMut::new();
        chunk::encode(&mut bytes, &message(says), chunk::INITIAL_CHUNK_SIZE);
        match inputs.get_mut(2) {
            Some(last) if at_once => last.extend_from_slice(&bytes),
            _ => inputs.push(bytes),
        }
    }
    for input in inputs {
        session.handle(&input, NOW).unwrap();
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => sent.extend_from_slice(&bytes),
                Output::Event(event) => {
                    events.extend(shown(&event));
                    answer(&mut session, event);
                }
            }
        }
    }
    let mut reader = chunk::Reader::new(Limits::default());
    let mut input = &sent[3_073..];
    let mut answered = Vec::new();
    while let Some(message) = reader.read(&mut input).unwrap() {
        if message.kind == MessageKind::CommandAmf0 {
            let command = Command::parse(&message).unwrap();
            if command.name == "_result" {
                answered.push(command.transaction);
            }
        }
    }
    (events, answered)
}

fn answer(session: &mut Session, event: Event) {
    match event {
        Event::Connect(connect) => session.accept_connect(connect.transaction, Vec::new()),
        Event::Publish(publish) => session.accept_publish(publish.stream_id),
        Event::Play(play) => session.start_play(play.stream_id, &play.name, play.reset, false),
        _ => {}
    }
}

/// The events on which something depends.
fn shown(event: &Event) -> Option<String> {
    Some(match event {
        Event::Publish(publish) => format!("publish {} on {}", publish.name, publish.stream_id),
        Event::Play(play) => format!("play {} on {}", play.name, play.stream_id),
        Event::FcUnpublish { name, .. } => format!("done {name}"),
        Event::CloseStream { stream_id } => format!("close {stream_id}"),
        Event::DeleteStream { stream_id } => format!("delete {stream_id}"),
        Event::Command { command, .. } => format!("call {}", command.name),
        _ => return None,
    })
}

#[track_caller]
fn check(program: &[Says], events: &[&str], answered: &[f64]) {
    for at_once in [false, true] {
        let ran = run(program, at_once);
        assert_eq!(ran.0, events, "at once: {at_once}");
        assert_eq!(ran.1, answered, "at once: {at_once}");
    }
}

#[test]
fn ffmpeg_and_gstreamer_publish() {
    let program = [
        connect(),
        Control(control::set_chunk_size(4_096)),
        Call(0, 2.0, "releaseStream", vec![name()]),
        Call(0, 3.0, "FCPublish", vec![name()]),
        Call(0, 4.0, "createStream", vec![]),
        Call(1, 5.0, "publish", live()),
        Call(0, 6.0, "FCUnpublish", vec![name()]),
        Call(0, 7.0, "deleteStream", vec![1.0.into()]),
    ];
    let events = ["publish s on 1", "done s", "delete 1"];
    check(&program, &events, &[1.0, 2.0, 3.0, 4.0, 6.0]);
}

#[test]
fn obs_and_other_programs_with_librtmp_publish() {
    // The chunk size comes before `connect`, and `publish` asks for no answer.
    let program = [
        Control(control::set_chunk_size(4_096)),
        connect(),
        Call(0, 2.0, "releaseStream", vec![name()]),
        Call(0, 3.0, "FCPublish", vec![name()]),
        Call(0, 4.0, "createStream", vec![]),
        Call(1, 0.0, "publish", live()),
        Call(0, 0.0, "FCUnpublish", vec![name()]),
        Call(0, 0.0, "deleteStream", vec![1.0.into()]),
    ];
    let events = ["publish s on 1", "done s", "delete 1"];
    check(&program, &events, &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn encoders_that_leave_out_or_exchange_what_they_may() {
    // Nothing but what must be, and no kind of publishing.
    let least = [
        connect(),
        Call(0, 2.0, "createStream", vec![]),
        Call(1, 3.0, "publish", vec![name()]),
    ];
    check(&least, &["publish s on 1"], &[1.0, 2.0]);
    // `FCPublish` after `createStream`, a bandwidth check, and stopping by `closeStream`.
    let exchanged = [
        connect(),
        window(),
        Call(0, 2.0, "createStream", vec![]),
        Call(0, 3.0, "FCPublish", vec![name()]),
        Call(0, 4.0, "_checkbw", vec![]),
        Call(1, 5.0, "publish", live()),
        Call(1, 0.0, "closeStream", vec![]),
        Call(1, 6.0, "publish", live()),
        Call(1, 0.0, "publish", vec![false.into()]),
    ];
    let events = [
        "call _checkbw",
        "publish s on 1",
        "close 1",
        "publish s on 1",
        "close 1",
    ];
    check(&exchanged, &events, &[1.0, 2.0, 3.0]);
    // A message stream made and given up before the one that is used.
    let again = [
        connect(),
        Call(0, 2.0, "createStream", vec![]),
        Call(0, 3.0, "deleteStream", vec![1.0.into()]),
        Call(0, 4.0, "createStream", vec![]),
        Call(1, 5.0, "publish", live()),
    ];
    check(&again, &["delete 1", "publish s on 1"], &[1.0, 2.0, 4.0]);
}

#[test]
fn ffmpeg_rtmpdump_and_gstreamer_play() {
    let ffmpeg = [
        connect(),
        window(),
        Call(0, 2.0, "createStream", vec![]),
        Call(0, 3.0, "getStreamLength", vec![name()]),
        Call(1, 4.0, "play", vec![name(), (-2_000.0).into()]),
        buffer(1),
        Call(0, 5.0, "deleteStream", vec![1.0.into()]),
    ];
    check(&ffmpeg, &["play s on 1", "delete 1"], &[1.0, 2.0]);
    let rtmpdump = [
        connect(),
        window(),
        buffer(0),
        Call(0, 2.0, "createStream", vec![]),
        Call(1, 3.0, "play", vec![name(), 0.0.into()]),
        buffer(1),
        Call(0, 4.0, "deleteStream", vec![1.0.into()]),
    ];
    check(&rtmpdump, &["play s on 1", "delete 1"], &[1.0, 2.0]);
    let gstreamer = [
        connect(),
        window(),
        buffer(0),
        Call(0, 2.0, "createStream", vec![]),
        Call(0, 3.0, "FCSubscribe", vec![name()]),
        Call(1, 4.0, "play", vec![name(), (-1_000.0).into()]),
        buffer(1),
    ];
    check(&gstreamer, &["play s on 1"], &[1.0, 2.0]);
}

#[test]
fn a_flash_player_publishes_and_plays_on_one_connection() {
    let program = [
        connect(),
        Call(0, 2.0, "createStream", vec![]),
        Call(0, 3.0, "createStream", vec![]),
        Call(0, 4.0, "roomJoin", vec!["lobby".into()]),
        buffer(1),
        Call(1, 0.0, "play", vec!["theirs".into()]),
        Call(2, 0.0, "publish", vec!["mine".into(), "record".into()]),
        Call(1, 0.0, "receiveVideo", vec![false.into()]),
        Call(1, 0.0, "pause", vec![true.into(), 0.0.into()]),
        Call(1, 0.0, "play", vec!["others".into()]),
        Call(1, 0.0, "play", vec![false.into()]),
        Call(2, 0.0, "closeStream", vec![]),
        Call(0, 0.0, "deleteStream", vec![2.0.into()]),
    ];
    let events = [
        "call roomJoin",
        "play theirs on 1",
        "publish mine on 2",
        "play others on 1",
        "close 1",
        "close 2",
        "delete 2",
    ];
    check(&program, &events, &[1.0, 2.0, 3.0]);
}

#[test]
fn who_is_rejected_hears_nothing_of_what_it_said_besides() {
    let (_, hello) = ClientHandshake::new();
    let mut session = Session::new(Limits::default(), NOW);
    let mut input = BytesMut::from(&[&hello[..], &[0; 1536]].concat()[..]);
    let create = Call(0, 2.0, "createStream", vec![]);
    for says in [connect(), create, Call(1, 3.0, "publish", live())] {
        chunk::encode(&mut input, &message(&says), chunk::INITIAL_CHUNK_SIZE);
    }
    session.handle(&input, NOW).unwrap();
    let Some(Output::Send(_)) = session.poll_output() else {
        panic!("the handshake is answered");
    };
    let Some(Output::Event(Event::Connect(connect))) = session.poll_output() else {
        panic!("it connects");
    };
    assert_eq!(session.poll_output(), None, "it is being thought about");
    session.reject_connect(connect.transaction, "Code", "no", Vec::new());
    let Some(Output::Send(sent)) = session.poll_output() else {
        panic!("it is told");
    };
    let mut reader = chunk::Reader::new(Limits::default());
    let mut input = &sent[..];
    let told = reader.read(&mut input).unwrap().unwrap();
    assert_eq!(Command::parse(&told).unwrap().name, "_error");
    assert!(input.is_empty() && session.poll_output().is_none());
}
