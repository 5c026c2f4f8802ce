//! The HTTP face: routes, layers, limits, the browser client.
//!
//! A request passes, from outside in: [`passage`] (id, span, timing, an overall limit), Sentry's
//! hub of its own, a net for panics, the headers that every answer carries, CORS (which answers
//! preflights itself), the limits of calls, and then its handler. Every refusal on the way is
//! `{"message","code"}`; a 5xx says nothing of the inside. Calls are put together with their descriptions
//! ([`openapi`]).

mod accounts;
mod asker;
mod body;
mod client;
mod cookies;
mod headers;
mod limits;
mod openapi;
mod operator;
mod packed;
mod passage;
mod refusal;
mod rooms;
mod server;

use std::{future::ready, sync::Arc};

use axum::{
    Router,
    extract::{Request, State as Extract},
    handler::Handler,
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use http::header;
use sentry::integrations::tower::{NewSentryLayer, SentryHttpLayer};
use tower::{ServiceBuilder, ServiceExt, util::option_layer};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::{
    client::build,
    operator::{Keys, Render, metrics_router},
    passage::{describe_metrics, opening},
};
pub use crate::readiness::{Cause, Readiness};
use crate::{
    admin::Desk, auth::Auth, chat::Chat, config::Config, error::Refusal, protocol::Limits, shutdown::Tasks,
};

/// What the handlers work with.
pub struct State {
    /// Says who somebody is.
    pub auth: Arc<Auth>,
    /// Knows rooms and what is said in them.
    pub chat: Arc<Chat>,
    /// What operators ask.
    pub desk: Arc<Desk>,
    /// Whether this node should be sent people.
    pub readiness: Readiness,
    /// The limits a client is told.
    pub limits: Limits,
    /// The settings.
    pub config: Arc<Config>,
}

/// The public listener's routes. `socket` answers requests that want to become a WebSocket, on
/// `/ws` and on `/`. Starts the task that forgets old callers.
///
/// Each request must carry its peer as `ConnectInfo<SocketAddr>`.
pub fn router(state: &Arc<State>, socket: MethodRouter, tasks: &Tasks) -> Router {
    let counted = limits::Limits::new(state.config.rate_limit_per_hour, state.config.api_limit_per_minute);
    counted.sweep(tasks);
    // Costs a copy of the headers per request, so only when somebody is told.
    let reported = state.config.sentry_dsn.is_some();
    let (calls, _) = OpenApiRouter::new()
        .merge(public_calls().layer(counted.of_address()))
        .merge(callers_calls().layer(counted.of_caller(state.auth.clone())))
        .merge(free_calls())
        .split_for_parts();
    calls
        .merge(page_and_socket(socket))
        .method_not_allowed_fallback(refusal::method_not_allowed)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(state.clone(), passage::pass))
                .layer(option_layer(reported.then(NewSentryLayer::<Request>::new_from_top)))
                .layer(option_layer(reported.then(SentryHttpLayer::new)))
                .layer(CatchPanicLayer::custom(refusal::panicked))
                .layer(from_fn(headers::secure))
                .layer(headers::cors(state)),
        )
        .with_state(state.clone())
}

/// Calls that come before somebody is signed in.
fn public_calls() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::login))
        .routes(routes!(server::server))
        .routes(routes!(server::debug_sentry))
        .routes(routes!(openapi::document))
}

/// Calls of somebody who is signed in.
fn callers_calls() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::logout))
        .routes(routes!(accounts::refresh))
        .routes(routes!(accounts::ticket))
        .routes(routes!(accounts::me))
        .routes(routes!(accounts::password))
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::one))
        .routes(routes!(rooms::messages, rooms::post))
        .routes(routes!(rooms::users))
}

/// What costs no call.
fn free_calls() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::new().routes(routes!(server::health)).routes(routes!(server::ready))
}

/// The API for machines: every call, and what `openapi` says of sockets and the page.
fn described() -> utoipa::openapi::OpenApi {
    let calls = OpenApiRouter::with_openapi(openapi::Base::openapi());
    calls.merge(public_calls()).merge(callers_calls()).merge(free_calls()).into_openapi()
}

/// The page and its files, and sockets (which have limits of their own). They cost no call either.
fn page_and_socket(socket: MethodRouter) -> Router<Arc<State>> {
    let file = client::file.layer(CompressionLayer::new());
    let page = get(file.clone());
    let at_root = socket.clone();
    let root = move |Extract(state): Extract<Arc<State>>, request: Request| async move {
        let found = if asks_for_upgrade(&request) {
            at_root.oneshot(request).await
        } else {
            page.with_state(state).oneshot(request).await
        };
        found.into_response()
    };
    Router::new().route("/ws", socket.with_state(())).route("/", get(root)).fallback(file)
}

/// The routes of a listener whose node is still starting: it lives, it is not ready, and whatever
/// else is asked is `unavailable`.
pub fn waiting_router(readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(server::health))
        .route("/ready", get(move || ready(server::readiness(&readiness))))
        .method_not_allowed_fallback(refusal::method_not_allowed)
        .fallback(|| ready(Refusal::unavailable()))
}

fn asks_for_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests;
