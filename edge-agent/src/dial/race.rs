//! Racing the addresses of one name: each begins a little after the one before it, or at once when
//! that one has failed, and the first that is connected wins (after RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How much later the next address is begun (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first. The caller bounds the time.
///
/// # Errors
/// The last address's error, when none answers.
pub(super) async fn first_of(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut tries = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let may_begin = match waiting.next() {
            Some(addr) => {
                tries.push(connect(addr));
                true
            }
            None => false,
        };
        if tries.is_empty() {
            return Err(last);
        }
        let stagger = async {
            if may_begin && waiting.len() > 0 {
                sleep(STAGGER).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            Some(done) = tries.next() => match done {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            },
            () = stagger => {}
        }
    }
}

async fn connect(addr: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok((stream, addr))
}

/// Families take turns, beginning with that of the resolver's first answer.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses
        .iter()
        .partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(addresses.len());
    let longest = first.len().max(second.len());
    for place in 0..longest {
        ordered.extend(first.get(place));
        ordered.extend(second.get(place));
    }
    ordered
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |all: &[&str]| -> Vec<SocketAddr> {
            all.iter().map(|addr| addr.parse().unwrap()).collect()
        };
        assert_eq!(
            interleaved(&parse(&["[::1]:1", "[::2]:1", "1.1.1.1:1"])),
            parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1"])
        );
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hold_up_a_live_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let gone = dead.local_addr().unwrap();
        drop(dead);
        let (_, addr) = first_of(&[gone, live]).await.unwrap();
        assert_eq!(addr, live);
        assert!(first_of(&[gone]).await.is_err());
    }
}
