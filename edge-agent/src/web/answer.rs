//! Answers of the edge itself: refusals with their reason and decision id, redirects. They name no
//! origin.

use contract::id::DecisionId;
use contract::reason::Reason;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::body::{self, AnyBody};

/// The status that a reason is told by.
const fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::BadAddress
        | Reason::NoApplication
        | Reason::ProtocolFault
        | Reason::BadHandshake => StatusCode::BAD_REQUEST,
        Reason::IdentityRequired | Reason::WrongPassword => StatusCode::UNAUTHORIZED,
        Reason::RouteRejects
        | Reason::BadToken
        | Reason::ClientDisabled
        | Reason::DeniedByRule
        | Reason::DeniedByDefault
        | Reason::DeniedByWebhook
        | Reason::WrongEdge
        | Reason::NoLongerAllowed
        | Reason::Moved
        | Reason::Redirected
        | Reason::EndedByOperator => StatusCode::FORBIDDEN,
        Reason::NoRoute | Reason::StreamNotFound => StatusCode::NOT_FOUND,
        Reason::TimedOut | Reason::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Reason::StreamBusy | Reason::TakenOver => StatusCode::CONFLICT,
        Reason::Destination | Reason::OriginUnreachable | Reason::OriginRefused => {
            StatusCode::BAD_GATEWAY
        }
        Reason::Loop | Reason::TooManyHops => StatusCode::LOOP_DETECTED,
        Reason::NoSettings
        | Reason::EdgeStopping
        | Reason::EdgeDraining
        | Reason::LimitReached
        | Reason::WebhookSilent => StatusCode::SERVICE_UNAVAILABLE,
        Reason::ClientClosed | Reason::StreamEnded | Reason::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// A refusal, as a problem document (RFC 9457). The connection is closed after it.
pub(super) fn refusal(
    reason: Reason,
    detail: Option<&str>,
    decision: Option<DecisionId>,
    password_would_do: bool,
) -> Response<AnyBody> {
    let mut status = status(reason);
    if status == StatusCode::UNAUTHORIZED && !password_would_do {
        status = StatusCode::FORBIDDEN;
    }
    let mut problem = serde_json::json!({
        "type": "about:blank",
        "title": reason.sentence(),
        "status": status.as_u16(),
        "reason": reason.code(),
    });
    if let Some(detail) = detail {
        problem["detail"] = detail.into();
    }
    if let Some(decision) = decision {
        problem["decision"] = decision.to_string().into();
    }
    let mut response = Response::new(body::text(format!("{problem}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"stream\", charset=\"UTF-8\"");
        headers.insert(WWW_AUTHENTICATE, ask);
        // The client may ask again on this connection.
        headers.remove(CONNECTION);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// A redirect that keeps the method.
pub(super) fn redirect(location: &str) -> Option<Response<AnyBody>> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(location).ok()?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
