//! The handshake, for both ends, simple and with digests.
//!
//! In go bytes in pieces of any size; out come the bytes to answer with; what follows the
//! handshake stays in the caller's slice. No more than the 3,073 bytes of a peer's part are ever
//! held. Time is the session's business, not ours.
//!
//! The digests are `rml_rtmp`'s. As it, we do not judge a peer's last packet: real clients send
//! wrong ones, and it proves nothing.

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};

use crate::Fault;

/// Bytes of packets 1 and 2 each; packet 0 is the one byte before them.
const PACKET: usize = 1536;

/// The only version of plain RTMP.
const VERSION: u8 = 3;

/// The handshake of the end that was connected to.
pub struct ServerHandshake {
    /// The client's first two packets, until they are whole: then one answer goes out in one write.
    first: Vec<u8>,
    /// What is left to come of the client's last packet.
    last: usize,
}

impl ServerHandshake {
    /// A handshake that has heard nothing.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            first: Vec::new(),
            last: PACKET,
        }
    }

    /// Takes bytes from the front of `input` and returns what to send, if there is something.
    ///
    /// # Errors
    /// [`Fault::Version`] at the first byte, [`Fault::Handshake`] when there is no answer to it.
    pub fn handle(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Fault> {
        let mut answer = None;
        if self.first.len() < 1 + PACKET {
            take(input, &mut self.first, 1 + PACKET);
            check_version(&self.first)?;
            if self.first.len() < 1 + PACKET {
                return Ok(None);
            }
            answer = Some(process(&mut Handshake::new(PeerType::Server), &self.first)?);
        }
        let used = self.last.min(input.len());
        *input = &input[used..];
        self.last -= used;
        Ok(answer)
    }

    /// Whether the peer's part is complete and what follows are chunks.
    pub fn is_done(&self) -> bool {
        self.last == 0
    }
}

/// The handshake of the end that connected.
pub struct ClientHandshake {
    inner: Handshake,
    /// The server's first two packets, until they are whole.
    first: Vec<u8>,
    /// What is left to come of the server's last packet.
    last: usize,
}

impl ClientHandshake {
    /// A handshake and the packets that begin it.
    pub fn new() -> (Self, Bytes) {
        let mut inner = Handshake::new(PeerType::Client);
        let hello = inner
            .generate_outbound_p0_and_p1()
            .expect("the first packets need no input");
        (
            Self {
                inner,
                first: Vec::new(),
                last: PACKET,
            },
            hello.into(),
        )
    }

    /// Takes bytes from the front of `input` and returns what to send, if there is something.
    ///
    /// # Errors
    /// [`Fault::Version`] at the first byte, [`Fault::Handshake`] when there is no answer to it.
    pub fn handle(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Fault> {
        let mut answer = None;
        if self.first.len() < 1 + PACKET {
            take(input, &mut self.first, 1 + PACKET);
            check_version(&self.first)?;
            if self.first.len() < 1 + PACKET {
                return Ok(None);
            }
            answer = Some(process(&mut self.inner, &self.first)?);
        }
        let used = self.last.min(input.len());
        *input = &input[used..];
        self.last -= used;
        Ok(answer)
    }

    /// Whether the peer's part is complete and what follows are chunks.
    pub fn is_done(&self) -> bool {
        self.last == 0
    }
}

/// Moves bytes from `input` until `into` holds `whole` of them.
fn take(input: &mut &[u8], into: &mut Vec<u8>, whole: usize) {
    let count = input.len().min(whole - into.len());
    let (used, rest) = input.split_at(count);
    into.extend_from_slice(used);
    *input = rest;
}

fn check_version(first: &[u8]) -> Result<(), Fault> {
    match first.first() {
        Some(&VERSION) | None => Ok(()),
        Some(&other) => Err(Fault::Version(other)),
    }
}

fn process(inner: &mut Handshake, first: &[u8]) -> Result<Bytes, Fault> {
    match inner.process_bytes(first) {
        Ok(HandshakeProcessResult::InProgress { response_bytes }) => Ok(response_bytes.into()),
        Ok(HandshakeProcessResult::Completed { .. }) | Err(_) => Err(Fault::Handshake),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Runs both ends against each other in pieces of `step` bytes and returns what is left over.
    fn run(step: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut client, hello) = ClientHandshake::new();
        let mut server = ServerHandshake::new();
        let (mut to_server, mut to_client) = (hello.to_vec(), Vec::new());
        let (mut server_rest, mut client_rest) = (Vec::new(), Vec::new());
        let mut tail_sent = false;
        while !to_server.is_empty() || !to_client.is_empty() {
            for piece in std::mem::take(&mut to_server).chunks(step) {
                let mut piece = piece;
                if let Some(answer) = server.handle(&mut piece).unwrap() {
                    to_client.extend_from_slice(&answer);
                    to_client.extend_from_slice(b"after");
                }
                server_rest.extend_from_slice(piece);
            }
            for piece in std::mem::take(&mut to_client).chunks(step) {
                let mut piece = piece;
                if let Some(answer) = client.handle(&mut piece).unwrap() {
                    to_server.extend_from_slice(&answer);
                }
                client_rest.extend_from_slice(piece);
            }
            if client.is_done() && !tail_sent {
                to_server.extend_from_slice(b"chunks");
                tail_sent = true;
            }
        }
        assert!(client.is_done() && server.is_done());
        (server_rest, client_rest)
    }

    #[test]
    fn both_ends_agree_in_pieces_of_any_size_and_leave_what_follows() {
        for step in [1, 2, 1535, 1536, 1537, 3072, 3073, 10_000] {
            assert_eq!(
                run(step),
                (b"chunks".to_vec(), b"after".to_vec()),
                "in pieces of {step}"
            );
        }
    }

    #[test]
    fn a_simple_client_gets_its_own_packet_back() {
        let mut hello = vec![3];
        hello.extend((0..PACKET).map(|i| if i < 8 { 0 } else { (i % 251) as u8 }));
        let mut server = ServerHandshake::new();
        let answer = server.handle(&mut hello.as_slice()).unwrap().unwrap();
        assert_eq!(answer.len(), 1 + 2 * PACKET);
        assert_eq!(&answer[1 + PACKET..], &hello[1..]);
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_byte() {
        for byte in [0, 2, 6, b'G', 22, 255] {
            let fault = ServerHandshake::new().handle(&mut [byte].as_slice());
            assert_eq!(fault, Err(Fault::Version(byte)));
        }
    }
}
