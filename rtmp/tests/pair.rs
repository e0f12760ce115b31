//! Our two sessions against each other, as an edge and its clients use them.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use proptest::prelude::*;
use rtmp::amf::{Value, property};
use rtmp::client::{self, ConnectOptions};
use rtmp::command::Command;
use rtmp::server::{self, PublishKind};
use rtmp::{Fault, Limits, Message, MessageKind, chunk, data};

const NOW: Duration = Duration::from_secs(7);

/// Both ends and all that came out of them; bytes travel in pieces of `step`.
struct Pair {
    client: client::Session,
    server: server::Session,
    from_client: Vec<server::Event>,
    from_server: Vec<client::Event>,
    /// Each send of the server, one write each.
    server_sends: Vec<usize>,
    server_bytes: Vec<u8>,
    step: usize,
}

impl Pair {
    fn new(options: ConnectOptions, step: usize) -> Self {
        let mut pair = Self {
            client: client::Session::new(options, Limits::default(), NOW),
            server: server::Session::new(Limits::default(), NOW),
            from_client: Vec::new(),
            from_server: Vec::new(),
            server_sends: Vec::new(),
            server_bytes: Vec::new(),
            step,
        };
        pair.run();
        pair
    }

    /// A pair whose `connect` was accepted.
    fn connected(step: usize) -> Self {
        let mut pair = Self::new(ConnectOptions::new("live", "rtmp://edge/live"), step);
        pair.server.accept_connect(1.0, Vec::new());
        pair.run();
        assert!(matches!(
            pair.from_server.as_slice(),
            [client::Event::Connected { .. }]
        ));
        pair.from_client.clear();
        pair.from_server.clear();
        pair
    }

