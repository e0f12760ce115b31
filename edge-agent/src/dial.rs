//! The only way from this edge to an origin or to another edge.
//!
//! A listed record goes in, a connected stream comes out. Every address that a name resolves to is
//! held against what the record allows, and the address that was checked is the one dialed; all of
//! them are raced. Whether each origin can be reached is remembered for the report. No address ever
//! stands in an error: it might be shown to a client.

mod conn;
mod race;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::address::HostPort;
use contract::id::OriginId;
use contract::origin::Origin;
use contract::protocol::{Ingress, Plane};
use contract::report::Reachability;
use contract::snapshot::Neighbor;
use contract::webhook::WebhookSettings;
use tokio::time::timeout;

pub use conn::Conn;
pub use edge_core::upstream::ONE_TRY;
use tls::Tls;

use crate::clock::now_ms;

/// The most addresses of one name that are tried; chosen, because names rarely have more.
const MAX_ADDRESSES: usize = 8;

/// Why nothing was reached. The text names no address.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve.
    #[error("the name cannot be resolved")]
    Resolve(#[source] std::io::Error),
    /// It resolves to nothing that the record allows.
    #[error("the name resolves to no address that the origin's record allows")]
    NotPermitted,
    /// No address accepted the connection.
    #[error("no address accepts connections")]
    Connect(#[source] std::io::Error),
    /// The certificate was not accepted, or TLS failed otherwise.
    #[error("TLS failed")]
    Tls(#[source] std::io::Error),
    /// There was no answer in time.
    #[error("there was no answer in time")]
    TimedOut,
    /// The other edge has not said where that side of it is reached.
    #[error("the edge has not said where it is reached")]
    NoAddress,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Dialed {
    /// The stream, inside TLS where the record says so.
    pub conn: Conn,
    /// The address that was reached. It is not shown to clients.
    pub addr: SocketAddr,
}

/// Dials listed origins and edges; clones share what is known of them.
#[derive(Debug, Clone)]
pub struct Dialer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tls: Tls,
    reached: Mutex<BTreeMap<OriginId, Reachability>>,
}

impl Dialer {
    /// A dialer that trusts the certificate authorities of this machine.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "two dialers know different things"
    )]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                tls: Tls::default(),
                reached: Mutex::default(),
            }),
        }
    }

    /// Connects to an origin within `budget`, and within [`ONE_TRY`].
    ///
    /// # Errors
    /// [`DialError`]; the origin then counts as not reachable.
    pub async fn dial(&self, origin: &Origin, budget: Duration) -> Result<Dialed, DialError> {
        let permits = |addr: &SocketAddr| origin.reach.permits(addr.ip());
        let address = &origin.address;
        let made = self
            .connect(address.scheme, &address.at, permits, budget)
            .await;
        self.note(origin.id, made.is_ok());
        made
    }

    /// Connects to a side of another edge of ours within `budget`, and within [`ONE_TRY`]. Edges
    /// stand wherever the administrator says, so every address is allowed.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_edge(
        &self,
        edge: &Neighbor,
        plane: Plane,
        budget: Duration,
    ) -> Result<Dialed, DialError> {
        let (scheme, at) = match plane {
            Plane::Rtmp => (Ingress::Rtmp, edge.rtmp.as_ref()),
            Plane::Http => (Ingress::Http, edge.http.as_ref()),
        };
        let at = at.ok_or(DialError::NoAddress)?;
        self.connect(scheme, at, |_| true, budget).await
    }

    /// Connects to the application that a webhook asks, at an address that its record allows, within
    /// `budget`, and within [`ONE_TRY`].
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_webhook(
        &self,
        webhook: &WebhookSettings,
        budget: Duration,
    ) -> Result<Dialed, DialError> {
        let (scheme, at) = webhook.at().ok_or(DialError::NoAddress)?;
        let permits = |addr: &SocketAddr| webhook.reach.permits(addr.ip());
        self.connect(scheme, &at, permits, budget).await
    }

    async fn connect(
        &self,
        scheme: Ingress,
        at: &HostPort,
        permits: impl Fn(&SocketAddr) -> bool,
        budget: Duration,
    ) -> Result<Dialed, DialError> {
        let work = async {
            let resolved = tokio::net::lookup_host((at.host.as_str(), at.port))
                .await
                .map_err(DialError::Resolve)?;
            let permitted: Vec<SocketAddr> = resolved.filter(permits).take(MAX_ADDRESSES).collect();
            if permitted.is_empty() {
                return Err(DialError::NotPermitted);
            }
            let (stream, addr) = race::first_of(&permitted)
                .await
                .map_err(DialError::Connect)?;
            let conn = match scheme {
                Ingress::Rtmp | Ingress::Http => Conn::Plain(stream),
                Ingress::Rtmps | Ingress::Https => {
                    let tls = self.shared.tls.wrap(&at.host, stream).await;
                    Conn::Tls(Box::new(tls.map_err(DialError::Tls)?))
                }
            };
            Ok(Dialed { conn, addr })
        };
        timeout(budget.min(ONE_TRY), work)
            .await
            .unwrap_or(Err(DialError::TimedOut))
    }

    /// Notes whether an origin answered, as seen by whoever spoke with it.
    pub fn note(&self, origin: OriginId, reachable: bool) {
        let mut reached = self
            .shared
            .reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = reached.get(&origin).map(|known| known.reachable);
        if known != Some(reachable) {
            let since_ms = now_ms();
            reached.insert(
                origin,
                Reachability {
                    reachable,
                    since_ms,
                },
            );
            if !reachable {
                tracing::warn!(origin.id = %origin, "origin cannot be reached");
            } else if known.is_some() {
                tracing::info!(origin.id = %origin, "origin can be reached again");
            }
        }
    }

    /// What is known of each origin that was tried.
    #[must_use]
    pub fn reached(&self) -> BTreeMap<OriginId, Reachability> {
        self.shared
            .reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use contract::origin::Reach;

    fn origin(port: u16, reach: Reach) -> Origin {
        Origin {
            id: OriginId::from_bits(1),
            name: "o".parse().unwrap(),
            address: format!("http://127.0.0.1:{port}").parse().unwrap(),
            reach,
        }
    }

    const OWN: Reach = Reach {
        private: false,
        loopback: true,
    };

    #[tokio::test]
    async fn an_address_that_the_record_does_not_allow_is_not_dialed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialer = Dialer::new();
        let refused = dialer.dial(&origin(port, Reach::default()), ONE_TRY).await;
        assert!(matches!(refused, Err(DialError::NotPermitted)));
        assert!(dialer.dial(&origin(port, OWN), ONE_TRY).await.is_ok());
        assert!(dialer.reached()[&OriginId::from_bits(1)].reachable);
    }

    #[tokio::test]
    async fn an_error_names_no_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let dialer = Dialer::new();
        let error = dialer.dial(&origin(port, OWN), ONE_TRY).await.unwrap_err();
        assert!(matches!(error, DialError::Connect(_)));
        assert!(!error.to_string().contains("127"));
        assert!(!dialer.reached()[&OriginId::from_bits(1)].reachable);
    }
}
