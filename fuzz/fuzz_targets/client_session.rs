//! A client's session after the handshake, fed any bytes in pieces, with a stream asked for.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rtmp::Limits;
use rtmp::client::{ConnectOptions, PublishKind, Session};

fuzz_target!(|input: &[u8]| {
    let [choice, input @ ..] = input else { return };
    let now = Duration::ZERO;
    let mut session = Session::new(
        ConnectOptions::new("app", "rtmp://host/app"),
        Limits::default(),
        now,
    );
    if choice & 1 == 0 {
        let mut answer = vec![0; 3073];
        answer[0] = 3;
        session
            .handle(&answer, now)
            .expect("a simple handshake is well");
    }
    match choice & 2 {
        0 => session.play("stream", -2_000.0),
        _ => session.publish("stream", PublishKind::Live),
    }
    for piece in input.chunks(usize::from(choice >> 2) * 8 + 1) {
        let end = session.handle(piece, now);
        while session.poll_output().is_some() {}
        assert!(session.held() <= 16 << 20);
        if end.is_err() {
            break;
        }
    }
    session.close();
    while session.poll_output().is_some() {}
});
