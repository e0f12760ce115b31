//! Who looks at a page, and how a page is handed to them.
//!
//! In: a request. Out: a [`Visitor`] for the handler, and the answer with the frame drawn around it.
//! Invariant: a page that needs a login is never drawn without one; no page is kept by a cache.
//! It does not know what any page shows.

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::failure::Failure;
use super::page::{Frame, Section};
use super::theme::Theme;
use crate::app::{App, Caller, From, Permission};
use crate::auth;

/// What a handler gives: an answer, or what went wrong.
pub(crate) type Answer = Result<Response, Failure>;

const NOTE_COOKIE: &str = "weir_note";
/// The longest note; chosen, because a cookie holds 4 KiB.
const NOTE_BYTES: usize = 1_024;

/// What a request says of its reader, known or not.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    caller: Option<Caller>,
    /// Where the request came from.
    pub(crate) from: From,
    theme: Theme,
    path: String,
    note: Option<String>,
    is_part: bool,
}

impl Reader {
    /// The frame for this reader.
    pub(crate) fn frame(&self, section: Section) -> Frame {
        Frame {
            user: self
                .caller
                .as_ref()
                .map(|caller| caller.name.clone())
                .unwrap_or_default(),
            role: self
                .caller
                .as_ref()
                .map_or("", |caller| caller.role.as_str()),
            theme: self.theme,
            path: self.path.clone(),
            section,
            note: self.note.clone(),
        }
    }

    /// Whether the reader has signed in.
    pub(crate) fn is_known(&self) -> bool {
        self.caller.is_some()
    }
}

/// A reader who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The verbs.
    pub(crate) app: App,
    /// Who asks.
    pub(crate) caller: Caller,
    reader: Reader,
}

impl Visitor {
    /// The frame for this visitor.
    pub(crate) fn frame(&self, section: Section) -> Frame {
        self.reader.frame(section)
    }

    /// The time by the server's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.app.clock().now_ms()
    }

    /// Whether pages should offer what needs this right.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    /// Whether only the live part of the page is asked for.
    pub(crate) fn wants_part(&self) -> bool {
        self.reader.is_part
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(parts
            .extensions
            .get::<Self>()
            .expect("`seat` is the layer of every page")
            .clone())
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let reader = parts
            .extensions
            .get::<Reader>()
            .expect("`seat` is the layer of every page");
        match &reader.caller {
            Some(caller) => Ok(Self {
                app: app.clone(),
                caller: caller.clone(),
                reader: reader.clone(),
            }),
            None if reader.is_part || parts.method != Method::GET => {
                Err(Failure::unknown().into_response())
            }
            None => Err(
                Redirect::to(&format!("/sign-in?next={}", escaped(&reader.path))).into_response(),
            ),
        }
    }
}

/// The layer of every page: finds out who asks, draws what failed, and keeps pages out of caches.
pub(crate) async fn seat(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match auth::identify(&app, &parts).await {
        Ok(caller) => caller,
        Err(error) => {
            let failure = Failure::from(error);
            return drawn(failure.into_response(), &Reader::unknown(&parts));
        }
    };
    let reader = Reader {
        caller,
        ..Reader::unknown(&parts)
    };
    parts.extensions.insert(reader.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    drawn(response, &reader)
}

impl Reader {
    fn unknown(parts: &Parts) -> Self {
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned();
        Self {
            caller: None,
            from: auth::origin_of(parts),
            theme: Theme::of(&parts.headers),
            // A form that was sent has no page of its own to come back to.
            path: if parts.method == Method::GET {
                path
            } else {
                "/".to_owned()
            },
            note: note_of(&parts.headers),
            is_part: parts.headers.contains_key("hx-request"),
        }
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    frame: Frame,
    failure: Failure,
    request_id: String,
    known: bool,
}

fn drawn(mut response: Response, reader: &Reader) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let page = FailurePage {
            frame: reader.frame(Section::Elsewhere),
            failure,
            request_id: reader.from.request_id.clone(),
            known: reader.is_known(),
        };
        let headers = std::mem::take(response.headers_mut());
        let status = response.status();
        response = show(status, &page);
        for name in [http::header::RETRY_AFTER] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    let shown =
        reader.note.is_some() && !reader.is_part && !response.headers().contains_key(LOCATION);
    let headers = response.headers_mut();
    if shown {
        headers.append(
            SET_COOKIE,
            HeaderValue::from_static("weir_note=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page with a status.
pub(crate) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The live part of a page, alone.
pub(crate) fn part(block: &impl Template) -> Response {
    show(StatusCode::OK, block)
}

/// Leads on to another page, which says what was done.
pub(crate) fn go(path: &str, note: impl AsRef<str>) -> Response {
    let mut note = note.as_ref();
    while note.len() > NOTE_BYTES {
        note = &note[..note.floor_char_boundary(NOTE_BYTES)];
    }
    let cookie = format!(
        "{NOTE_COOKIE}={}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly",
        escaped(note)
    );
    ([(SET_COOKIE, cookie)], Redirect::to(path)).into_response()
}

fn note_of(headers: &HeaderMap) -> Option<String> {
    let text = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NOTE_COOKIE)
        .map(|(_, value)| value)?;
    let note = unescaped(text)?;
    (!note.is_empty()).then_some(note)
}

/// Percent-encodes all but letters, digits and what is plain in paths.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_as_it_was_said() {
        for text in ["Rule “a; b=c” moved.", "100 %", "line\nbreak", "<b>"] {
            assert_eq!(unescaped(&escaped(text)).unwrap(), text);
            assert!(!escaped(text).contains(';'));
        }
        assert_eq!(unescaped("%4"), None);
        assert_eq!(unescaped("%ff"), None);
    }
}
