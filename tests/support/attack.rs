//! RTMP over a bare socket, for what no program can be made to send: handshakes that drip, messages cut into
//! each other, and malformed bytes. Written from the specification and apart from the `rtmp` crate, so that a
//! mistake there is not made here too. It reads only as much as it must: when the peer ends the connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::eventually::comes_true;

pub(crate) const HANDSHAKE_BYTES: usize = 1536;
/// RTMP 1.0, section 5.4.1: the chunk size until a peer sets another.
const FIRST_CHUNK_SIZE: usize = 128;

/// Message types, RTMP 1.0 section 5.4 and 7.1.
pub(crate) mod kind {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const AUDIO: u8 = 8;
    pub(crate) const VIDEO: u8 = 9;
    pub(crate) const DATA: u8 = 18;
    pub(crate) const COMMAND: u8 = 20;
}

/// One message as it goes out, on the chunk stream it goes out on.
pub(crate) struct Packet {
    pub(crate) chunk_stream: u8,
    pub(crate) kind: u8,
    pub(crate) timestamp: u32,
    pub(crate) stream_id: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection of which every byte is ours to choose.
pub(crate) struct Raw {
    stream: TcpStream,
}

/// How the peer ended a connection.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How long after it was begun to wait; `None` if it was still open at the deadline.
    pub(crate) after: Option<Duration>,
    /// What came before that.
    pub(crate) heard: Vec<u8>,
}

impl Raw {
    /// Connects to host and port.
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the address takes connections");
        stream
            .set_nodelay(true)
            .expect("a socket can be told not to wait");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a socket takes a deadline");
        stream
            .set_write_timeout(Some(Duration::from_secs(5)))
            .expect("a socket takes a deadline");
        Raw { stream }
    }

    /// Connects and shakes hands, the plain way of RTMP 1.0.
    pub(crate) fn greeted(address: &str) -> Self {
        let mut raw = Raw::open(address);
        raw.shake_hands(HANDSHAKE_BYTES);
        raw
    }

    /// Shakes hands in writes of so many bytes each.
    pub(crate) fn shake_hands(&mut self, write: usize) {
        let mut first = vec![0; 1 + HANDSHAKE_BYTES];
        first[0] = 3;
        for part in first.chunks(write) {
            assert!(self.send(part), "the handshake is cut off");
        }
        let theirs = self.hear(1 + 2 * HANDSHAKE_BYTES);
        for part in theirs[1..=HANDSHAKE_BYTES].chunks(write) {
            assert!(self.send(part), "the handshake is cut off");
        }
    }

    /// Sends; says whether the peer still took it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a whole message in chunks of the first size.
    pub(crate) fn send_packet(&mut self, packet: &Packet) -> bool {
        let bytes: Vec<u8> = packet.chunks(FIRST_CHUNK_SIZE).concat();
        self.send(&bytes)
    }

    /// Reads exactly so many bytes, for at most 10 s.
    fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut heard = vec![0; count];
        let mut have = 0;
        let whole = comes_true(Duration::from_secs(10), || {
            have += self.stream.read(&mut heard[have..]).unwrap_or(0);
            have == count
        });
        assert!(whole, "heard {have} of {count} bytes");
        heard
    }

    /// Reads until these words were heard, for at most so long; says whether they were.
    pub(crate) fn hears(&mut self, words: &str, deadline: Duration) -> bool {
        let mut heard = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        comes_true(deadline, || {
            let length = self.stream.read(&mut buffer).unwrap_or(0);
            heard.extend_from_slice(&buffer[..length]);
            heard
                .windows(words.len())
                .any(|window| window == words.as_bytes())
        })
    }

    /// Reads until the peer ends the connection, or the deadline passes.
    pub(crate) fn until_ended(&mut self, deadline: Duration) -> Ended {
        let begun = Instant::now();
        let mut heard = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while begun.elapsed() < deadline {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    return Ended {
                        after: Some(begun.elapsed()),
                        heard,
                    };
                }
                Ok(length) => heard.extend_from_slice(&buffer[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => {
                    return Ended {
                        after: Some(begun.elapsed()),
                        heard,
                    };
                }
            }
        }
        Ended { after: None, heard }
    }

    /// Sends one byte a second until the peer ends the connection, or the deadline passes.
    pub(crate) fn drip(&mut self, deadline: Duration) -> Ended {
        let begun = Instant::now();
        self.send(&[3]);
        while begun.elapsed() < deadline {
            let ended = self.until_ended(Duration::from_secs(1));
            if ended.after.is_some() || !self.send(&[0]) {
                return Ended {
                    after: Some(begun.elapsed()),
                    heard: ended.heard,
                };
            }
        }
        Ended {
            after: None,
            heard: Vec::new(),
        }
    }

    /// `connect`, answered.
    pub(crate) fn connect(&mut self, app: &str, tc_url: &str) {
        self.call(
            0,
            &[
                string("connect"),
                number(1.0),
                object(&[("app", string(app)), ("tcUrl", string(tc_url))]),
            ],
        );
        assert!(
            self.hears("NetConnection.Connect.Success", Duration::from_secs(10)),
            "connect is not answered"
        );
    }

    /// `connect`, `createStream` and `publish`, answered.
    pub(crate) fn publish(&mut self, app: &str, tc_url: &str, stream: &str) {
        self.connect(app, tc_url);
        self.call(0, &[string("createStream"), number(2.0), vec![5]]);
        assert!(
            self.hears("_result", Duration::from_secs(10)),
            "createStream is not answered"
        );
        self.call(
            1,
            &[
                string("publish"),
                number(3.0),
                vec![5],
                string(stream),
                string("live"),
            ],
        );
        assert!(
            self.hears("NetStream.Publish.Start", Duration::from_secs(10)),
            "publish is not answered"
        );
    }

    fn call(&mut self, stream_id: u32, values: &[Vec<u8>]) {
        let packet = Packet {
            chunk_stream: 3,
            kind: kind::COMMAND,
            timestamp: 0,
            stream_id,
            payload: values.concat(),
        };
        assert!(self.send_packet(&packet), "a command is not taken");
    }

    /// Publishes a file's first seconds in real time, each audio message cut into the video message before it: its
    /// chunks stand between the first and the second chunk of the video.
    pub(crate) fn send_interleaved(&mut self, file: &Path, seconds: u32) {
        let begun = Instant::now();
        let tags = tags(&std::fs::read(file).expect("the file can be read"));
        let mut at = 0;
        while at < tags.len() && tags[at].timestamp < seconds * 1000 {
            let (first, second) = (&tags[at], tags.get(at + 1));
            let due = Duration::from_millis(u64::from(first.timestamp));
            comes_true(due.saturating_sub(begun.elapsed()), || false);
            let mut chunks = first.chunks(FIRST_CHUNK_SIZE);
            at += 1;
            if let Some(audio) = second.filter(|next| {
                first.kind == kind::VIDEO && next.kind == kind::AUDIO && chunks.len() > 1
            }) {
                let inside = audio.chunks(FIRST_CHUNK_SIZE);
                chunks.splice(1..1, inside);
                at += 1;
            }
            assert!(
                self.send(&chunks.concat()),
                "the peer ended a legal publisher"
            );
        }
    }
}

