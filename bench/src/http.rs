//! Just enough HTTP to set a server up by its REST API: JSON out, JSON back, one request a
//! connection. HTTP/1.0, so that an answer ends where its connection does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that an answer may hold.
const LARGEST: u64 = 1 << 20;

/// One caller of a REST API, known by a cookie once it has signed in.
pub(crate) struct Caller {
    address: SocketAddr,
    cookie: Option<String>,
}

impl Caller {
    /// A caller whom the server does not know yet.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookie: None,
        }
    }

    /// Posts a JSON document and keeps the cookie that the answer may set.
    ///
    /// # Errors
    /// When there is no answer, or its status is not one of success.
    pub(crate) fn post(&mut self, path: &str, document: &Value) -> Result<Value> {
        let answer = self
            .exchange(path, &document.to_string())
            .with_context(|| format!("no answer to POST {path}"))?;
        let (status, cookie, body) =
            parse(&answer).with_context(|| format!("the answer to POST {path} is not HTTP"))?;
        if !(200..300).contains(&status) {
            bail!("POST {path} was answered with {status}: {body}");
        }
        if cookie.is_some() {
            self.cookie = cookie;
        }
        Ok(serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn exchange(&self, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let cookie = self
            .cookie
            .as_ref()
            .map(|cookie| format!("Cookie: {cookie}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\n{cookie}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(LARGEST).read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Status, the cookie that is set, the body.
fn parse(answer: &str) -> Option<(u16, Option<String>, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let cookie = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("set-cookie");
        is_it.then(|| {
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
    });
    Some((status, cookie, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer =
            "HTTP/1.0 201 Created\r\nset-cookie: weir=abc; Path=/\r\nx: y\r\n\r\n{\"a\":1}";
        let expected = (201, Some("weir=abc".to_owned()), "{\"a\":1}");
        assert_eq!(parse(answer), Some(expected));
        assert_eq!(
            parse("HTTP/1.0 204 No Content\r\n\r\n"),
            Some((204, None, ""))
        );
        assert_eq!(parse("garbage"), None);
    }
}
