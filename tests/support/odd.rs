//! A publisher that keeps to the letter of the specification and to no custom: chunks of any size, headers of
//! every type, chunk stream ids of every length, messages inside messages, aggregates, times that wrap. Written
//! from the specification and apart from the `rtmp` crate.

use std::collections::HashMap;

use super::attack::{Packet, kind};

/// A way to write messages.
pub(crate) struct Odd {
    pub(crate) name: &'static str,
    /// Bytes of a chunk.
    size: u32,
    /// What is added to each message's time.
    base: u32,
    /// Whether later chunks of a message repeat an extended time, as the specification says, or not.
    repeats: bool,
    /// Bytes of a chunk stream's id: 1, 2 or 3.
    id: u8,
    /// Whether headers leave out what did not change.
    short: bool,
    /// Messages in one aggregate.
    together: usize,
    /// What stands before each message.
    before: fn() -> Vec<u8>,
}

const CUSTOM: Odd = Odd {
    name: "",
    size: 128,
    base: 0,
    repeats: true,
    id: 1,
    short: false,
    together: 1,
    before: Vec::new,
};

pub(crate) const ALL: &[Odd] = &[
    Odd {
        name: "chunks of one byte",
        size: 1,
        ..CUSTOM
    },
    Odd {
        name: "chunks of 63 bytes",
        size: 63,
        short: true,
        ..CUSTOM
    },
    Odd {
        name: "chunks as large as any message",
        size: 16_777_215,
        ..CUSTOM
    },
    Odd {
        name: "headers that leave out all they may",
        short: true,
        ..CUSTOM
    },
    Odd {
        name: "chunk stream ids of two bytes",
        id: 2,
        short: true,
        ..CUSTOM
    },
    Odd {
        name: "chunk stream ids of three bytes",
        id: 3,
        short: true,
        ..CUSTOM
    },
    Odd {
        name: "extended times, repeated",
        base: 0x0200_0000,
        ..CUSTOM
    },
    Odd {
        name: "extended times, not repeated",
        base: 0x0200_0000,
        repeats: false,
        ..CUSTOM
    },
    Odd {
        name: "times that wrap at 2^32",
        base: u32::MAX - 1_500,
        ..CUSTOM
    },
    Odd {
        name: "times that come to the extended form",
        base: 0x00ff_ffff - 1_500,
        short: true,
        ..CUSTOM
    },
    Odd {
        name: "aggregates",
        together: 5,
        size: 4_096,
        ..CUSTOM
    },
    Odd {
        name: "messages given up before each message",
        before: given_up,
        ..CUSTOM
    },
    Odd {
        name: "control that means nothing before each message",
        before: noise,
        ..CUSTOM
    },
];

/// A message begun on chunk stream 40 and aborted.
fn given_up() -> Vec<u8> {
    let begun = [
        &[40, 0, 0, 0, 0, 1, 0, kind::VIDEO, 1, 0, 0, 0][..],
        &[0xee; 128],
    ]
    .concat();
    let abort = control(2, &[0, 0, 0, 40]);
    [begun, abort].concat()
}

/// Windows of 0, old acknowledgements, events that nobody knows, media on a message stream that is not there.
fn noise() -> Vec<u8> {
    [
        control(5, &[0; 4]),
        control(6, &[0; 5]),
        control(3, &[0xff; 4]),
        control(4, &[0, 99, 1, 2, 3, 4]),
        control(2, &[0, 0, 0, 63]),
        vec![
            41,
            0,
            0,
            0,
            0,
            0,
            2,
            kind::AUDIO,
            0xff,
            0xff,
            0xff,
            0x7f,
            0xaf,
            1,
        ],
        vec![42, 0, 0, 0, 0, 0, 0, kind::VIDEO, 1, 0, 0, 0],
    ]
    .concat()
}

fn control(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("control messages are short");
    [&[2, 0, 0, 0, 0, 0, length, kind, 0, 0, 0, 0][..], payload].concat()
}

