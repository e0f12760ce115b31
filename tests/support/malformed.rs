//! Malformed and hostile inputs: each must end its own session and nothing else. A fault is proven by its bytes
//! and ends at once; what is only unfinished ends by a deadline. Written from the specification and apart from
//! the `rtmp` crate, so that a mistake there is not made here too.

mod amf;
mod chunks;
mod orders;
mod quiet;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::attack::{Ended, Packet, Raw, kind};

pub(crate) use quiet::quiet;

/// How long a test waits for the end of what should end at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far a connection has come when the bytes are sent.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing was said.
    Open,
    /// The handshake is done.
    Greeted,
    /// `connect` was accepted.
    Connected,
    /// A stream is being published on message stream 1.
    Publishing,
}

/// What is proven to be wrong as soon as it is read.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    stage: Stage,
    bytes: fn() -> Vec<u8>,
}

impl Fault {
    const fn new(name: &'static str, stage: Stage, bytes: fn() -> Vec<u8>) -> Self {
        Fault { name, stage, bytes }
    }

    /// Does it on a new connection, and says how the peer ended it.
    pub(crate) fn run(&self, address: &str) -> Ended {
        let bytes = (self.bytes)();
        let mut raw = at(self.stage, address);
        raw.send(&bytes);
        raw.until_ended(PATIENCE)
    }
}

/// All of them.
pub(crate) fn faults() -> impl Iterator<Item = &'static Fault> {
    chunks::ALL.iter().chain(amf::ALL).chain(orders::ALL)
}

fn at(stage: Stage, address: &str) -> Raw {
    static STREAMS: AtomicU32 = AtomicU32::new(0);
    let url = format!("rtmp://{address}/live");
    match stage {
        Stage::Open => Raw::open(address),
        Stage::Greeted => Raw::greeted(address),
        Stage::Connected => {
            let mut raw = Raw::greeted(address);
            raw.connect("live", &url);
            raw
        }
        Stage::Publishing => {
            let mut raw = Raw::greeted(address);
            // Two of one name would be about who may publish.
            let stream = format!("hostile-{}", STREAMS.fetch_add(1, Ordering::Relaxed));
            raw.publish("live", &url, &stream);
            raw
        }
    }
}

/// A whole message on message stream 0.
fn message(kind: u8, payload: Vec<u8>) -> Vec<u8> {
    on_stream(0, kind, payload)
}

/// A whole message on some message stream, in chunks of the first size.
fn on_stream(stream_id: u32, kind: u8, payload: Vec<u8>) -> Vec<u8> {
    let packet = Packet {
        chunk_stream: 3,
        kind,
        timestamp: 0,
        stream_id,
        payload,
    };
    packet.chunks(128).concat()
}

/// The header of a message that never comes.
fn announced(chunk_stream: u8, kind: u8, length: u32) -> Vec<u8> {
    let mut header = vec![chunk_stream, 0, 0, 0];
    header.extend_from_slice(&length.to_be_bytes()[1..]);
    header.extend_from_slice(&[kind, 1, 0, 0, 0]);
    header
}

fn chunk_size(size: u32) -> Vec<u8> {
    message(kind::SET_CHUNK_SIZE, size.to_be_bytes().to_vec())
}