impl Packet {
    /// The message as chunks of a size: a full header, then headers that only name the chunk stream.
    pub(crate) fn chunks(&self, size: usize) -> Vec<Vec<u8>> {
        let length = u32::try_from(self.payload.len()).expect("a message has a length of 24 bits");
        let mut head = vec![self.chunk_stream];
        head.extend_from_slice(&self.timestamp.to_be_bytes()[1..]);
        head.extend_from_slice(&length.to_be_bytes()[1..]);
        head.push(self.kind);
        head.extend_from_slice(&self.stream_id.to_le_bytes());
        let mut chunks = vec![head];
        for (at, part) in self.payload.chunks(size).enumerate() {
            if at > 0 {
                chunks.push(vec![0b1100_0000 | self.chunk_stream]);
            }
            chunks
                .last_mut()
                .expect("there is a first chunk")
                .extend_from_slice(part);
        }
        chunks
    }
}

/// The tags of an FLV file as messages of message stream 1.
pub(crate) fn tags(file: &[u8]) -> Vec<Packet> {
    let mut rest = &file[13..];
    let mut tags = Vec::new();
    while let [kind, l0, l1, l2, t0, t1, t2, t3, _, _, _, body @ ..] = rest {
        let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
        let chunk_stream = match *kind {
            kind::AUDIO => 4,
            kind::VIDEO => 6,
            _ => 5,
        };
        let mut payload = body[..length].to_vec();
        if *kind == kind::DATA {
            payload.splice(0..0, string("@setDataFrame"));
        }
        let timestamp = u32::from_be_bytes([*t3, *t0, *t1, *t2]);
        tags.push(Packet {
            chunk_stream,
            kind: *kind,
            timestamp,
            stream_id: 1,
            payload,
        });
        rest = &body[length + 4..];
    }
    tags
}

/// An AMF0 string.
pub(crate) fn string(text: &str) -> Vec<u8> {
    [vec![2], key(text)].concat()
}

/// An AMF0 number.
pub(crate) fn number(value: f64) -> Vec<u8> {
    [vec![0], value.to_be_bytes().to_vec()].concat()
}

/// An AMF0 object.
pub(crate) fn object(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![3];
    for (name, value) in properties {
        bytes.extend(key(name));
        bytes.extend(value);
    }
    bytes.extend([0, 0, 9]);
    bytes
}

fn key(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short string");
    [length.to_be_bytes().as_slice(), text.as_bytes()].concat()
}
