//! Ports for programs that cannot be asked to take port 0 and say which they got (nginx, chromedriver).

use std::net::TcpListener;

/// A port of 127.0.0.1 that was free a moment ago. Another may take it first: who starts a program on it looks
/// whether the program lives, and tries again with another.
pub(crate) fn free() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
