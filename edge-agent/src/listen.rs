//! Accept loops: sockets come in, each with its options set and counted against its address until
//! its client is admitted; those of a TLS listener shake hands first; the rest is the plane's.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contract::protocol::Ingress;
use edge_core::live::SEND_BUFFER;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::addresses::{Addresses, Permit};
use crate::context::Context;
use crate::rtmp::{Gate, Plane};
use crate::sessions::{Totals, TurnedAway};
use crate::socket::Socket;
use crate::stop::Stop;

/// How long a client may take for the handshake of TLS (laws.md, 6).
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the machine has no socket to give.
const BREATH: Duration = Duration::from_millis(50);
/// How often that is said. Chosen, because a log that grows by itself fills a disk.
const COMPLAINT: Duration = Duration::from_secs(1);

/// The way in to the RTMP plane, for all its listeners; clones are the same.
#[derive(Clone)]
pub struct RtmpDoor {
    plane: Plane,
    addresses: Addresses,
    totals: Totals,
    stop: Stop,
}

impl RtmpDoor {
    /// A door that nobody has come through yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            stop: context.stop.clone(),
            totals: context.totals.clone(),
            plane: Plane::new(context),
            addresses: Addresses::default(),
        }
    }

    /// Serves RTMP, inside TLS where that is given, until the stop begins; then waits for the
    /// sessions to end, or for the cut.
    pub async fn serve(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let port = listener.local_addr().map_or(0, |addr| addr.port());
        let tls = tls.map(TlsAcceptor::from);
        let sessions = TaskTracker::new();
        let mut complaint = Complaint::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.begun() => break,
            };
            let (stream, addr) = match accepted {
                Ok((stream, addr)) => (stream, addr.ip().to_canonical()),
                Err(error) => {
                    complaint.of(&error);
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let Some(permit) = self.addresses.enter(addr) else {
                self.totals.turned_away(TurnedAway::Address);
                tracing::debug!(client.addr = %addr, "connection closed: too many before admission");
                continue;
            };
            if let Err(error) = prepare(&stream) {
                tracing::debug!(client.addr = %addr, %error, "connection closed: its socket is gone");
                continue;
            }
            let came = Came { addr, port, permit };
            match &tls {
                None => {
                    let session = self.session(Socket::plain(stream), Ingress::Rtmp, came);
                    session.map(|session| sessions.spawn(session));
                }
                Some(acceptor) => {
                    let shaken = shake_hands(acceptor.clone(), stream);
                    sessions.spawn(self.clone().receive(Box::pin(shaken), came));
                }
            }
        }
        // Whoever comes now is better told so than left to wait.
        drop(listener);
        sessions.close();
        let ended = async {
            sessions.wait().await;
            self.plane.settled().await;
        };
        tokio::select! {
            () = ended => {}
            () = self.stop.is_cut() => {}
        }
    }

    async fn receive(
        self,
        shaken: Pin<Box<dyn Future<Output = io::Result<Socket>> + Send>>,
        came: Came,
    ) {
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            () = self.stop.begun() => return,
        };
        match shaken {
            Ok(socket) => {
                if let Some(session) = self.session(socket, Ingress::Rtmps, came) {
                    Box::pin(session).await;
                }
            }
            Err(error) => {
                let addr = came.addr;
                self.totals.turned_away(TurnedAway::Tls);
                tracing::debug!(client.addr = %addr, %error, "connection closed: no TLS handshake");
            }
        }
    }

    /// Serves a client whose socket is ready.
    fn session(
        &self,
        socket: Socket,
        ingress: Ingress,
        came: Came,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let Came { addr, port, permit } = came;
        self.plane
            .serve(socket, (ingress, port), addr, Box::new(permit))
    }
}

/// Who came, and to which port.
struct Came {
    addr: IpAddr,
    port: u16,
    permit: Permit,
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<Socket> {
    let shaken = timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let (stream, connection) = shaken.map_err(|_| io::ErrorKind::TimedOut)??.into_inner();
    Ok(Socket::tls(stream, connection))
}

/// What is said when no connection can be accepted: at most once in [`COMPLAINT`], and how often
/// it was so.
#[derive(Default)]
struct Complaint {
    said: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    fn of(&mut self, error: &io::Error) {
        self.unsaid += 1;
        if self.said.is_some_and(|said| said.elapsed() < COMPLAINT) {
            return;
        }
        tracing::warn!(
            %error,
            times = self.unsaid,
            "no connection can be accepted: more open files (`ulimit -n`) may be needed"
        );
        self.said = Some(Instant::now());
        self.unsaid = 0;
    }
}

/// Answers go out at once, and a client that does not read holds little.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_send_buffer_size(SEND_BUFFER)
}

impl Gate for Permit {}
