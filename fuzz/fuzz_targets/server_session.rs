//! A server's session after the handshake, fed any bytes in pieces, and answered as an edge does.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rtmp::handshake::ClientHandshake;
use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, data};

fuzz_target!(|input: &[u8]| {
    let [choice, input @ ..] = input else { return };
    let now = Duration::ZERO;
    let mut session = Session::new(Limits::default(), now);
    if choice & 1 == 0 {
        let (_, hello) = ClientHandshake::new();
        session
            .handle(&hello, now)
            .expect("our own handshake is well");
        session
            .handle(&[0; 1536], now)
            .expect("the last packet is not judged");
    }
    let mut bound = 64 << 10;
    for piece in input.chunks(usize::from(choice >> 2) * 8 + 1) {
        let end = session.handle(piece, now);
        while let Some(output) = session.poll_output() {
            let Output::Event(event) = output else {
                continue;
            };
            match event {
                Event::Connect(connect) if choice & 2 == 0 => {
                    session.accept_connect(connect.transaction, Vec::new())
                }
                Event::Connect(connect) => {
                    session.reject_connect(connect.transaction, "code", "description", Vec::new());
                }
                Event::Publish(publish) => {
                    session.accept_publish(publish.stream_id);
                    session.set_admitted(true);
                    bound = 16 << 20;
                }
                Event::Play(play) => {
                    session.start_play(play.stream_id, &play.name, play.reset, true)
                }
                Event::Media(message) => drop(data::for_viewers(&message)),
                _ => {}
            }
        }
        assert!(session.held() <= bound);
        if end.is_err() {
            assert_eq!(session.handle(b"", now), end);
            return;
        }
    }
});
