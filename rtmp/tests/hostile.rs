//! What peers send that is malformed, endless or random: each ends its own session, within bounds.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use rtmp::amf::Value;
use rtmp::client::ConnectOptions;
use rtmp::command::Command;
use rtmp::handshake::{ClientHandshake, ServerHandshake};
use rtmp::{Fault, Limits, Message, MessageKind, chunk, client, control, server};

const NOW: Duration = Duration::ZERO;

/// How far a session came before it meets what is malformed.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Stage {
    Handshaken,
    Connected,
    Publishing,
}

fn bytes_of(messages: &[Message]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for message in messages {
        chunk::encode(&mut bytes, message, chunk::INITIAL_CHUNK_SIZE);
    }
    bytes
}

fn command(stream_id: u32, name: &str, transaction: f64, arguments: Vec<Value>) -> Message {
    Command::new(name, transaction, arguments).message(stream_id)
}

fn connect() -> Message {
    command(
        0,
        "connect",
        1.0,
        vec![Value::object([("app", "live".into())])],
    )
}

/// A server's session at a stage, with all its output taken.
fn session(stage: Stage) -> server::Session {
    let (mut handshake, hello) = ClientHandshake::new();
    let mut session = server::Session::new(Limits::default(), NOW);
    session.handle(&hello, NOW).unwrap();
    let Some(server::Output::Send(answer)) = session.poll_output() else {
        panic!()
    };
    let last = handshake.handle(&mut &answer[..]).unwrap().unwrap();
    session.handle(&last, NOW).unwrap();
    if stage >= Stage::Connected {
        session.handle(&bytes_of(&[connect()]), NOW).unwrap();
        session.accept_connect(1.0, Vec::new());
    }
    if stage >= Stage::Publishing {
        let create = command(0, "createStream", 2.0, vec![Value::Null]);
        let publish = command(1, "publish", 3.0, vec![Value::Null, "s".into()]);
        session.handle(&bytes_of(&[create, publish]), NOW).unwrap();
        session.set_admitted(true);
        session.accept_publish(1);
    }
    while session.poll_output().is_some() {}
    session
}

/// A client's session whose `connect` is on its way.
fn client_session() -> client::Session {
    let mut session = client::Session::new(
        ConnectOptions::new("live", "rtmp://a/live"),
        Limits::default(),
        NOW,
    );
    let Some(client::Output::Send(hello)) = session.poll_output() else {
        panic!()
    };
    let answer = ServerHandshake::new()
        .handle(&mut &hello[..])
        .unwrap()
        .unwrap();
    session.handle(&answer, NOW).unwrap();
    while session.poll_output().is_some() {}
    session
}

fn check(stage: Stage, name: &str, input: &[u8], expected: Fault) {
    for step in [1, 500, input.len()] {
        let mut session = session(stage);
        let bound = if session.is_admitted() {
            16 << 20
        } else {
            64 << 10
        };
        let mut end = Ok(());
        for piece in input.chunks(step) {
            end = session.handle(piece, NOW);
            assert!(
                session.held() <= bound,
                "{name}: {} bytes held",
                session.held()
            );
            while session.poll_output().is_some() {}
            if end.is_err() {
                break;
            }
        }
        assert_eq!(
            end,
            Err(expected),
            "{name} at {stage:?} in pieces of {step}"
        );
        assert_eq!(
            session.handle(b"\x03", NOW),
            Err(expected),
            "{name}: it stays over"
        );
        assert_eq!(session.next_deadline(), None);
    }
}

