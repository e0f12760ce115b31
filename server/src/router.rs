//! Joins the console, the API and what stands around every request: ids, traces, limits, headers.
//!
//! The only file that knows all the parts.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::api;
use crate::app::App;
use crate::console;
use crate::control;

/// The largest body of a request; a form or a JSON document of ours is far smaller.
const BODY_BYTES: usize = 1024 * 1024;
/// The longest that a request may take, long-polls excepted.
const LONGEST: Duration = Duration::from_secs(20);
/// Nothing is loaded from elsewhere, nothing inline runs, nobody frames a page.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; \
     manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'";

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The whole service.
pub fn router(app: App) -> Router {
    let quick = Router::new()
        .nest("/api/v1", api::routes())
        .merge(console::routes(&app))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            LONGEST,
        ));
    // An agent's call may be held for news, which has its own end.
    layered(quick.merge(control::routes())).with_state(app)
}

/// Each layer stands around those above it: a request meets the last one first.
fn layered(routes: Router<App>) -> Router<App> {
    routes
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_request_id_in_problem))
        .layer(CompressionLayer::new())
        .layer(middleware::map_response(with_security_headers))
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID.clone()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::new(X_REQUEST_ID.clone(), NewRequestId))
        .layer(middleware::map_request(without_request_id))
}

async fn ready(State(app): State<App>) -> Response {
    match app.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(error = crate::log::chain(&error), "the server is not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer\n",
            )
                .into_response()
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        let id = format!("req_{}", uuid::Uuid::now_v7().simple());
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// An id that a client made up could be another request's.
async fn without_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(&X_REQUEST_ID);
    request
}

/// A request's span names the path and never the query or a header: those may hold secrets. The
/// set-up link's secret stands in its path.
fn span(request: &Request) -> tracing::Span {
    let path = request.uri().path();
    let path = if path.starts_with("/setup/") {
        "/setup/…"
    } else {
        path
    };
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default();
    tracing::info_span!("request", request.id = id, method = %request.method(), path)
}

async fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is said about one caller is for that caller; assets say otherwise themselves.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Adds the request's id to a problem document, which is made where the id is not known.
async fn with_request_id_in_problem(request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let response = next.run(request).await;
    if !is_problem(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let document = match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::Object(mut fields)) => {
            fields.insert("request_id".to_owned(), id.into());
            serde_json::Value::Object(fields).to_string().into()
        }
        Ok(_) | Err(_) => bytes,
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document))
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == b"application/problem+json")
}

fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "an internal fault; it has been logged\n",
    )
        .into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn every_answer_has_a_strict_policy_and_its_own_request_id() {
        let server = Server::start().await;
        let first = server.anonymous().get("/healthz").await;
        let second = server.anonymous().get("/nowhere").await;
        for answer in [&first, &second] {
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        assert_eq!(server.anonymous().get("/readyz").await.status, 200);
    }

    #[tokio::test]
    async fn a_change_asked_for_by_another_site_is_refused() {
        let server = Server::start().await;
        let new = json!({"name": "ci", "role": "auditor"});
        let answer = server
            .administrator()
            .with_header("sec-fetch-site", "cross-site")
            .post("/api/v1/tokens", new)
            .await;
        assert_eq!(answer.status, 403);
        let list = server.administrator().get("/api/v1/tokens").await;
        assert!(!list.text.contains("\"ci\""), "{list:?}");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let server = Server::start().await;
        let new = json!({"name": "x".repeat(2 * 1024 * 1024), "role": "auditor"});
        let answer = server.administrator().post("/api/v1/tokens", new).await;
        assert_eq!(answer.status, 413);
    }

    #[tokio::test]
    async fn an_address_or_method_that_is_not_there_is_a_problem_document() {
        let server = Server::start().await;
        let admin = server.administrator();
        assert_eq!(admin.get("/api/v1/nowhere").await.body["status"], 404);
        assert_eq!(admin.delete("/api/v1/users").await.body["status"], 405);
        assert_eq!(admin.get("/api/v1/users/edge_1").await.body["status"], 404);
    }
}
