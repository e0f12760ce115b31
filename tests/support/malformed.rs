//! The malformed inputs that must end their own session and nothing else. Each is a name, what it does on a
//! new connection, and the longest it may go on.

use std::time::Duration;

use super::attack::{Ended, Packet, Raw, kind, number, string};

/// Refused as soon as it is read.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Not worth a fault of its own, so ended by a deadline of laws.md section 6: 10 s for the handshake, then 10 s
/// for `connect`, and room for a busy machine.
const BY_DEADLINE: Duration = Duration::from_secs(22);
/// The handshake's deadline alone, and room.
const BY_HANDSHAKE: Duration = Duration::from_secs(12);

pub(crate) struct Malformed {
    pub(crate) name: &'static str,
    pub(crate) within: Duration,
    send: fn(&str, Duration) -> Ended,
}

impl Malformed {
    /// Does it, and says how the peer ended it, waiting twice as long as it may take.
    pub(crate) fn run(&self, address: &str) -> Ended {
        (self.send)(address, self.within * 2)
    }
}

pub(crate) const ALL: &[Malformed] = &[
    Malformed {
        name: "nested AMF0",
        within: AT_ONCE,
        send: nested,
    },
    Malformed {
        name: "an empty command",
        within: BY_DEADLINE,
        send: |to, d| message(to, kind::COMMAND, Vec::new(), d),
    },
    Malformed {
        name: "a command of one value",
        within: BY_DEADLINE,
        send: |to, d| message(to, kind::COMMAND, string("connect"), d),
    },
    Malformed {
        name: "@setDataFrame alone",
        within: BY_DEADLINE,
        send: |to, d| message(to, kind::DATA, string("@setDataFrame"), d),
    },
    Malformed {
        name: "chunk size 0",
        within: AT_ONCE,
        send: |to, d| chunk_size(to, 0, d),
    },
    Malformed {
        name: "chunk size 2^31-1",
        within: AT_ONCE,
        send: |to, d| chunk_size(to, 0x7fff_ffff, d),
    },
    Malformed {
        name: "16 MiB before connect",
        within: AT_ONCE,
        send: huge,
    },
    Malformed {
        name: "65,000 chunk streams",
        within: AT_ONCE,
        send: many_chunk_streams,
    },
    Malformed {
        name: "a handshake that never ends",
        within: BY_HANDSHAKE,
        send: |to, d| Raw::open(to).drip(d),
    },
    Malformed {
        name: "silence",
        within: BY_HANDSHAKE,
        send: |to, d| Raw::open(to).until_ended(d),
    },
    Malformed {
        name: "garbage",
        within: BY_HANDSHAKE,
        send: garbage,
    },
    Malformed {
        name: "garbage after the handshake",
        within: BY_DEADLINE,
        send: late_garbage,
    },
];

fn message(address: &str, kind: u8, payload: Vec<u8>, deadline: Duration) -> Ended {
    let mut raw = Raw::greeted(address);
    raw.send_packet(&Packet {
        chunk_stream: 3,
        kind,
        timestamp: 0,
        stream_id: 0,
        payload,
    });
    raw.until_ended(deadline)
}

fn chunk_size(address: &str, size: u32, deadline: Duration) -> Ended {
    message(
        address,
        kind::SET_CHUNK_SIZE,
        size.to_be_bytes().to_vec(),
        deadline,
    )
}

/// `connect` with 10,000 arrays in each other: under the cap of a command, far over that of depth.
fn nested(address: &str, deadline: Duration) -> Ended {
    let arrays = [10, 0, 0, 0, 1].repeat(10_000);
    message(
        address,
        kind::COMMAND,
        [string("connect"), number(1.0), arrays, vec![5]].concat(),
        deadline,
    )
}

fn huge(address: &str, deadline: Duration) -> Ended {
    let mut raw = Raw::greeted(address);
    let payload = vec![0; (16 << 20) - 1];
    raw.send_packet(&Packet {
        chunk_stream: 6,
        kind: kind::VIDEO,
        timestamp: 0,
        stream_id: 1,
        payload,
    });
    raw.until_ended(deadline)
}

/// On each chunk stream a message is begun and never finished, in chunks of one byte.
fn many_chunk_streams(address: &str, deadline: Duration) -> Ended {
    let mut raw = Raw::greeted(address);
    let payload = 1u32.to_be_bytes().to_vec();
    raw.send_packet(&Packet {
        chunk_stream: 2,
        kind: kind::SET_CHUNK_SIZE,
        timestamp: 0,
        stream_id: 0,
        payload,
    });
    let mut chunks = Vec::new();
    for id in 0..65_000u16 {
        chunks.push(1);
        chunks.extend_from_slice(&id.to_le_bytes());
        chunks.extend_from_slice(&[0, 0, 0, 0, 3, 0xe8, kind::VIDEO, 1, 0, 0, 0, 0xff]);
    }
    raw.send(&chunks);
    raw.until_ended(deadline)
}

fn garbage(address: &str, deadline: Duration) -> Ended {
    let mut raw = Raw::open(address);
    raw.send(&noise());
    raw.until_ended(deadline)
}

fn late_garbage(address: &str, deadline: Duration) -> Ended {
    let mut raw = Raw::greeted(address);
    raw.send(&noise());
    raw.until_ended(deadline)
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
