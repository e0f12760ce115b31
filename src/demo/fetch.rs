//! HTTP requests of the demo: from a chosen address, with a deadline and a bound for the answer.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer; the clip is the largest that is asked for.
const MOST_BYTES: usize = 4 << 20;

/// Sends requests.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Fetcher {
    /// One that comes from any address of this machine, or from this one.
    pub(crate) fn new(from: Option<IpAddr>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(from);
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(2)
            .build(connector);
        Self { client }
    }

    /// The whole answer to one request.
    pub(crate) async fn fetch(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let answered = timeout(PATIENCE, async {
            let answer = self.client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            anyhow::Ok(Response::from_parts(head, body))
        });
        answered
            .await
            .with_context(|| format!("`{what}` took too long"))?
            .with_context(|| format!("`{what}` failed"))
    }
}
