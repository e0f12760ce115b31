//! The RTMP wire without IO: handshake, chunks, AMF, messages, commands, and the two session
//! state machines.
//!
//! Bytes and the time go in, bytes to send and events come out. Nothing here opens a socket,
//! reads a clock, starts a task or knows what an edge is. The two ends are
//! [`server::Session`] (a client connected to us) and [`client::Session`] (we connected to a
//! server); both have the same shape:
//!
//! ```
//! use std::time::Duration;
//! use rtmp::{Limits, client, server};
//!
//! let now = Duration::ZERO;
//! let mut client = client::Session::new(client::ConnectOptions::new("live", "rtmp://a/live"), Limits::default(), now);
//! let mut server = server::Session::new(Limits::default(), now);
//! # let mut connected = false;
//! # for _ in 0..8 {
//! while let Some(output) = client.poll_output() {
//!     match output {
//!         client::Output::Send(bytes) => server.handle(&bytes, now)?,
//!         client::Output::Event(event) => {
//! #           connected |= matches!(event, client::Event::Connected { .. });
//!         }
//!     }
//! }
//! while let Some(output) = server.poll_output() {
//!     match output {
//!         server::Output::Send(bytes) => client.handle(&bytes, now)?,
//!         server::Output::Event(server::Event::Connect(connect)) => {
//!             server.accept_connect(connect.transaction, Vec::new());
//!         }
//!         server::Output::Event(_) => {}
//!     }
//! }
//! # }
//! # assert!(connected);
//! # Ok::<(), rtmp::Fault>(())
//! ```
//!
//! What a peer does wrong is a [`Fault`], which ends its session and nothing else. Every bound
//! stands in [`Limits`] and is checked before memory is taken for what the peer announces.
//!
//! A viewer's media need not pass through its session: [`chunk::encode_shared`] makes a message
//! into bytes once, valid for every viewer whose [`server::Session::is_accepted`] holds and whose
//! message stream id is [`chunk::SHARED_STREAM_ID`]; for the others [`chunk::Header`] replaces the
//! first [`chunk::header_len`] bytes. Chunks of whole messages may be put between any two sends.

pub mod amf;
pub mod chunk;
pub mod client;
pub mod command;
pub mod control;
pub mod data;
mod fault;
pub mod handshake;
mod limits;
mod link;
pub mod message;
pub mod name;
mod phase;
pub mod server;

pub use fault::Fault;
pub use limits::Limits;
pub use message::{Message, MessageKind};
