//! A connection to an edge from a chosen address of this machine, by which the edge may recognize a client.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long connecting or a write may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Connects.
pub(crate) async fn dial(from: IpAddr, edge: SocketAddr) -> io::Result<TcpStream> {
    let socket = if edge.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Not every system has all of 127.0.0.0/8; from elsewhere it is another client, or none.
    if let Err(error) = socket.bind(SocketAddr::new(from, 0)) {
        tracing::debug!(%error, %from, "a client of the demo cannot come from its address");
    }
    let socket = timeout(PATIENCE, socket.connect(edge)).await??;
    socket.set_nodelay(true)?;
    Ok(socket)
}
