//! One question as one POST: connections that are used again, a bounded answer, no redirect followed.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use contract::webhook::{Answer, MAX_ANSWER_BYTES, Question, SIGNATURE_FIELD, Webhook, signature};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use url::Position;

use super::{Silence, locked};
use crate::clock::now_ms;
use crate::dial::{Dialer, ONE_TRY};

/// How long a connection is used; shorter than what servers keep (nginx: 75 s), and so long does it
/// live at most.
const LIFE: Duration = Duration::from_secs(60);

/// Connections to one application that nobody uses now.
#[derive(Debug)]
pub(super) struct Connections {
    idle: Mutex<Vec<Idle>>,
    most: usize,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self {
            idle: Mutex::default(),
            most,
        }
    }

    /// Posts a question and reads the answer. The caller bounds the time.
    pub(super) async fn post(
        &self,
        dialer: &Dialer,
        webhook: &Webhook,
        question: &Question,
    ) -> Result<Answer, Silence> {
        let body = question.body();
        let signed = signature(&webhook.secret, now_ms() / 1_000, &body);
        let body = Bytes::from(body);
        let request = || request(webhook, &signed, body.clone());
        // A connection that was kept may be closed by now: then the question goes over a new one.
        if let Some(mut kept) = self.kept()
            && kept.sender.ready().await.is_ok()
            && let Ok(response) = kept.sender.send_request(request()?).await
        {
            return self.read(kept, response).await;
        }
        let mut made = connect(dialer, webhook).await?;
        let response = made
            .sender
            .send_request(request()?)
            .await
            .map_err(|_| Silence::NotReached)?;
        self.read(made, response).await
    }

    fn kept(&self) -> Option<Idle> {
        let mut idle = locked(&self.idle);
        while let Some(one) = idle.pop() {
            if !one.sender.is_closed() && one.since.elapsed() < LIFE / 2 {
                return Some(one);
            }
        }
        None
    }

    async fn read(&self, used: Idle, response: Response<Incoming>) -> Result<Answer, Silence> {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await.map_err(|_| Silence::Unreadable)?;
        let mut idle = locked(&self.idle);
        if idle.len() < self.most {
            idle.push(used);
        }
        drop(idle);
        Answer::read(status, &body.to_bytes()).ok_or(Silence::Unreadable)
    }
}

async fn connect(dialer: &Dialer, webhook: &Webhook) -> Result<Idle, Silence> {
    let dialed = dialer
        .dial_webhook(&webhook.settings, ONE_TRY)
        .await
        .map_err(|error| {
            tracing::debug!(
                webhook.id = %webhook.id,
                error = &error as &dyn std::error::Error,
                "a webhook cannot be reached"
            );
            Silence::NotReached
        })?;
    let (sender, connection) = handshake(TokioIo::new(dialed.conn))
        .await
        .map_err(|_| Silence::NotReached)?;
    // How it ends is seen by whoever sends.
    tokio::spawn(async move { timeout(LIFE, connection).await.map(drop) });
    Ok(Idle {
        sender,
        since: Instant::now(),
    })
}

fn request(webhook: &Webhook, signed: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Silence> {
    let url = &webhook.settings.url;
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let host = format!("{}{port}", url.host_str().unwrap_or_default());
    Request::builder()
        .method(Method::POST)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, host)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
        .header(SIGNATURE_FIELD, signed)
        .body(Full::new(body))
        // An URL that was parsed can be written again.
        .map_err(|_| Silence::NotReached)
}
