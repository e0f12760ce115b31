//! Our sessions against those of another library, as an independent peer.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
    PublishRequestType, ServerSession, ServerSessionConfig, ServerSessionEvent,
    ServerSessionResult, StreamMetadata,
};
use rml_rtmp::time::RtmpTimestamp;
use rtmp::client::ConnectOptions;
use rtmp::server::PublishKind;
use rtmp::{Limits, Message, MessageKind, chunk, client, data, server};

const NOW: Duration = Duration::ZERO;

/// Messages with times that rise and fall, sizes from nothing up, in one, two and many chunks.
fn sample() -> Vec<Message> {
    let sizes = [1, 127, 128, 129, 4_096, 65_536, 65_537, 300_000];
    let mut messages = Vec::new();
    for (index, size) in sizes.into_iter().enumerate() {
        let byte = u8::try_from(index).unwrap();
        let time = 40 * u32::from(byte);
        messages.push(Message::new(MessageKind::Video, time, 1, vec![byte; size]));
        messages.push(Message::new(
            MessageKind::Audio,
            time + 23,
            1,
            vec![byte; size / 3 + 1],
        ));
        messages.push(Message::new(
            MessageKind::Audio,
            0x0100_0000 + time,
            1,
            vec![byte; 200],
        ));
    }
    messages
}

/// The other library's handshake, both of whose ends end with what they have to say.
fn handshake_as(peer: &mut Handshake, bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    match peer.process_bytes(bytes).unwrap() {
        HandshakeProcessResult::InProgress { response_bytes } => (response_bytes, None),
        HandshakeProcessResult::Completed {
            response_bytes,
            remaining_bytes,
        } => (response_bytes, Some(remaining_bytes)),
    }
}

/// Everything our server has to send, and its events.
fn drain_server(ours: &mut server::Session) -> (Vec<u8>, Vec<server::Event>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = ours.poll_output() {
        match output {
            server::Output::Send(part) => bytes.extend_from_slice(&part),
            server::Output::Event(event) => events.push(event),
        }
    }
    (bytes, events)
}

/// Everything our client has to send, and its events.
fn drain_client(ours: &mut client::Session) -> (Vec<u8>, Vec<client::Event>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = ours.poll_output() {
        match output {
            client::Output::Send(part) => bytes.extend_from_slice(&part),
            client::Output::Event(event) => events.push(event),
        }
    }
    (bytes, events)
}

/// The other library's client, connected to our server.
struct TheirClient {
    theirs: ClientSession,
    ours: server::Session,
    heard: Vec<ClientSessionEvent>,
    events: Vec<server::Event>,
}

impl TheirClient {
    fn connected() -> Self {
        let mut ours = server::Session::new(Limits::default(), NOW);
        let mut handshake = Handshake::new(PeerType::Client);
        let hello = handshake.generate_outbound_p0_and_p1().unwrap();
        ours.handle(&hello, NOW).unwrap();
        let (answer, _) = drain_server(&mut ours);
        let (last, rest) = handshake_as(&mut handshake, &answer);
        assert_eq!(rest, Some(Vec::new()));
        ours.handle(&last, NOW).unwrap();
        let (theirs, first) = ClientSession::new(ClientSessionConfig::new()).unwrap();
        let mut pair = Self {
            theirs,
            ours,
            heard: Vec::new(),
            events: Vec::new(),
        };
        pair.take(first);
        let connect = pair.theirs.request_connection("live".to_owned()).unwrap();
        pair.take(vec![connect]);
        let [server::Event::Connect(connect)] = pair.events.as_slice() else {
            panic!("{:?}", pair.events);
        };
        assert_eq!(connect.app, "live");
        let transaction = connect.transaction;
        pair.ours.accept_connect(transaction, Vec::new());
        pair.run();
        assert!(
            pair.heard
                .contains(&ClientSessionEvent::ConnectionRequestAccepted),
            "{:?}",
            pair.heard
        );
        pair.events.clear();
        pair
    }

