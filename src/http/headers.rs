//! Headers that every answer carries, and who may read answers from another origin.

use std::{sync::Arc, time::Duration};

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{State, asker::Asker};

/// Scripts, styles and connections of this origin only, nothing inline, no frames around it.
/// (`'self'` covers `ws:` and `wss:` of the same host in current browsers.)
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What matters only to a document, or to what a browser might take for one.
const OF_DOCUMENTS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// A year, as browsers' preload lists want it at least.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Scripts, styles and the manifest, which are never a document (`nosniff` sees to that): in three dozen of
/// them these headers would be a quarter of what a first visit loads.
pub(super) fn is_part_of_a_page(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type
        .is_some_and(|value| matches!(value, "text/javascript" | "text/css" | "application/manifest+json"))
}

/// Adds what every answer carries. Answers that say nothing of caching are not to be kept: they
/// are about somebody.
pub(super) async fn secure(asker: Asker, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_part_of_a_page(headers) {
        // Who may read it does not depend on who asks, and nothing in it is about a call.
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    } else {
        for (name, value) in OF_DOCUMENTS {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if asker.over_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Pages of the origin list may call and read, never with credentials of the browser.
pub(super) fn cors(state: &Arc<State>) -> CorsLayer {
    let state = state.clone();
    let listed = move |origin: &HeaderValue, _: &http::request::Parts| {
        origin.to_str().is_ok_and(|origin| state.auth.origins().lists(origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(listed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_mins(10))
}
