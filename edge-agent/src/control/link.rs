//! How this edge speaks with the server: the one place that knows the transport.
//!
//! Today HTTP with a bearer credential, in TLS where the server's address says `https`. Typed
//! requests go in, typed answers come out; every call has a deadline, every answer a bound.

use std::time::Duration;

use bytes::Bytes;
use contract::control::{
    ANSWERS_PATH, HOLD_MS, JOIN_PATH, JoinAnswer, JoinRequest, REPORT_PATH, UPDATES_PATH, Updates,
    UpdatesQuery,
};
use contract::id::QuestionId;
use contract::question::Answer;
use contract::report::ReportAnswer;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::credential::Credential;

/// The longest that a report, an answer or a join may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// The longest that asking for news may take: held so long, and some seconds for the bytes.
const POLL_DEADLINE: Duration = Duration::from_millis(HOLD_MS + 10_000);
/// The longest that connecting to the server may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of an answer: the directory of a million clients, several times over.
const MAX_ANSWER_BYTES: usize = 512 << 20;
/// How much of a refusal is read, to say why.
const MAX_PROBLEM_BYTES: usize = 4 << 10;

/// Why the server gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The server's address cannot be used.
    #[error("the server's address `{0}` cannot be used")]
    Address(String),
    /// This machine's certificate authorities cannot be read.
    #[error("the certificate authorities of this machine cannot be read")]
    Authorities(#[source] std::io::Error),
    /// Nothing was heard in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server was not reached.
    #[error("the server cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off, or is too long.
    #[error("the server's answer did not come whole")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what was asked for.
    #[error("the server's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The server does not know this edge, or has retired it.
    #[error("the server does not know this edge any more ({0})")]
    Expelled(StatusCode),
    /// The server refused.
    #[error("the server answered {status}: {detail}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The beginning of what it said.
        detail: String,
    },
}

/// The link to the server.
#[derive(Debug, Clone)]
pub struct Link {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    authorization: Option<header::HeaderValue>,
}

impl Link {
    /// A link for joining: nothing proves who the edge is yet.
    ///
    /// # Errors
    /// [`LinkError::Address`] or [`LinkError::Authorities`].
    pub fn open(server: &str) -> Result<Self, LinkError> {
        let wrong = || LinkError::Address(server.to_owned());
        let url: url::Url = server.parse().map_err(|_| wrong())?;
        let plain = match url.scheme() {
            "http" => true,
            "https" => false,
            _ => return Err(wrong()),
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| LinkError::Authorities(std::io::Error::other(error)))?;
        let tls = if plain {
            // Never used: the scheme is `http`. Roots are not asked of a machine that has none.
            builder.with_root_certificates(rustls::RootCertStore::empty())
        } else {
            builder
                .with_native_roots()
                .map_err(LinkError::Authorities)?
        };
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            client: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(60))
                .build(https),
            server: server.trim_end_matches('/').to_owned(),
            authorization: None,
        })
    }

    /// The link of an edge that has joined.
    ///
    /// # Errors
    /// As [`Link::open`].
    pub fn of(credential: &Credential) -> Result<Self, LinkError> {
        let mut link = Self::open(&credential.server)?;
        let text = format!("Bearer {}", credential.credential.expose());
        let mut value = header::HeaderValue::try_from(text)
            .map_err(|_| LinkError::Address(credential.server.clone()))?;
        value.set_sensitive(true);
        link.authorization = Some(value);
        Ok(link)
    }

    /// Enrolls.
    ///
    /// # Errors
    /// Any of [`LinkError`].
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, LinkError> {
        let answer = self.post(JOIN_PATH, request).await?;
        read(&answer)
    }

    /// Asks for news; `None` when there is none for as long as the server holds the question.
    ///
    /// # Errors
    /// Any of [`LinkError`].
    pub async fn updates(&self, query: &UpdatesQuery) -> Result<Option<Updates>, LinkError> {
        let path = format!(
            "{UPDATES_PATH}?generation={}&hash={}&directory={}&order={}&hold_ms={}",
            query.generation, query.hash, query.directory, query.order, query.hold_ms
        );
        let answer = self
            .call(Method::GET, &path, Bytes::new(), POLL_DEADLINE)
            .await?;
        if answer.is_empty() {
            return Ok(None);
        }
        read(&answer).map(Some)
    }

    /// Reports; the bytes are a [`contract::report::Report`], so that a report can be repeated.
    ///
    /// # Errors
    /// Any of [`LinkError`].
    pub async fn report(&self, report: Bytes) -> Result<ReportAnswer, LinkError> {
        let answer = self
            .call(Method::POST, REPORT_PATH, report, CALL_DEADLINE)
            .await?;
        read(&answer)
    }

    /// Answers a question.
    ///
    /// # Errors
    /// Any of [`LinkError`].
    pub async fn answer(&self, question: QuestionId, answer: &Answer) -> Result<(), LinkError> {
        self.post(&format!("{ANSWERS_PATH}/{question}"), answer)
            .await
            .map(drop)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Bytes, LinkError> {
        let body = serde_json::to_vec(body).expect("what is sent has only text keys");
        self.call(Method::POST, path, body.into(), CALL_DEADLINE)
            .await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, LinkError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| LinkError::Address(self.server.clone()))?;
        timeout(deadline, self.exchange(request))
            .await
            .unwrap_or(Err(LinkError::TimedOut))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, LinkError> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(LinkError::Unreachable)?;
        let status = response.status();
        let good = status.is_success();
        let most = if good {
            MAX_ANSWER_BYTES
        } else {
            MAX_PROBLEM_BYTES
        };
        let body = Limited::new(response.into_body(), most).collect().await;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::GONE => Err(LinkError::Expelled(status)),
            _ if good => Ok(body.map_err(LinkError::Broken)?.to_bytes()),
            _ => Err(LinkError::Refused {
                status,
                detail: body.map_or_else(|_| String::new(), |body| said(&body.to_bytes())),
            }),
        }
    }
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, LinkError> {
    serde_json::from_slice(answer).map_err(LinkError::Unreadable)
}

/// The detail of a problem document, or the text itself.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let detail = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|problem| {
            let said = problem.get("detail").or_else(|| problem.get("title"))?;
            said.as_str().map(str::to_owned)
        });
    let plain = || text.chars().filter(|c| !c.is_control()).take(200).collect();
    detail.unwrap_or_else(plain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let check = |body: &str, expected: &str| assert_eq!(said(body.as_bytes()), expected);
        check(
            r#"{"title":"t","detail":"the token was used"}"#,
            "the token was used",
        );
        check(r#"{"title":"t"}"#, "t");
        check("plain\ntext", "plaintext");
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for address in ["", "ftp://x", "x:80"] {
            assert!(matches!(Link::open(address), Err(LinkError::Address(_))));
        }
        assert!(Link::open("http://127.0.0.1:1/").is_ok());
    }
}
