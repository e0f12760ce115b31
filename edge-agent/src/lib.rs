//! What an edge does: sockets, tasks, storage, the link to the server.
//!
//! Decisions are made by `edge-core` and `contract`; this crate moves the bytes they speak of. It
//! never imports the server: all it shares with it is `contract`.

pub mod addresses;
pub mod agent;
pub mod clock;
pub mod config;
pub mod context;
pub mod control;
pub mod dial;
pub mod journal;
pub mod limits;
pub mod listen;
pub mod live;
pub mod recorded;
pub mod rtmp;
pub mod sessions;
pub mod socket;
pub mod status;
pub mod stop;
pub mod store;
pub mod streams;
pub mod telemetry;
pub mod tls;
pub mod web;
pub mod webhook;