#[test]
fn what_is_malformed_ends_its_session_with_its_name() {
    let raw = |kind, payload: &[u8]| bytes_of(&[Message::new(kind, 0, 0, payload.to_vec())]);
    let amf0 = MessageKind::CommandAmf0;
    let nested = [
        b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0".to_vec(),
        b"\x0a\0\0\0\x01".repeat(12_000),
    ]
    .concat();
    let announce = |kind: u8, length: u32| {
        let mut header = vec![4, 0, 0, 0];
        header.extend_from_slice(&length.to_be_bytes()[1..]);
        header.extend_from_slice(&[kind, 0, 0, 0, 0]);
        header
    };
    let streams: Vec<u8> = (0..65_000_u16)
        .flat_map(|id| {
            [
                vec![1],
                id.to_le_bytes().to_vec(),
                announce(18, 200)[1..].to_vec(),
                vec![0; 128],
            ]
            .concat()
        })
        .collect();
    let size = |size: u32| Fault::ChunkSize {
        size,
        max: Limits::MAX_CHUNK_SIZE,
    };
    let mib16 = |kind, max| Fault::MessageSize {
        kind,
        length: 0xff_ffff,
        max,
    };
    let long_name = bytes_of(&[command(
        0,
        "connect",
        1.0,
        vec![Value::object([("app", "a\0b".into())])],
    )]);
    for stage in [Stage::Handshaken, Stage::Connected, Stage::Publishing] {
        check(
            stage,
            "nested arrays",
            &raw(amf0, &nested),
            Fault::AmfDepth(16),
        );
        check(
            stage,
            "an empty command",
            &raw(amf0, b""),
            Fault::CommandName,
        );
        check(
            stage,
            "an empty AMF3 command",
            &raw(MessageKind::CommandAmf3, b""),
            Fault::CommandName,
        );
        check(
            stage,
            "chunk size 0",
            &bytes_of(&[control::set_chunk_size(0)]),
            size(0),
        );
        check(
            stage,
            "chunk size 2^31-1",
            &bytes_of(&[control::set_chunk_size(0x7fff_ffff)]),
            size(0x7fff_ffff),
        );
        check(
            stage,
            "a command of 16 MiB",
            &announce(20, 0xff_ffff),
            mib16(20, 65_536),
        );
        check(
            stage,
            "video of 16 MiB",
            &announce(9, 0xff_ffff),
            mib16(9, 8 << 20),
        );
        check(
            stage,
            "65,000 chunk streams",
            &streams,
            Fault::ChunkStreams(64),
        );
        check(
            stage,
            "a ping without its time",
            &raw(MessageKind::UserControl, &[0, 6]),
            Fault::ShortControl(4),
        );
        check(
            stage,
            "an empty acknowledgement",
            &raw(MessageKind::Acknowledgement, b""),
            Fault::ShortControl(3),
        );
    }
    let early = |kind| Fault::BeforeConnect(kind);
    let first = Stage::Handshaken;
    check(
        first,
        "another command",
        &bytes_of(&[command(0, "play", 0.0, vec![])]),
        early(20),
    );
    check(
        first,
        "`@setDataFrame` alone",
        &raw(MessageKind::DataAmf0, b"\x02\0\x0d@setDataFrame"),
        early(18),
    );
    check(first, "audio", &raw(MessageKind::Audio, b"a"), early(8));
    check(
        first,
        "`connect` alone",
        &bytes_of(&[command(0, "connect", 1.0, vec![])]),
        Fault::ConnectArguments,
    );
    check(
        first,
        "`connect` of null",
        &raw(amf0, b"\x02\0\x07connect\x05\x05"),
        Fault::ConnectArguments,
    );
    check(first, "an application with NUL", &long_name, Fault::Name(3));
    check(
        first,
        "video of 100 KiB",
        &unfinished(),
        Fault::Unfinished(64 << 10),
    );
    check(
        Stage::Connected,
        "a second `connect`",
        &bytes_of(&[connect()]),
        Fault::SecondConnect,
    );
    let publish = |stream_id| {
        bytes_of(&[command(
            stream_id,
            "publish",
            3.0,
            vec![Value::Null, "s".into()],
        )])
    };
    check(
        Stage::Connected,
        "no such message stream",
        &publish(7),
        Fault::MessageStream(7),
    );
    check(
        Stage::Connected,
        "the connection itself",
        &publish(0),
        Fault::MessageStream(0),
    );
    check(
        Stage::Publishing,
        "publishing twice",
        &publish(1),
        Fault::MessageStreamBusy(1),
    );
    let deleted = [
        &bytes_of(&[command(
            0,
            "deleteStream",
            0.0,
            vec![Value::Null, 1.0.into()],
        )])[..],
        &publish(1),
    ];
    check(
        Stage::Publishing,
        "a deleted message stream",
        &deleted.concat(),
        Fault::MessageStream(1),
    );
    let aggregate = bytes_of(&[Message::new(MessageKind::Aggregate, 0, 1, vec![8, 0, 0, 9])]);
    check(
        Stage::Publishing,
        "a torn aggregate",
        &aggregate,
        Fault::Aggregate,
    );
    use control::UserControl::{PingRequest, PingResponse};
    for (what, ping) in [("answers", PingResponse(1)), ("pings", PingRequest(1))] {
        let pings = bytes_of(&vec![ping.message(); 2_000]);
        let before = Fault::MessagesBeforeAdmission(1_024);
        check(Stage::Connected, what, &pings, before);
        check(Stage::Publishing, what, &pings, Fault::Commands(1_000));
    }
}

/// The begin of a large video message in large chunks.
fn unfinished() -> Vec<u8> {
    let mut bytes = bytes_of(&[control::set_chunk_size(1 << 20)]).to_vec();
    bytes.extend_from_slice(&[6, 0, 0, 0, 1, 0x90, 0, 9, 1, 0, 0, 0]);
    bytes.resize(bytes.len() + 100_000, 0);
    bytes
}

