//! Both ends of the handshake from any bytes, whole and in pieces: they end alike, take no more than
//! their part, and answer once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::Fault;
use rtmp::handshake::{ClientHandshake, ServerHandshake};

/// What one end makes of its input: whether it is done, how many answers it gave, what it left.
type End = Result<(bool, usize, usize), Fault>;

fn server(input: &[u8], step: usize) -> End {
    let mut handshake = ServerHandshake::new();
    let (mut answers, mut left) = (0, 0);
    for mut piece in input.chunks(step) {
        answers += usize::from(handshake.handle(&mut piece)?.is_some());
        left += piece.len();
    }
    Ok((handshake.is_done(), answers, left))
}

fn client(input: &[u8], step: usize) -> End {
    let (mut handshake, _) = ClientHandshake::new();
    let (mut answers, mut left) = (0, 0);
    for mut piece in input.chunks(step) {
        answers += usize::from(handshake.handle(&mut piece)?.is_some());
        left += piece.len();
    }
    Ok((handshake.is_done(), answers, left))
}

fuzz_target!(|input: &[u8]| {
    let [step, rest @ ..] = input else { return };
    // Most of a handshake is noise: what was not given is zeros.
    let mut whole = rest.to_vec();
    if step & 1 == 0 {
        whole.resize(3_073 + usize::from(*step), 0);
    }
    for end in [server, client] {
        let at_once = end(&whole, usize::MAX);
        assert_eq!(at_once, end(&whole, usize::from(*step) * 16 + 1));
        if let Ok((done, answers, left)) = at_once {
            assert_eq!(done, whole.len() >= 3_073);
            assert!(answers <= 1 && left == whole.len().saturating_sub(3_073));
        }
    }
});