    /// Carries bytes both ways until there are none.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.client.poll_output() {
                moved = true;
                match output {
                    client::Output::Send(bytes) => {
                        for piece in bytes.chunks(self.step) {
                            self.server.handle(piece, NOW).unwrap();
                        }
                    }
                    client::Output::Event(event) => self.from_server.push(event),
                }
            }
            while let Some(output) = self.server.poll_output() {
                moved = true;
                match output {
                    server::Output::Send(bytes) => {
                        self.server_sends.push(bytes.len());
                        self.server_bytes.extend_from_slice(&bytes);
                        for piece in bytes.chunks(self.step) {
                            self.client.handle(piece, NOW).unwrap();
                        }
                    }
                    server::Output::Event(event) => self.from_client.push(event),
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// The codes of the statuses that the client heard.
    fn codes(&self) -> Vec<&str> {
        let mut codes = Vec::new();
        for event in &self.from_server {
            if let client::Event::Status { code, .. } = event {
                codes.push(code.as_str());
            }
        }
        codes
    }
}

fn media(events: &[server::Event]) -> Vec<Message> {
    let media = |event: &server::Event| match event {
        server::Event::Media(message) => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(media).collect()
}

#[test]
fn connect_carries_everything_and_is_accepted_in_one_write() {
    let mut options = ConnectOptions::new("live?token=t", "rtmp://edge/live?token=t");
    options.page_url = Some("http://page/".to_owned());
    options.swf_url = Some("http://page/p.swf".to_owned());
    options.flash_version = "test 1".to_owned();
    options.fourcc_list = vec!["hvc1".to_owned(), "av01".to_owned()];
    options.caps_ex = Some(3);
    options.extra = vec![
        ("hop".to_owned(), "signed".into()),
        (
            "videoFourCcInfoMap".to_owned(),
            Value::object([("av01", 4.0.into())]),
        ),
    ];
    options.arguments = vec!["user".into()];
    let mut pair = Pair::new(options, 100_000);
    let [server::Event::Connect(connect)] = pair.from_client.as_slice() else {
        panic!("{:?}", pair.from_client);
    };
    assert_eq!(connect.app, "live?token=t");
    assert_eq!(connect.tc_url.as_deref(), Some("rtmp://edge/live?token=t"));
    assert_eq!(connect.page_url.as_deref(), Some("http://page/"));
    assert_eq!(connect.swf_url.as_deref(), Some("http://page/p.swf"));
    assert_eq!(connect.flash_version.as_deref(), Some("test 1"));
    assert_eq!(connect.fourcc_list, ["hvc1", "av01"]);
    assert_eq!(connect.caps_ex, Some(3));
    assert_eq!(property(&connect.object, "hop"), Some(&"signed".into()));
    assert_eq!(connect.arguments, ["user".into()]);
    assert_eq!(connect.object_encoding, 0.0);
    assert_eq!(connect.capabilities, Some(239));
    assert_eq!(connect.audio_codecs, Some(3_575));
    assert_eq!(connect.video_codecs, Some(252));
    assert_eq!(connect.video_function, Some(1));
    assert_eq!(
        connect.video_fourcc_info,
        [("av01".to_owned(), Value::from(4.0))]
    );
    assert_eq!(connect.audio_fourcc_info, []);

    pair.server_sends.clear();
    assert!(!pair.server.is_accepted());
    pair.server
        .accept_connect(connect.transaction, vec![("more".to_owned(), true.into())]);
    assert!(pair.server.is_accepted());
    pair.run();
    assert_eq!(pair.server_sends.len(), 1);
    let [client::Event::Connected { properties, info }] = pair.from_server.as_slice() else {
        panic!("{:?}", pair.from_server);
    };
    assert_eq!(property(properties, "capsEx"), Some(&3.0.into()));
    assert_eq!(
        property(properties, "fourCcList"),
        Some(&Value::StrictArray(vec!["hvc1".into(), "av01".into()]))
    );
    assert_eq!(property(properties, "more"), Some(&true.into()));
    assert_eq!(
        property(info, "code"),
        Some(&"NetConnection.Connect.Success".into())
    );
    assert!(pair.client.is_connected());
}

#[test]
fn a_rejection_tells_why_and_where_to_go_and_nothing_is_heard_after_it() {
    let mut pair = Pair::new(ConnectOptions::new("live", "rtmp://edge/live"), 100_000);
    pair.from_client.clear();
    let ex = Value::object([
        ("code", 302.0.into()),
        ("redirect", "rtmp://other/live".into()),
    ]);
    pair.server.reject_connect(
        1.0,
        "NetConnection.Connect.Rejected",
        "moved",
        vec![("ex".to_owned(), ex)],
    );
    pair.client.call(0, "something", vec![Value::Null]);
    pair.run();
    let [
        client::Event::Rejected {
            code,
            description,
            object,
        },
    ] = pair.from_server.as_slice()
    else {
        panic!("{:?}", pair.from_server);
    };
    assert_eq!(
        (code.as_str(), description.as_str()),
        ("NetConnection.Connect.Rejected", "moved")
    );
    let redirect = property(object, "ex").and_then(|ex| ex.get("redirect"));
    assert_eq!(redirect, Some(&"rtmp://other/live".into()));
    assert_eq!(pair.from_client, []);
    assert_eq!(pair.server.next_deadline(), None);
}

#[test]
fn publishing_from_the_first_command_to_the_last() {
    for step in [1, 7, 100_000] {
        let mut pair = Pair::connected(step);
        pair.client.publish("s?k=v", PublishKind::Record);
        pair.run();
        let named = |name: &str| name.to_owned();
        assert_eq!(
            pair.from_client,
            [
                server::Event::ReleaseStream {
                    transaction: 2.0,
                    name: named("s?k=v")
                },
                server::Event::FcPublish {
                    transaction: 3.0,
                    name: named("s?k=v")
                },
                server::Event::CreateStream { stream_id: 1 },
                server::Event::Publish(server::Publish {
                    transaction: 5.0,
                    stream_id: 1,
                    name: named("s?k=v"),
                    kind: PublishKind::Record,
                }),
            ]
        );
        pair.server.set_admitted(true);
        pair.server.accept_publish(1);
        pair.run();
        assert_eq!(pair.codes(), ["NetStream.Publish.Start"]);
        assert_eq!(pair.client.publishing(), Some(1));

        pair.from_client.clear();
        let sent = [
            data::message(
                9,
                0,
                &[
                    "@setDataFrame".into(),
                    "onMetaData".into(),
                    Value::EcmaArray(Vec::new()),
                ],
            ),
            Message::new(MessageKind::Video, 0, 9, vec![1; 200_000]),
            Message::new(MessageKind::Audio, u32::MAX, 9, vec![2; 300]),
            Message::new(MessageKind::Audio, u32::MAX, 9, Vec::new()),
        ];
        for message in &sent {
            assert!(pair.client.send_media(message));
        }
        pair.run();
        let expected: Vec<_> = sent
            .iter()
            .map(|message| Message {
                stream_id: 1,
                ..message.clone()
            })
            .collect();
        assert_eq!(media(&pair.from_client), expected);

        pair.from_client.clear();
        pair.client.unpublish();
        assert!(!pair.client.send_media(&sent[0]));
        pair.run();
        assert_eq!(
            pair.from_client,
            [
                server::Event::FcUnpublish {
                    transaction: 6.0,
                    name: named("s?k=v")
                },
                server::Event::DeleteStream { stream_id: 1 },
            ]
        );
    }
}

#[test]
fn playing_in_the_order_that_players_expect_in_one_write() {
    for (reset, recorded) in [(true, false), (false, true)] {
        let mut pair = Pair::new(ConnectOptions::new("live", "rtmp://edge/live"), 100_000);
        pair.client.play("s", -1_000.0);
        pair.server.accept_connect(1.0, Vec::new());
        pair.run();
        let Some(server::Event::Play(play)) = pair
            .from_client
            .iter()
            .find(|event| matches!(event, server::Event::Play(_)))
        else {
            panic!("{:?}", pair.from_client);
        };
        assert_eq!(
            (play.name.as_str(), play.start, play.duration, play.reset),
            ("s", -1_000.0, -1_000.0, true)
        );
        assert!(
            pair.from_client
                .iter()
                .any(|event| matches!(event, server::Event::BufferLength { stream_id: 1, .. }))
        );
        pair.from_server.clear();
        pair.server_sends.clear();
        pair.server.start_play(1, "s", reset, recorded);
        pair.run();
        assert_eq!(pair.server_sends.len(), 1);
        let heard: Vec<String> = pair
            .from_server
            .iter()
            .map(|event| match event {
                client::Event::StreamBegin { stream_id: 1 } => "begin".to_owned(),
                client::Event::StreamIsRecorded { stream_id: 1 } => "recorded".to_owned(),
                client::Event::Status {
                    stream_id: 1, code, ..
                } => code.clone(),
                client::Event::Media(message) => data::name(message).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: &[&str] = if reset {
            &[
                "begin",
                "NetStream.Play.Reset",
                "NetStream.Play.Start",
                "|RtmpSampleAccess",
            ]
        } else {
            &[
                "begin",
                "recorded",
                "NetStream.Play.Start",
                "|RtmpSampleAccess",
            ]
        };
        assert_eq!(heard, expected);

        // Media that passes by the session, made once for all.
        pair.from_server.clear();
        let frame = Message::new(MessageKind::Video, 77, 1, vec![3; 150_000]);
        let shared = chunk::encode_shared(&frame, chunk::ChunkStreamId::Video, chunk::CHUNK_SIZE);
        pair.client.handle(&shared, NOW).unwrap();
        pair.server.acknowledge_sent(shared.len() as u64);
        pair.server.stream_eof(1);
        pair.server.unpublish_notify(1, "s");
        pair.run();
        assert_eq!(pair.from_server[0], client::Event::Media(frame));
        assert_eq!(
            pair.codes(),
            ["NetStream.Play.Stop", "NetStream.Play.UnpublishNotify"]
        );
        assert!(
            pair.from_server
                .contains(&client::Event::StreamEof { stream_id: 1 })
        );
        assert_eq!(pair.server.sent(), pair.client.received());
    }
}

#[test]
fn what_a_player_wants_first_is_read_as_real_clients_send_it() {
    use server::PlayFrom::{At, Live, LiveOrRecorded};
    for (start, expected) in [
        (-2_000.0, LiveOrRecorded),
        (-2.0, LiveOrRecorded),
        (-1_000.0, Live),
        (-1.0, Live),
        (0.0, At { position_ms: 0.0 }),
        (
            1_500.0,
            At {
                position_ms: 1_500.0,
            },
        ),
        (f64::NAN, LiveOrRecorded),
    ] {
        let name = String::new();
        let play = server::Play {
            transaction: 0.0,
            stream_id: 1,
            name,
            start,
            duration: -1.0,
            reset: true,
        };
        assert_eq!(play.from(), expected, "{start}");
    }
}

#[test]
fn a_players_wishes_and_unknown_commands_arrive() {
    let mut pair = Pair::connected(100_000);
    pair.client.play("s", -2_000.0);
    pair.run();
    pair.from_client.clear();
    let wishes = [
        Command::new("pause", 0.0, vec![Value::Null, true.into(), 1_500.0.into()]),
        Command::new("seek", 0.0, vec![Value::Null, 2_500.0.into()]),
        Command::new("receiveAudio", 0.0, vec![Value::Null, false.into()]),
        Command::new("receiveVideo", 0.0, vec![Value::Null, true.into()]),
        Command::new(
            "play",
            0.0,
            vec![Value::Null, "t".into(), 3.0.into(), 4.0.into(), 0.0.into()],
        ),
        Command::new("getStreamLength", 9.0, vec![Value::Null, "t".into()]),
        Command::new("FCSubscribe", 8.0, vec![Value::Null, "t".into()]),
        Command::new(
            "doIt",
            12.0,
            vec![
                Value::Null,
                Value::Date {
                    unix_ms: 1.0,
                    zone: 0,
                },
            ],
        ),
        Command::new("play", 0.0, vec![Value::Null, false.into()]),
    ];
    for wish in &wishes {
        pair.client.send_command(1, wish);
    }
    pair.run();
    assert_eq!(
        pair.from_client,
        [
            server::Event::Pause {
                stream_id: 1,
                paused: true,
                position_ms: 1_500.0
            },
            server::Event::Seek {
                stream_id: 1,
                position_ms: 2_500.0
            },
            server::Event::ReceiveAudio {
                stream_id: 1,
                wanted: false
            },
            server::Event::ReceiveVideo {
                stream_id: 1,
                wanted: true
            },
            server::Event::Play(server::Play {
                transaction: 0.0,
                stream_id: 1,
                name: "t".to_owned(),
                start: 3.0,
                duration: 4.0,
                reset: false,
            }),
            server::Event::GetStreamLength {
                transaction: 9.0,
                name: "t".to_owned()
            },
            server::Event::FcSubscribe {
                transaction: 8.0,
                name: "t".to_owned()
            },
            server::Event::Command {
                stream_id: 1,
                command: Box::new(wishes[7].clone())
            },
            server::Event::CloseStream { stream_id: 1 },
        ]
    );
    pair.from_server.clear();
    let call = pair.client.call(0, "sum", vec![Value::Null]);
    pair.server.error(call, vec![Value::Null, "no".into()]);
    pair.server
        .send_command(0, &Command::new("close", 0.0, vec![Value::Null]));
    pair.run();
    assert_eq!(
        pair.from_server[0],
        client::Event::Answer {
            transaction: call,
            ok: false,
            values: vec![Value::Null, "no".into()]
        }
    );
    assert!(
        matches!(&pair.from_server[1], client::Event::Command { command, .. } if command.name == "close")
    );
}

/// The commands among a server's bytes, each in its form.
fn commands_sent(bytes: &[u8]) -> Vec<(MessageKind, Command)> {
    let mut reader = chunk::Reader::new(Limits::default());
    let mut input = bytes;
    let mut commands = Vec::new();
    while let Some(message) = reader.read(&mut input).unwrap() {
        if let MessageKind::CommandAmf0 | MessageKind::CommandAmf3 = message.kind {
            commands.push((message.kind, Command::parse(&message).unwrap()));
        }
    }
    commands
}

#[test]
fn a_client_is_answered_in_the_form_in_which_it_speaks() {
    use MessageKind::{CommandAmf0, CommandAmf3};
    for (form, encoding) in [(CommandAmf0, 0.0), (CommandAmf0, 3.0), (CommandAmf3, 3.0)] {
        let mut options = ConnectOptions::new("live", "rtmp://edge/live");
        options.extra = vec![("objectEncoding".to_owned(), encoding.into())];
        let mut pair = Pair::new(options, 100_000);
        pair.server.accept_connect(1.0, Vec::new());
        pair.run();
        // The name and the start are in AMF3 form, as a client that speaks it may send them.
        let mut play = Command::new("play", 4.0, vec![Value::Null]);
        play.raw = [&play.raw[..], b"\x11\x06\x03s\x11\x04\x00"]
            .concat()
            .into();
        for (stream_id, command) in [
            (0, Command::new("createStream", 2.0, vec![Value::Null])),
            (1, play),
        ] {
            pair.client.send_message(&match form {
                CommandAmf3 => command.amf3_message(stream_id),
                _ => command.message(stream_id),
            });
            pair.run();
        }
        let Some(server::Event::Play(play)) = pair.from_client.last() else {
            panic!("{:?}", pair.from_client);
        };
        assert_eq!((play.name.as_str(), play.start), ("s", 0.0));
        pair.server.status(1, "status", "Some.Code", "", Vec::new());
        pair.run();
        let sent = commands_sent(&pair.server_bytes[3_073..]);
        let info = sent[0].1.argument(1).unwrap();
        assert_eq!(info.get("objectEncoding"), Some(&encoding.into()));
        let forms: Vec<_> = sent[1..].iter().map(|(kind, _)| *kind).collect();
        assert_eq!(forms, [form, form]);
    }
}

#[test]
fn aggregates_shared_objects_and_unknown_kinds_pass() {
    let mut pair = Pair::connected(100_000);
    pair.client.publish("s", PublishKind::Live);
    pair.run();
    pair.from_client.clear();
    let part = b"\x08\0\0\x01\0\0\x05\0\0\0\0a\0\0\0\x0c\x09\0\0\x01\0\0\x09\0\0\0\0v\0\0\0\x0c";
    pair.client
        .send_message(&Message::new(MessageKind::Aggregate, 100, 1, &part[..]));
    let others = [
        Message::new(MessageKind::SharedObjectAmf0, 1, 0, &b"so"[..]),
        Message::new(MessageKind::Other(99), 2, 0, &b"?"[..]),
    ];
    for other in &others {
        pair.client.send_message(other);
    }
    pair.client.send_message(&Message::new(
        MessageKind::Audio,
        0,
        2,
        &b"on no stream"[..],
    ));
    pair.run();
    assert_eq!(
        media(&pair.from_client),
        [
            Message::new(MessageKind::Audio, 100, 1, &b"a"[..]),
            Message::new(MessageKind::Video, 104, 1, &b"v"[..])
        ]
    );
    assert_eq!(pair.from_client[2..], others.map(server::Event::Other));
}

#[test]
fn pings_are_answered_both_ways_and_acknowledgements_count_in_all() {
    let mut pair = Pair::connected(100_000);
    pair.server.ping(Duration::from_millis(0x1_0000_0005));
    pair.client.ping(Duration::from_millis(6));
    pair.run();
    assert_eq!(
        pair.from_client,
        [server::Event::PingResponse { timestamp: 5 }]
    );
    assert_eq!(
        pair.from_server,
        [client::Event::PingResponse { timestamp: 6 }]
    );

    pair.client.publish("s", PublishKind::Live);
    pair.run();
    pair.server.set_admitted(true);
    for _ in 0..60 {
        pair.client
            .send_media(&Message::new(MessageKind::Video, 0, 1, vec![0; 100_000]));
        pair.run();
    }
    assert!(
        pair.client.acknowledged() > 5_000_000,
        "{}",
        pair.client.acknowledged()
    );
    assert!(pair.client.acknowledged() <= pair.client.sent());
    assert_eq!(pair.client.sent(), pair.server.received());
}

#[test]
fn message_streams_are_given_again_and_bounded() {
    let mut pair = Pair::connected(100_000);
    for _ in 0..3 {
        pair.client.play("s", -2_000.0);
        pair.run();
        pair.client.close();
        pair.run();
    }
    let given: Vec<_> = pair
        .from_client
        .iter()
        .filter(|event| matches!(event, server::Event::CreateStream { .. }))
        .collect();
    assert_eq!(given, [&server::Event::CreateStream { stream_id: 1 }; 3]);

    for _ in 0..32 {
        pair.client.call(0, "createStream", vec![Value::Null]);
    }
    pair.run();
    pair.client.call(0, "createStream", vec![Value::Null]);
    let mut fault = None;
    while let Some(client::Output::Send(bytes)) = pair.client.poll_output() {
        fault = pair.server.handle(&bytes, NOW).err();
    }
    assert_eq!(fault, Some(Fault::MessageStreams(32)));
    assert_eq!(
        pair.server.handle(b"", NOW),
        Err(Fault::MessageStreams(32)),
        "it stays over"
    );
}

#[test]
fn an_error_frees_the_message_stream_for_another_try() {
    let mut pair = Pair::connected(100_000);
    pair.client.play("missing", -2_000.0);
    pair.run();
    pair.server.status(
        1,
        "error",
        "NetStream.Play.StreamNotFound",
        "no such stream",
        Vec::new(),
    );
    pair.run();
    assert_eq!(pair.codes(), ["NetStream.Play.StreamNotFound"]);
    pair.from_client.clear();
    let publish = Command::new("publish", 0.0, vec![Value::Null, "s".into()]);
    pair.client.send_command(1, &publish);
    pair.run();
    assert!(matches!(&pair.from_client[..], [server::Event::Publish(_)]));
}

#[test]
fn silence_ends_each_phase_in_its_time() {
    let mut server = server::Session::new(Limits::default(), NOW);
    let deadline = server.next_deadline().unwrap();
    assert_eq!(deadline, NOW + Duration::from_secs(10));
    assert_eq!(server.handle_timeout(NOW), Ok(()));
    assert_eq!(
        server.handle_timeout(deadline),
        Err(Fault::HandshakeTimeout(Duration::from_secs(10)))
    );
    assert_eq!(server.next_deadline(), None);

    let mut client = client::Session::new(
        ConnectOptions::new("a", "rtmp://b/a"),
        Limits::default(),
        Duration::ZERO,
    );
    let mut server = server::Session::new(Limits::default(), Duration::ZERO);
    // The handshake alone: of the client's second send only the 1,536 bytes that end it.
    let later = Duration::from_secs(9);
    let Some(client::Output::Send(hello)) = client.poll_output() else {
        panic!()
    };
    server.handle(&hello, Duration::ZERO).unwrap();
    let Some(server::Output::Send(answer)) = server.poll_output() else {
        panic!()
    };
    client.handle(&answer, later).unwrap();
    let Some(client::Output::Send(rest)) = client.poll_output() else {
        panic!()
    };
    server.handle(&rest[..1536], later).unwrap();
    for deadline in [server.next_deadline(), client.next_deadline()] {
        assert_eq!(deadline, Some(later + Duration::from_secs(10)));
    }
    let over = later + Duration::from_secs(10);
    let fault = Err(Fault::ConnectTimeout(Duration::from_secs(10)));
    assert_eq!(server.handle_timeout(over), fault);
    assert_eq!(client.handle_timeout(over), fault);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(step in 1..2_000_usize) {
        let run = |step| {
            let mut pair = Pair::connected(step);
            pair.client.publish("s", PublishKind::Live);
            pair.run();
            pair.server.accept_publish(1);
            pair.client.send_media(&Message::new(MessageKind::Video, 1, 1, vec![5; 3_000]));
            pair.client.send_media(&Message::new(MessageKind::Audio, 0x0100_0000, 1, vec![6; 70]));
            pair.client.close();
            pair.run();
            (pair.from_client, pair.from_server)
        };
        prop_assert_eq!(run(step), run(1_000_000));
    }
}
