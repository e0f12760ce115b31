//! Where the parts of the demo listen: at well-known ports where those are free, else wherever there is
//! room. All of it on this machine only.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

/// A listener at this port, or at a free one.
pub(crate) async fn listener(wanted: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
    }
}

/// The address of this port if nobody listens there, or one whose port is chosen when it is bound.
pub(crate) async fn address(wanted: u16) -> SocketAddr {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
    match TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_passed_over() {
        let first = listener(0).await.unwrap().local_addr().unwrap();
        let held = listener(first.port()).await.unwrap();
        let port = held.local_addr().unwrap().port();
        assert_ne!(
            listener(port).await.unwrap().local_addr().unwrap().port(),
            port
        );
        assert_eq!(address(port).await.port(), 0);
    }
}
