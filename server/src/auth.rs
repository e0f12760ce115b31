//! Who is asking: from a login cookie or a bearer token to a [`Caller`].
//!
//! A request that carries a bearer token is judged by it alone; else the cookie counts. Nothing
//! here says what a caller may do, and nothing here answers: `api` and `console` say "not known" in
//! their own way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum_extra::extract::cookie::CookieJar;
use contract::secret::Secret;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tower_http::request_id::RequestId;
use url::Url;

use crate::app::{App, Caller, Error, From, logins, tokens};

/// The cookie's name where the server is reached by HTTPS: the prefix binds it to this host.
const SECURE_COOKIE: &str = "__Host-weir";
/// Its name where it is reached by plain HTTP, which browsers do not let carry the prefix.
const PLAIN_COOKIE: &str = "weir";

fn is_secure(public_url: &Url) -> bool {
    public_url.scheme() == "https"
}

fn cookie_name(public_url: &Url) -> &'static str {
    if is_secure(public_url) {
        SECURE_COOKIE
    } else {
        PLAIN_COOKIE
    }
}

/// The `Set-Cookie` value that gives a login to the browser.
#[must_use]
pub fn login_cookie(app: &App, secret: &Secret) -> HeaderValue {
    cookie(app, secret.expose(), logins::LIFE.as_secs())
}

/// The `Set-Cookie` value that takes a login away from the browser.
#[must_use]
pub fn no_login_cookie(app: &App) -> HeaderValue {
    cookie(app, "", 0)
}

/// RFC 6265, section 4.1. `Lax`, so that a link from a ticket opens signed in; what changes
/// anything is a POST, which the cross-site layer judges as well.
fn cookie(app: &App, value: &str, max_age_s: u64) -> HeaderValue {
    let url = app.public_url();
    let secure = if is_secure(url) { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}",
        cookie_name(url)
    );
    let mut header =
        HeaderValue::from_str(&text).expect("our secrets are made of URL-safe characters");
    header.set_sensitive(true);
    header
}

/// Where a request came from. A request without an address (only tests make one) counts as local.
#[must_use]
pub fn origin_of(parts: &Parts) -> From {
    let address = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| {
            info.0.ip().to_canonical()
        });
    let request_id = parts
        .extensions
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    From {
        address,
        request_id,
    }
}

/// The caller of a request; nothing if it carries neither a valid token nor a valid login.
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`].
pub async fn identify(app: &App, parts: &Parts) -> Result<Option<Caller>, Error> {
    let from = origin_of(parts);
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        return match bearer(header) {
            Some(token) => tokens::caller_of(app, token, from).await,
            None => Ok(None),
        };
    }
    let jar = CookieJar::from_headers(&parts.headers);
    match jar.get(cookie_name(app.public_url())) {
        Some(cookie) => logins::caller_of(app, cookie.value(), from).await,
        None => Ok(None),
    }
}

/// The secret of an `Authorization: Bearer` header.
#[must_use]
pub fn bearer(header: &HeaderValue) -> Option<&str> {
    let (scheme, secret) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
