//! The server's REST API as the demo uses it: like anyone else, with no back door.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use serde_json::{Value, json};
use url::Url;

use super::fetch::Fetcher;

/// The API of one server, asked by somebody or nobody.
#[derive(Clone)]
pub(crate) struct Api {
    base: Url,
    proof: Option<(HeaderName, HeaderValue)>,
    fetcher: Fetcher,
}

impl Api {
    /// The API of the server at this address.
    pub(crate) fn new(server: &Url) -> anyhow::Result<Self> {
        Ok(Self {
            base: server.join("api/v1/")?,
            proof: None,
            fetcher: Fetcher::new(None),
        })
    }

    /// The same API, asked with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        self.with_proof(AUTHORIZATION, value.expect("a token is plain text"))
    }

    /// The same API, asked by a user who signs in with a password.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> anyhow::Result<Self> {
        let body = json!({"name": name, "password": password});
        let answer = self.send(Method::POST, "logins", Some(&body)).await?;
        let cookie = answer.headers().get(SET_COOKIE);
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.context("signing in was answered without a cookie")?;
        Ok(self.with_proof(COOKIE, HeaderValue::from_str(cookie)?))
    }

    fn with_proof(&self, header: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self {
            proof: Some((header, value)),
            ..self.clone()
        }
    }

    /// Reads what stands at a path.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Makes something, or does what the path says.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Changes some fields of what stands at a path.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = self.send(method, path, body).await?.into_body();
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer)
            .with_context(|| format!("`{path}` was not answered in JSON"))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Bytes>> {
        let what = format!("{method} {path}");
        let mut request = Request::builder()
            .method(method)
            .uri(self.base.join(path)?.as_str());
        if let Some((header, value)) = &self.proof {
            request = request.header(header, value);
        }
        let request = match body {
            None => request.body(Bytes::new())?,
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string().into())?,
        };
        let answer = self.fetcher.fetch(request).await?;
        if !answer.status().is_success() {
            let said = String::from_utf8_lossy(answer.body());
            bail!("`{what}` was answered {}: {said}", answer.status());
        }
        Ok(answer)
    }
}

/// The text in a field of an answer.
pub(crate) fn text<'v>(answer: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    answer[field]
        .as_str()
        .with_context(|| format!("the server's answer has no `{field}`"))
}
