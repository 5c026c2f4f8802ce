//! What happens around every request: it gets an id and a span, it is timed, counted and bounded.
//!
//! A span says method, matched path, request id and status; never a query or a header, where
//! credentials travel.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State as Extract},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use metrics::Counter;
use tokio::time::timeout;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::{State, asker, headers::is_part_of_a_page};
use crate::{error::Refusal, telemetry::are_traces_sent};

const REQUEST_ID: &str = "x-request-id";
/// The longest anything here may take; every wait inside has a shorter limit of its own.
const LIMIT: Duration = Duration::from_secs(20);

/// Around everything else.
pub(super) async fn pass(Extract(state): Extract<Arc<State>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("(file)", MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let begun = request.extensions_mut().remove::<Begun>();
    let begun = begun.unwrap_or_else(|| Begun::now(method, &path, request.headers()));
    let asker = asker::read(&request, state.auth.proxies());
    request.extensions_mut().insert(asker);

    let mut response = in_time(request, next).instrument(begun.span.clone()).await;
    let status = response.status();
    let labels = [
        ("method", method.to_owned()),
        ("path", path),
        ("status", status.as_str().to_owned()),
    ];
    begun.record(status, &metrics::counter!("chorus_http_requests_total", &labels));
    if !is_part_of_a_page(response.headers()) {
        response.headers_mut().insert(REQUEST_ID, begun.id);
    }
    response
}

/// Around a handshake that this room does not see unless it is refused: what is around every request. `open` is given what
/// its answer is to say besides, and tells whether it was given.
///
/// # Errors
/// What was refused, with what its request carries when HTTP reads it again: it goes on as the same request.
pub async fn opening<S, F>(
    request: &Parts,
    open: impl FnOnce((HeaderName, HeaderValue)) -> F,
) -> Result<(), (S, Extensions)>
where
    F: Future<Output = Result<bool, (S, Refusal)>>,
{
    let path = request.uri.path();
    let begun = Begun::now("GET", path, &request.headers);
    let opened = open((HeaderName::from_static(REQUEST_ID), begun.id.clone()));
    match timeout(LIMIT, opened.instrument(begun.span.clone())).await {
        Ok(Ok(true)) => begun.record(StatusCode::SWITCHING_PROTOCOLS, &opened_by(path)),
        Ok(Ok(false)) | Err(_) => {}
        Ok(Err((stream, refusal))) => {
            let mut known = Extensions::new();
            known.insert(begun);
            known.insert(refusal);
            return Err((stream, known));
        }
    }
    Ok(())
}

/// A request that is under way.
#[derive(Clone)]
struct Begun {
    at: Instant,
    id: HeaderValue,
    span: Span,
}

impl Begun {
    fn now(method: &'static str, path: &str, headers: &HeaderMap) -> Self {
        let id = request_id(headers);
        let span = tracing::info_span!(
            "request",
            method,
            path,
            request_id = id.to_str().unwrap_or_default(),
            status = field::Empty,
            otel.name = field::Empty,
            otel.kind = field::Empty,
        );
        if are_traces_sent() {
            span.record("otel.name", format!("{method} {path}"));
            span.record("otel.kind", "server");
        }
        Self { at: Instant::now(), id, span }
    }

    fn record(&self, status: StatusCode, counter: &Counter) {
        let (status, took) = (status.as_u16(), self.at.elapsed());
        if are_traces_sent() {
            self.span.record("status", status);
        }
        tracing::debug!(parent: &self.span, status, took_ms = took.as_millis(), "answered");
        counter.increment(1);
        metrics::histogram!("chorus_http_request_seconds").record(took.as_secs_f64());
    }
}

/// Counts handshakes that were let in without HTTP. Labels that are known now cost nothing to be put together.
fn opened_by(path: &str) -> Counter {
    if path == "/" {
        metrics::counter!("chorus_http_requests_total", "method" => "GET", "path" => "/", "status" => "101")
    } else {
        metrics::counter!("chorus_http_requests_total", "method" => "GET", "path" => "/ws", "status" => "101")
    }
}

/// Within the limit, whatever it is.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let late = |_| Refusal::unavailable().into_response();
    timeout(LIMIT, next.run(request)).await.unwrap_or_else(late)
}

/// What a proxy called it, if that is a sane name, else one of our own.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&bytes.len()) && bytes.iter().all(plain)
    };
    let given = headers.get(REQUEST_ID).filter(sane).cloned();
    given.unwrap_or_else(|| {
        let made = Uuid::new_v4().simple().to_string();
        HeaderValue::from_str(&made).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// One of few names: methods are the client's to invent, metrics are not.
const fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Names and units of what is counted here. Which paths and answers there will be is not known yet, so a
/// request is counted from its first one on.
pub fn describe_metrics() {
    metrics::describe_counter!("chorus_http_requests_total", "HTTP requests, by method, path and status");
    metrics::describe_histogram!(
        "chorus_http_request_seconds",
        metrics::Unit::Seconds,
        "How long HTTP requests took"
    );
    let _ = metrics::histogram!("chorus_http_request_seconds");
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_takes_too_long_is_given_up() {
        let (request, ()) = Request::new(()).into_parts();
        let began = tokio::time::Instant::now();
        let opened = opening::<(), _>(&request, |_| std::future::pending()).await;
        assert!(opened.is_ok(), "nobody is left to be told");
        assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_and_said_so() {
        let stuck = Router::new().route("/", get(std::future::pending::<()>)).layer(from_fn(in_time));
        let began = tokio::time::Instant::now();
        let answer = stuck.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());
    }
}