#[test]
fn a_data_frame_without_data_is_just_a_message() {
    let mut session = session(Stage::Publishing);
    for payload in [
        &b"\x02\0\x0d@setDataFrame"[..],
        b"",
        b"\x02",
        b"\x0a\0\0\0\x01",
    ] {
        let message = Message::new(MessageKind::DataAmf0, 0, 1, payload.to_vec());
        session
            .handle(&bytes_of(std::slice::from_ref(&message)), NOW)
            .unwrap();
        let Some(server::Output::Event(server::Event::Media(heard))) = session.poll_output() else {
            panic!()
        };
        assert_eq!(heard, message);
        let _ = rtmp::data::for_viewers(&heard);
    }
}

#[test]
fn the_same_video_passes_after_admission() {
    let mut session = session(Stage::Publishing);
    session.handle(&unfinished(), NOW).unwrap();
    assert!(
        session.held() >= 100_000 && session.held() <= 102_400,
        "{}",
        session.held()
    );
}

#[test]
fn commands_in_amf3_form_and_audio_inside_video_are_legal() {
    let mut session = session(Stage::Handshaken);
    for (index, mut message) in [
        connect(),
        command(0, "createStream", 2.0, vec![Value::Null]),
        command(1, "publish", 3.0, vec![Value::Null, "s".into()]),
    ]
    .into_iter()
    .enumerate()
    {
        message.kind = MessageKind::CommandAmf3;
        message.payload = [&[0][..], &message.payload].concat().into();
        session.handle(&bytes_of(&[message]), NOW).unwrap();
        if index == 0 {
            session.accept_connect(1.0, Vec::new());
        }
    }
    while session.poll_output().is_some() {}

    let video = Message::new(MessageKind::Video, 0, 1, vec![7; 200]);
    let audio = Message::new(MessageKind::Audio, 5, 1, vec![8; 20]);
    let video_bytes = bytes_of(std::slice::from_ref(&video));
    let (begin, end) = video_bytes.split_at(12 + 128);
    let interleaved = [begin, &bytes_of(std::slice::from_ref(&audio)), end].concat();
    for byte in interleaved {
        session.handle(&[byte], NOW).unwrap();
    }
    for expected in [audio, video] {
        assert_eq!(
            session.poll_output(),
            Some(server::Output::Event(server::Event::Media(expected)))
        );
    }
    assert_eq!(session.poll_output(), None);
}

#[test]
fn a_handshake_that_never_ends_and_garbage_are_over_in_their_time() {
    let mut slow = server::Session::new(Limits::default(), NOW);
    for second in 0..10 {
        let now = Duration::from_secs(second);
        slow.handle(&[3], now).unwrap();
        assert_eq!(slow.handle_timeout(now), Ok(()));
        assert_eq!(slow.next_deadline(), Some(Duration::from_secs(10)));
    }
    let fault = slow.handle_timeout(Duration::from_secs(10));
    assert_eq!(fault, Err(Fault::HandshakeTimeout(Duration::from_secs(10))));

    let mut garbage = server::Session::new(Limits::default(), NOW);
    assert_eq!(
        garbage.handle(b"GET / HTTP/1.1\r\n\r\n", NOW),
        Err(Fault::Version(b'G'))
    );
    assert_eq!(garbage.poll_output(), None);
}

/// What a client sends that publishes a metadata message and a frame.
fn valid() -> Vec<u8> {
    let (_, hello) = ClientHandshake::new();
    let publish = vec![Value::Null, "s".into(), "live".into()];
    let commands = [
        connect(),
        command(0, "releaseStream", 2.0, vec![Value::Null, "s".into()]),
        command(0, "createStream", 3.0, vec![Value::Null]),
        command(1, "publish", 4.0, publish),
        rtmp::data::message(1, 0, &["@setDataFrame".into(), "onMetaData".into()]),
        Message::new(MessageKind::Video, 0, 1, vec![0x17; 300]),
    ];
    [&hello[..], &[0; 1536], &bytes_of(&commands)].concat()
}

#[test]
fn a_valid_session_cut_off_anywhere_waits_and_ends_in_its_time() {
    let valid = valid();
    let connect_ends = 3_073 + bytes_of(&[connect()]).len();
    for cut in 0..=valid.len() {
        let mut session = server::Session::new(Limits::default(), NOW);
        session.handle(&valid[..cut], NOW).unwrap();
        assert!(session.held() <= 64 << 10);
        if session.poll_output().is_some() && cut >= connect_ends {
            session.accept_connect(1.0, Vec::new());
        }
        let late = Duration::from_secs(10);
        let expected = match cut {
            0..3_073 => Err(Fault::HandshakeTimeout(late)),
            _ if cut < connect_ends => Err(Fault::ConnectTimeout(late)),
            _ => Ok(()),
        };
        let due = expected.is_err().then_some(late);
        assert_eq!(session.next_deadline(), due, "cut at {cut}");
        assert_eq!(session.handle_timeout(late), expected, "cut at {cut}");
    }
}

