//! How this program connects: from many sources of 127.0.0.0/8, so that ports last for any number
//! of viewers, and closing by reset, so that no port stays taken after a run.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::{TcpSocket, TcpStream};

/// Connections from one source. Chosen, because an edge has a bound of 256 for those of one address
/// that are on their way in.
const A_SOURCE: u32 = 100;

/// The address that connection `number` comes from.
fn source(number: u32) -> SocketAddr {
    let source = (number / A_SOURCE) % (250 * 250);
    let (third, fourth) = (source / 250, 1 + source % 250);
    let address = Ipv4Addr::new(127, 1, third as u8, fourth as u8);
    SocketAddr::from((address, 0))
}

/// Connects. The kernel takes so many bytes for a reader that does not read, or as many as it likes.
///
/// # Errors
/// When the server cannot be reached.
pub(crate) async fn dial(to: SocketAddr, number: u32, receive: Option<u32>) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(source(number))?;
    socket.set_zero_linger()?;
    socket.set_nodelay(true)?;
    socket.connect(to).await.context("cannot connect")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_many_and_of_loopback() {
        let check = |number, expected: &str| {
            assert_eq!(source(number).ip().to_string(), expected, "{number}");
        };
        check(0, "127.1.0.1");
        check(99, "127.1.0.1");
        check(100, "127.1.0.2");
        check(25_000, "127.1.1.1");
        check(u32::MAX, "127.1.48.173");
    }
}