/// What a chunk stream's last header said.
struct Last {
    timestamp: u32,
    length: usize,
    kind: u8,
    step: Option<u32>,
}

impl Odd {
    /// The messages in this form, each with its own time in the file.
    pub(crate) fn write(&self, packets: &[Packet]) -> Vec<(u32, Vec<u8>)> {
        let mut last = HashMap::new();
        let mut written = vec![(0, control(1, &self.size.to_be_bytes()))];
        for group in packets.chunks(self.together) {
            let first = &group[0];
            let mut bytes = (self.before)();
            if self.together > 1 {
                bytes.extend(self.chunks(&aggregate(group), &mut last));
            } else {
                bytes.extend(self.chunks(first, &mut last));
            }
            written.push((first.timestamp, bytes));
        }
        written
    }

    fn chunks(&self, packet: &Packet, last: &mut HashMap<u8, Last>) -> Vec<u8> {
        let timestamp = packet.timestamp.wrapping_add(self.base);
        let length = packet.payload.len();
        let known = last.get(&packet.chunk_stream).filter(|_| self.short);
        let step = known.map(|known| timestamp.wrapping_sub(known.timestamp));
        let same = known.is_some_and(|one| one.length == length && one.kind == packet.kind);
        let format = match (known, step) {
            (Some(known), Some(_)) if same && known.step.is_some() && known.step == step => 3,
            (Some(_), Some(step)) if step < 0x00ff_ffff => 1 + u8::from(same),
            (_, _) => 0,
        };
        let field = if format == 0 {
            timestamp
        } else {
            step.unwrap_or_default()
        };
        let extended = field >= 0x00ff_ffff;
        let mut bytes = self.basic(format, packet.chunk_stream);
        if format < 3 {
            bytes.extend_from_slice(&field.min(0x00ff_ffff).to_be_bytes()[1..]);
        }
        if format < 2 {
            let length = u32::try_from(length).expect("a message has a length of 24 bits");
            bytes.extend_from_slice(&length.to_be_bytes()[1..]);
            bytes.push(packet.kind);
        }
        if format == 0 {
            bytes.extend_from_slice(&packet.stream_id.to_le_bytes());
        }
        let time = field.to_be_bytes();
        if extended {
            bytes.extend_from_slice(&time);
        }
        for (at, part) in packet.payload.chunks(self.size as usize).enumerate() {
            if at > 0 {
                bytes.extend(self.basic(3, packet.chunk_stream));
                if extended && self.repeats {
                    bytes.extend_from_slice(&time);
                }
            }
            bytes.extend_from_slice(part);
        }
        let step = step.filter(|_| format > 0);
        let said = Last {
            timestamp,
            length,
            kind: packet.kind,
            step,
        };
        last.insert(packet.chunk_stream, said);
        bytes
    }

    fn basic(&self, format: u8, chunk_stream: u8) -> Vec<u8> {
        let format = format << 6;
        match self.id {
            1 => vec![format | chunk_stream],
            2 => vec![format, chunk_stream + 100],
            _ => vec![format | 1, chunk_stream, 3],
        }
    }
}

/// Several messages in one, each with the length of what is before the next (RTMP 1.0, section 7.1.6).
fn aggregate(packets: &[Packet]) -> Packet {
    let mut payload = Vec::new();
    for packet in packets {
        let length =
            u32::try_from(packet.payload.len()).expect("a message has a length of 24 bits");
        let [high, low @ ..] = packet.timestamp.to_be_bytes();
        payload.push(packet.kind);
        payload.extend_from_slice(&length.to_be_bytes()[1..]);
        payload.extend_from_slice(&low);
        payload.push(high);
        payload.extend_from_slice(&[0; 3]);
        payload.extend_from_slice(&packet.payload);
        payload.extend_from_slice(&(length + 11).to_be_bytes());
    }
    Packet {
        chunk_stream: 9,
        kind: 22,
        timestamp: packets[0].timestamp,
        stream_id: 1,
        payload,
    }
}
