//! Accept loops: sockets come in, each with its options set and counted against its address until
//! its client is admitted; the rest is the plane's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::rtmp::{Gate, Plane};

/// Connections of one address before admission (laws.md, 6).
const PER_ADDRESS: usize = 256;
/// Bytes that the kernel may hold for a client; Linux doubles it for its own needs. With
/// autotuning one stalled viewer holds 4 MiB (laws.md, 3.3).
const SEND_BUFFER: usize = 160 << 10;
/// How long to wait when the machine has no socket to give.
const BREATH: Duration = Duration::from_millis(50);

/// Serves RTMP until the stop begins, then waits for the sessions to end, or for the cut.
pub async fn serve_rtmp(listener: TcpListener, context: Context) {
    let port = listener.local_addr().map_or(0, |addr| addr.port());
    let stop = context.stop.clone();
    let plane = Plane::new(context);
    let addresses = Addresses::default();
    let sessions = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.begun() => break,
        };
        let (socket, addr) = match accepted {
            Ok((socket, addr)) => (socket, addr.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Some(permit) = addresses.enter(addr) else {
            tracing::debug!(client.addr = %addr, "connection closed: too many before admission");
            continue;
        };
        if let Err(error) = prepare(&socket) {
            tracing::debug!(client.addr = %addr, %error, "connection closed: its socket is gone");
            continue;
        }
        let plane = plane.clone();
        sessions.spawn(async move { plane.serve(socket, addr, port, Box::new(permit)).await });
    }
    sessions.close();
    tokio::select! {
        () = sessions.wait() => {}
        () = stop.is_cut() => {}
    }
}

/// Answers go out at once, and a client that does not read holds little.
fn prepare(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_send_buffer_size(SEND_BUFFER)
}

/// Connections that are not admitted yet, by address.
#[derive(Clone, Default)]
struct Addresses {
    counts_by_addr: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts_by_addr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, addr: IpAddr) -> Option<Permit> {
        let mut counts = self.counts();
        let count = counts.entry(addr).or_default();
        if *count >= PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Permit {
            addresses: self.clone(),
            addr,
        })
    }
}

/// One connection before admission.
struct Permit {
    addresses: Addresses,
    addr: IpAddr,
}

impl Gate for Permit {}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.addr) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.addr);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bound_until_its_clients_are_admitted() {
        let addresses = Addresses::default();
        let addr: IpAddr = "192.0.2.1".parse().unwrap();
        let held: Vec<Permit> = (0..PER_ADDRESS)
            .map(|_| addresses.enter(addr).unwrap())
            .collect();
        assert!(addresses.enter(addr).is_none());
        assert!(addresses.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(held);
        assert!(addresses.enter(addr).is_some());
    }
}