    fn take(&mut self, results: Vec<ClientSessionResult>) {
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    self.ours.handle(&packet.bytes, NOW).unwrap()
                }
                ClientSessionResult::RaisedEvent(event) => self.heard.push(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        self.run();
    }

    fn run(&mut self) {
        let (bytes, events) = drain_server(&mut self.ours);
        self.events.extend(events);
        if !bytes.is_empty() {
            let results = self.theirs.handle_input(&bytes).unwrap();
            self.take(results);
        }
    }
}

#[test]
fn their_client_publishes_to_our_server() {
    let mut pair = TheirClient::connected();
    let request = pair
        .theirs
        .request_publishing("s".to_owned(), PublishRequestType::Live)
        .unwrap();
    pair.take(vec![request]);
    let Some(server::Event::Publish(publish)) = pair.events.last().cloned() else {
        panic!("{:?}", pair.events);
    };
    assert_eq!(
        (publish.name.as_str(), publish.kind),
        ("s", PublishKind::Live)
    );
    pair.ours.set_admitted(true);
    pair.ours.accept_publish(publish.stream_id);
    pair.run();
    assert!(
        pair.heard
            .contains(&ClientSessionEvent::PublishRequestAccepted),
        "{:?}",
        pair.heard
    );

    pair.events.clear();
    let mut metadata = StreamMetadata::new();
    metadata.video_width = Some(640);
    let result = pair.theirs.publish_metadata(&metadata).unwrap();
    pair.take(vec![result]);
    let Some(server::Event::Media(message)) = pair.events.pop() else {
        panic!()
    };
    assert_eq!(
        data::name(&data::for_viewers(&message)).as_deref(),
        Some("onMetaData")
    );

    for message in sample() {
        let time = RtmpTimestamp::new(message.timestamp);
        let payload = message.payload.clone();
        let result = match message.kind {
            MessageKind::Audio => pair.theirs.publish_audio_data(payload, time, false),
            _ => pair.theirs.publish_video_data(payload, time, false),
        };
        pair.take(vec![result.unwrap()]);
        assert_eq!(pair.events.pop(), Some(server::Event::Media(message)));
    }
}

#[test]
fn their_client_plays_from_our_server_with_shared_chunks() {
    let mut pair = TheirClient::connected();
    let request = pair.theirs.request_playback("s".to_owned()).unwrap();
    pair.take(vec![request]);
    let play = pair.events.iter().find_map(|event| match event {
        server::Event::Play(play) => Some(play.clone()),
        _ => None,
    });
    let play = play.unwrap();
    assert_eq!((play.name.as_str(), play.stream_id), ("s", 1));
    pair.ours.start_play(play.stream_id, "s", play.reset, false);
    pair.run();
    assert!(
        pair.heard
            .contains(&ClientSessionEvent::PlaybackRequestAccepted),
        "{:?}",
        pair.heard
    );
    for message in sample() {
        let shared = chunk::encode_shared(
            &message,
            chunk::ChunkStreamId::of(message.kind),
            chunk::CHUNK_SIZE,
        );
        let results = pair.theirs.handle_input(&shared).unwrap();
        pair.heard.clear();
        pair.take(results);
        let (timestamp, data) = (
            RtmpTimestamp::new(message.timestamp),
            message.payload.clone(),
        );
        let expected = match message.kind {
            MessageKind::Audio => ClientSessionEvent::AudioDataReceived { timestamp, data },
            _ => ClientSessionEvent::VideoDataReceived { timestamp, data },
        };
        assert_eq!(pair.heard, [expected]);
    }
}

/// Our client, connected to the other library's server, which accepts everything.
struct TheirServer {
    theirs: ServerSession,
    ours: client::Session,
    heard: Vec<ServerSessionEvent>,
    events: Vec<client::Event>,
}

