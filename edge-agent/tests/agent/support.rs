//! What the tests of the agent share: settings made in one place, waiting with a deadline, and a
//! plain HTTP request.

pub(crate) mod edge;
pub(crate) mod origin;
pub(crate) mod server;
pub(crate) mod studio;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use contract::id::{ClusterId, EdgeId, KeyId};
use contract::origin::Origin;
use contract::route::Route;
use contract::secret::Secret;
use contract::snapshot::{EdgeState, Neighbor, Snapshot};
use contract::token::SigningKey;
use edge_agent::config::{Config, Written};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

pub(crate) const EDGE: EdgeId = EdgeId::from_bits(1);
pub(crate) const CLUSTER: ClusterId = ClusterId::from_bits(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// An edge of this directory, on ports of its own.
pub(crate) fn config(dir: &Path) -> Config {
    let any = || Some("127.0.0.1:0".to_owned());
    let written = Written {
        data: Some(dir.display().to_string()),
        rtmp: Some("off".to_owned()),
        http: any(),
        status: any(),
        ..Written::default()
    };
    written.meant().unwrap()
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey {
        id: KeyId::from_bits(1),
        secret: Secret::new("0123456789abcdef0123456789abcdef"),
    }
}

pub(crate) fn neighbor(id: EdgeId, http: Option<SocketAddr>) -> Neighbor {
    Neighbor {
        id,
        name: format!("edge {}", id.bits()).parse().unwrap(),
        cluster: CLUSTER,
        state: EdgeState::Active,
        rtmp: None,
        rtmps: None,
        http: http.map(|at| at.to_string().parse().unwrap()),
        limits: Default::default(),
    }
}

/// The settings of [`EDGE`].
pub(crate) fn snapshot(origins: Vec<Origin>, routes: Vec<Route>) -> Snapshot {
    Snapshot {
        edge: EDGE,
        cluster: CLUSTER,
        edges: vec![neighbor(EDGE, None)],
        origins,
        routes,
        rules: Vec::new(),
        key_sets: Vec::new(),
        webhooks: Vec::new(),
        keys: vec![signing_key()],
    }
}

/// Waits until it holds, looking often.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let mut ticks = interval(Duration::from_millis(20));
    let work = async {
        while !holds().await {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, work).await.expect("it never held");
}

/// Sends bytes and returns all that comes until the other side closes.
pub(crate) async fn exchange(at: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("no end of the answer")
        .unwrap();
    answer
}

/// `GET`; returns the status and the body.
pub(crate) async fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    let answer = exchange(at, request.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("no answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