#[test]
fn tiny_chunks_are_too_much_only_in_a_flood() {
    let flood = [&b"\x04\0\0\0\0\0\0\x08\x01\0\0\0"[..], &[0xc4; 60_000]].concat();
    let mut session = session(Stage::Publishing);
    let mut end = Ok(());
    for _ in 0..5 {
        end = end.and(session.handle(&flood, NOW));
        while session.poll_output().is_some() {}
    }
    assert_eq!(end, Err(Fault::TinyChunks(262_144)));
    // The same over seconds passes.
    let mut session = self::session(Stage::Publishing);
    for second in 0..5 {
        session.handle(&flood, Duration::from_secs(second)).unwrap();
        while session.poll_output().is_some() {}
    }
}

#[test]
fn events_are_small_since_one_byte_can_make_one() {
    assert!(
        size_of::<server::Event>() <= 72,
        "{}",
        size_of::<server::Event>()
    );
    assert!(
        size_of::<client::Event>() <= 112,
        "{}",
        size_of::<client::Event>()
    );
}

/// Chunks with well-formed headers and wild contents, which random bytes seldom are.
fn any_chunks() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "connect",
        "createStream",
        "publish",
        "play",
        "deleteStream",
        "closeStream",
        "pause",
        "seek",
        "FCPublish",
        "releaseStream",
        "_result",
        "_error",
        "onStatus",
        "receiveAudio",
        "getStreamLength",
        "x",
    ]);
    let leaf = prop::sample::select(vec![
        Value::Null,
        Value::Number(1.0),
        Value::Number(f64::NAN),
        Value::Number(-1e300),
        Value::Boolean(false),
        Value::from("s"),
        Value::StrictArray(vec![Value::Undefined]),
        Value::object([
            ("app", "a".into()),
            ("code", "c".into()),
            ("fourCcList", "x".into()),
        ]),
    ]);
    let commands = (names, 0..4_u32, 0..6_u8, prop::collection::vec(leaf, 0..5)).prop_map(
        |(name, stream_id, transaction, arguments)| {
            command(stream_id, name, f64::from(transaction), arguments)
        },
    );
    let others = (
        0..24_u8,
        any::<u32>(),
        0..4_u32,
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|(kind, time, stream_id, payload)| {
            Message::new(MessageKind::from_code(kind), time, stream_id, payload)
        });
    let message = prop_oneof![3 => commands, 2 => others];
    let piece = prop_oneof![
        8 => message.prop_map(|message| bytes_of(&[message]).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_servers_session_outlives_any_bytes(input in any_chunks(), connected: bool, step in 1..3_000_usize) {
        let mut session = session(if connected { Stage::Connected } else { Stage::Handshaken });
        for piece in input.chunks(step) {
            let end = session.handle(piece, NOW);
            while let Some(output) = session.poll_output() {
                if let server::Output::Event(event) = output {
                    match event {
                        server::Event::Connect(connect) => session.accept_connect(connect.transaction, Vec::new()),
                        server::Event::Publish(publish) => session.accept_publish(publish.stream_id),
                        server::Event::Play(play) => session.start_play(play.stream_id, &play.name, true, true),
                        server::Event::Media(message) => drop(rtmp::data::for_viewers(&message)),
                        _ => {}
                    }
                }
            }
            prop_assert!(session.held() <= 64 << 10);
            if end.is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_clients_session_outlives_any_bytes(input in any_chunks(), step in 1..3_000_usize) {
        let mut session = client_session();
        session.play("s", -2.0);
        session.publish("s", server::PublishKind::Live);
        for piece in input.chunks(step) {
            let end = session.handle(piece, NOW);
            while session.poll_output().is_some() {}
            prop_assert!(session.held() <= 16 << 20);
            if end.is_err() {
                break;
            }
        }
        session.close();
    }

    #[test]
    fn random_bytes_from_the_first_on_end_or_wait(input in prop::collection::vec(any::<u8>(), 0..5_000)) {
        let input = [&[3][..], &input].concat();
        let mut server = server::Session::new(Limits::default(), NOW);
        let mut client =
            client::Session::new(ConnectOptions::new("a", "rtmp://b/a"), Limits::default(), NOW);
        let _ = server.handle(&input, NOW);
        let _ = client.handle(&input, NOW);
        while server.poll_output().is_some() || client.poll_output().is_some() {}
        prop_assert!(server.held() <= 64 << 10 && client.held() <= 16 << 20);
    }
}
