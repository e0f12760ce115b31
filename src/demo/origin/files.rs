//! The HTTP side of the demo's origin: files that a cache may keep for a while, one that it may not.
//!
//! | path | what | may be kept |
//! |---|---|---|
//! | `/vod/clip.flv` | the whole clip | 60 s |
//! | `/vod/parts/0.flv` to `11.flv` | a second of it each | 30 s |
//! | `/vod/parts.json` | what parts there are, and when that was said | 1 s |
//! | `/vod/private.txt` | something for one reader only | never |
//!
//! Whole answers only: a cache in front completes what it is asked for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::demo::clip::{self, Clip};

/// How long a client may take to send the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is served, by path.
#[derive(Debug)]
pub(super) struct Files {
    files_by_path: HashMap<String, File>,
}

#[derive(Debug, Clone)]
struct File {
    kind: &'static str,
    keep: &'static str,
    etag: String,
    body: Bytes,
}

impl Files {
    /// Cuts the clip into its files.
    pub(super) fn new(clip: &Clip) -> Self {
        let parts = (0..clip::LENGTH_MS / clip::PART_MS).filter_map(|number| {
            let file = File {
                kind: "video/x-flv",
                keep: "public, max-age=30",
                etag: format!("\"part-{number}\""),
                body: clip.part(number)?,
            };
            Some((format!("/vod/parts/{number}.flv"), file))
        });
        let whole = File {
            kind: "video/x-flv",
            keep: "public, max-age=60",
            etag: "\"clip\"".to_owned(),
            body: Bytes::from_static(clip::FILE),
        };
        let private = File {
            kind: "text/plain; charset=utf-8",
            keep: "private, no-store",
            etag: "\"private\"".to_owned(),
            body: Bytes::from_static(b"For you alone: no cache keeps this.\n"),
        };
        let named = [
            ("/vod/clip.flv".to_owned(), whole),
            ("/vod/private.txt".to_owned(), private),
        ];
        Self {
            files_by_path: parts.chain(named).collect(),
        }
    }

    fn find(&self, path: &str) -> Option<File> {
        if path == "/vod/parts.json" {
            return Some(list_of_parts());
        }
        self.files_by_path.get(path).cloned()
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(file) = self.find(request.uri().path()) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let known = request.headers().get(IF_NONE_MATCH);
        let unchanged = known.is_some_and(|known| known.as_bytes() == file.etag.as_bytes());
        let body = if unchanged { Bytes::new() } else { file.body };
        let mut answer = Response::new(Full::new(body));
        if unchanged {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(file.keep));
        let etag = HeaderValue::from_str(&file.etag).expect("our own tags are plain text");
        headers.insert(ETAG, etag);
        answer
    }
}

/// Another one each second.
fn list_of_parts() -> File {
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let paths: Vec<String> = (0..clip::LENGTH_MS / clip::PART_MS)
        .map(|number| format!("\"parts/{number}.flv\""))
        .collect();
    File {
        kind: "application/json",
        keep: "public, max-age=1",
        etag: format!("\"parts-{now_s}\""),
        body: format!(
            "{{\"said_at_s\":{now_s},\"parts\":[{}]}}\n",
            paths.join(",")
        )
        .into(),
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// Serves one connection to its end.
pub(super) async fn serve(socket: TcpStream, files: Arc<Files>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = files.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(socket), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection with the demo's origin ended");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn says_what_may_be_kept_and_what_has_not_changed() {
        let files = Files::new(&Clip::open());
        let check = |path: &str, known: Option<&str>, status: u16, keep: Option<&str>| {
            let mut request = Request::get(path);
            if let Some(known) = known {
                request = request.header(IF_NONE_MATCH, known);
            }
            let answer = files.answer(&request.body(()).unwrap());
            assert_eq!(answer.status(), status, "{path}");
            let said = answer.headers().get(CACHE_CONTROL);
            assert_eq!(said.map(|said| said.to_str().unwrap()), keep, "{path}");
        };
        check("/vod/clip.flv", None, 200, Some("public, max-age=60"));
        check(
            "/vod/clip.flv",
            Some("\"clip\""),
            304,
            Some("public, max-age=60"),
        );
        check("/vod/clip.flv?a=b", None, 200, Some("public, max-age=60"));
        check("/vod/parts/11.flv", None, 200, Some("public, max-age=30"));
        check("/vod/parts/12.flv", None, 404, None);
        check("/vod/parts.json", None, 200, Some("public, max-age=1"));
        check("/vod/private.txt", None, 200, Some("private, no-store"));
        check("/", None, 404, None);
    }
}
