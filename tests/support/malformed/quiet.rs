//! What is wrong only because it does not go on: silence, drips, and valid sessions that break off. It ends by
//! a deadline of laws.md section 6: 10 s for the handshake, 10 s more for `connect`.

use std::time::Duration;

use super::{PATIENCE, Raw};
use crate::harness::attack::{Ended, HANDSHAKE_BYTES, Packet, kind, number, object, string};

/// The longest that it may go on: the deadline, and room for a busy machine.
const WITHIN: Duration = Duration::from_secs(13);

/// Messages of a storm: more than the budget for tiny chunks of one second (rtmp's limits).
const STORM: usize = 400_000;

/// Something that does not go on.
pub(crate) struct Quiet {
    pub(crate) name: String,
    does: Box<dyn Fn(&str) -> Ended + Send + Sync>,
}

impl Quiet {
    fn new(name: &str, does: impl Fn(&str) -> Ended + Send + Sync + 'static) -> Self {
        Quiet {
            name: name.to_owned(),
            does: Box::new(does),
        }
    }

    /// Does it on a new connection, and says whether the peer ended it in time.
    pub(crate) fn ends_in_time(&self, address: &str) -> bool {
        let ended = (self.does)(address);
        ended.after.is_some_and(|after| after <= WITHIN)
    }
}

/// All of them, among them a valid session cut off at `cuts` places of each of its parts.
pub(crate) fn quiet(cuts: usize) -> Vec<Quiet> {
    let mut all = vec![
        Quiet::new("a handshake that never ends", |to| {
            Raw::open(to).drip(WITHIN * 2)
        }),
        Quiet::new("silence", |to| Raw::open(to).until_ended(WITHIN * 2)),
        Quiet::new("silence after the handshake", |to| {
            Raw::greeted(to).until_ended(WITHIN * 2)
        }),
        Quiet::new("random bytes", |to| sends(Raw::open(to), &noise())),
        Quiet::new("random bytes after the handshake", |to| {
            sends(Raw::greeted(to), &noise())
        }),
        Quiet::new("pings, and no reading of answers", |to| {
            sends(Raw::greeted(to), &storm(4, &[0, 6, 0, 0, 0, 1]))
        }),
        // How fast a storm is read tells whether it is over by the budget for tiny chunks or by a deadline.
        Quiet::new("a storm of aborts", |to| {
            sends(Raw::greeted(to), &storm(2, &[0, 0, 0, 9]))
        }),
        Quiet::new("a storm of chunk sizes", |to| {
            sends(Raw::greeted(to), &storm(1, &[0, 0, 0, 128]))
        }),
        Quiet::new("a storm of acknowledgements", |to| {
            sends(Raw::greeted(to), &storm(3, &[0, 0, 0, 1]))
        }),
        Quiet::new("windows and bandwidths of 0", |to| {
            let zero = [storm(5, &[0; 4]), storm(6, &[0; 5])].concat();
            sends(Raw::greeted(to), &zero)
        }),
        Quiet::new("aborts in chunks of one byte", |to| {
            let one = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1];
            let first = [
                2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0xc2, 0, 0xc2, 0, 0xc2, 9,
            ];
            let again = [0xc2, 0, 0xc2, 0, 0xc2, 0, 0xc2, 9].repeat(STORM);
            sends(
                Raw::greeted(to),
                &[one.to_vec(), first.to_vec(), again].concat(),
            )
        }),
    ];
    let cut = |length: usize| (0..cuts).map(move |at| 1 + at * (length - 1) / cuts);
    for at in cut(1 + HANDSHAKE_BYTES) {
        all.push(Quiet::new(
            &format!("a handshake of {at} bytes"),
            move |to| {
                let mut hello = vec![0; at];
                hello[0] = 3;
                sends(Raw::open(to), &hello)
            },
        ));
    }
    for at in cut(HANDSHAKE_BYTES) {
        all.push(Quiet::new(
            &format!("{at} bytes of the handshake's end"),
            move |to| {
                let mut raw = Raw::open(to);
                raw.send(&[vec![3], vec![0; HANDSHAKE_BYTES]].concat());
                sends(raw, &vec![0; at])
            },
        ));
    }
    let connect = connect();
    for at in cut(connect.len()) {
        let part = connect[..at].to_vec();
        all.push(Quiet::new(&format!("{at} bytes of connect"), move |to| {
            sends(Raw::greeted(to), &part)
        }));
    }
    all
}

/// A control message again and again, each begun by a header of one byte.
fn storm(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("control messages are short");
    let mut bytes = vec![2, 0, 0, 0, 0, 0, length, kind, 0, 0, 0, 0];
    bytes.extend_from_slice(payload);
    bytes.extend([&[0xc2], payload].concat().repeat(STORM));
    bytes
}

fn sends(mut raw: Raw, bytes: &[u8]) -> Ended {
    raw.send(bytes);
    raw.until_ended(WITHIN + PATIENCE)
}

/// `connect` as encoders say it.
fn connect() -> Vec<u8> {
    let properties = object(&[
        ("app", string("live")),
        ("type", string("nonprivate")),
        ("flashVer", string("FMLE/3.0 (compatible; test)")),
        ("tcUrl", string("rtmp://edge.example/live")),
    ]);
    let packet = Packet {
        chunk_stream: 3,
        kind: kind::COMMAND,
        timestamp: 0,
        stream_id: 0,
        payload: [string("connect"), number(1.0), properties].concat(),
    };
    packet.chunks(128).concat()
}

/// The same 64 KiB each time (Marsaglia's xorshift).
fn noise() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..8 << 10).flat_map(|_| next().to_le_bytes()).collect()
}