impl TheirServer {
    fn connected() -> Self {
        let mut ours = client::Session::new(
            ConnectOptions::new("live", "rtmp://origin/live"),
            Limits::default(),
            NOW,
        );
        let mut handshake = Handshake::new(PeerType::Server);
        let (hello, _) = drain_client(&mut ours);
        let (answer, _) = handshake_as(&mut handshake, &hello);
        let (theirs, first) = ServerSession::new(ServerSessionConfig::new()).unwrap();
        ours.handle(&answer, NOW).unwrap();
        let (rest, _) = drain_client(&mut ours);
        let (_, chunks) = handshake_as(&mut handshake, &rest);
        let mut pair = Self {
            theirs,
            ours,
            heard: Vec::new(),
            events: Vec::new(),
        };
        pair.take(first);
        let results = pair.theirs.handle_input(&chunks.unwrap()).unwrap();
        pair.take(results);
        assert!(
            pair.ours.is_connected(),
            "{:?} {:?}",
            pair.events,
            pair.heard
        );
        pair
    }

    fn take(&mut self, results: Vec<ServerSessionResult>) {
        for result in results {
            match result {
                ServerSessionResult::OutboundResponse(packet) => {
                    self.ours.handle(&packet.bytes, NOW).unwrap()
                }
                ServerSessionResult::RaisedEvent(event) => {
                    let request = match &event {
                        ServerSessionEvent::ConnectionRequested { request_id, .. }
                        | ServerSessionEvent::PublishStreamRequested { request_id, .. }
                        | ServerSessionEvent::ReleaseStreamRequested { request_id, .. }
                        | ServerSessionEvent::PlayStreamRequested { request_id, .. } => {
                            Some(*request_id)
                        }
                        _ => None,
                    };
                    self.heard.push(event);
                    if let Some(request) = request {
                        let results = self.theirs.accept_request(request).unwrap();
                        self.take(results);
                    }
                }
                ServerSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        self.run();
    }

    fn run(&mut self) {
        let (bytes, events) = drain_client(&mut self.ours);
        self.events.extend(events);
        if !bytes.is_empty() {
            let results = self.theirs.handle_input(&bytes).unwrap();
            self.take(results);
        }
    }

    fn has_status(&self, wanted: &str) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, client::Event::Status { code, .. } if code == wanted))
    }
}

#[test]
fn our_client_publishes_to_their_server() {
    let mut pair = TheirServer::connected();
    pair.ours.publish("s", PublishKind::Live);
    pair.run();
    assert!(
        pair.has_status("NetStream.Publish.Start"),
        "{:?}",
        pair.events
    );
    for message in sample() {
        pair.heard.clear();
        assert!(pair.ours.send_media(&message));
        pair.run();
        let (timestamp, data) = (
            RtmpTimestamp::new(message.timestamp),
            message.payload.clone(),
        );
        let (app_name, stream_key) = ("live".to_owned(), "s".to_owned());
        let expected = match message.kind {
            MessageKind::Audio => ServerSessionEvent::AudioDataReceived {
                app_name,
                stream_key,
                timestamp,
                data,
            },
            _ => ServerSessionEvent::VideoDataReceived {
                app_name,
                stream_key,
                timestamp,
                data,
            },
        };
        assert_eq!(pair.heard, [expected]);
    }
}

#[test]
fn our_client_plays_from_their_server() {
    let mut pair = TheirServer::connected();
    pair.ours.play("s", -2.0);
    pair.run();
    assert!(
        pair.has_status("NetStream.Play.Start"),
        "{:?} {:?}",
        pair.events,
        pair.heard
    );
    let stream_id = pair.heard.iter().find_map(|event| match event {
        ServerSessionEvent::PlayStreamRequested { stream_id, .. } => Some(*stream_id),
        _ => None,
    });
    let stream_id = stream_id.unwrap();
    for message in sample() {
        pair.events.clear();
        let time = RtmpTimestamp::new(message.timestamp);
        let data: Bytes = message.payload.clone();
        let packet = match message.kind {
            MessageKind::Audio => pair.theirs.send_audio_data(stream_id, data, time, false),
            _ => pair.theirs.send_video_data(stream_id, data, time, false),
        };
        pair.take(vec![ServerSessionResult::OutboundResponse(packet.unwrap())]);
        assert_eq!(
            pair.events,
            [client::Event::Media(Message {
                stream_id,
                ..message
            })]
        );
    }
}
