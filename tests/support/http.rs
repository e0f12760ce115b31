//! A small HTTP/1.1 client for asking origins, servers and edges: one request a connection, whole answers,
//! deadlines. It follows nothing and decides nothing.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// A whole answer. Header names are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks `address` (host and port) for `path`.
///
/// # Errors
/// What the socket said, or `InvalidData` for what is no HTTP answer.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    head += "\r\n";
    stream.write_all(&[head.as_bytes(), body].concat())?;
    read(&mut stream)
}

/// Reads until the answer is whole or the peer ends: some peers keep the connection though asked not to.
fn read(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..length]);
        let ended = length == 0 || bytes.len() > MOST_BYTES;
        match parse(&bytes, ended) {
            Some(answer) => return Ok(answer),
            None if ended => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "no whole HTTP answer",
                ));
            }
            None => {}
        }
    }
}

/// `GET` without anything special.
///
/// # Errors
/// As [`ask`].
pub(crate) fn get(address: &str, path: &str) -> io::Result<Answer> {
    ask(address, "GET", path, &[], &[])
}

/// The answer, if it is whole. Without a length it is whole when the peer has ended.
fn parse(bytes: &[u8], ended: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let length = answer.header("content-length").map(str::parse::<usize>);
    let chunked = answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    answer.body = match length {
        _ if chunked => unchunk(rest)?,
        // An answer to HEAD has a length and no body.
        Some(Ok(_)) if ended && rest.is_empty() => Vec::new(),
        Some(Ok(length)) => rest.get(..length)?.to_vec(),
        Some(Err(_)) => return None,
        None if matches!(status, 204 | 304) => Vec::new(),
        None => ended.then(|| rest.to_vec())?,
    };
    Some(answer)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = str::from_utf8(&rest[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[test]
fn answers_with_a_length_in_chunks_and_broken_off_are_told_apart() {
    let body = |text: &str| parse(text.as_bytes(), true).map(|answer| answer.text());
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").as_deref(),
        Some("hi")
    );
    assert_eq!(
        body(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x\r\ni\r\n0\r\n\r\n"
        )
        .as_deref(),
        Some("hi")
    );
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"), None);
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi"),
        None
    );
}
