//! The agent as a whole: a real edge with its sockets and its disk, between a server and origins
//! that these tests play.

#![allow(clippy::unwrap_used)]

mod doors;
mod link;
mod rtmp;
mod support;
mod web;
