//! Calls about this node: what it is, that it lives, whether it is ready.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{RawQuery, State as Extract},
};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Cause, Readiness, State,
    openapi::{Moment, refusals},
    refusal,
};
use crate::{domain::Timestamp, error::Refusal, protocol::Limits};

/// What a client needs before somebody signs in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    name: &'static str,
    version: &'static str,
    /// `open` or `closed`.
    #[schema(pattern = "^(open|closed)$")]
    registration: &'static str,
    demo_accounts: bool,
    limits: Limits,
}

/// The process lives.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    #[schema(pattern = "^ok$")]
    status: &'static str,
    #[schema(value_type = Moment)]
    time_stamp: Timestamp,
}

/// Whether this node should be sent people.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready` or `unavailable`.
    #[schema(pattern = "^(ready|unavailable)$")]
    status: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    causes: Vec<Cause>,
}

refusals! {
    /// What counts by address may be too much.
    Counted: ; RateLimited
}

refusals! {
    /// On purpose, or not there.
    OnPurposeOrGone: ; Internal, NotFound, RateLimited
}

/// What a client must know before anybody signs in.
#[utoipa::path(
    get, operation_id = "getServer", path = "/server", tag = "server",
    responses((status = 200, description = "What it is and what it allows", body = Server), Counted),
)]
pub(super) async fn server(Extract(state): Extract<Arc<State>>) -> Answer<Server> {
    Answer(Server {
        name: "Chorus",
        version: env!("CARGO_PKG_VERSION"),
        registration: if state.config.registration_open { "open" } else { "closed" },
        demo_accounts: state.config.demo_accounts,
        limits: state.limits.clone(),
    })
}

/// The process lives. Nothing else is asked, so that a database that is gone does not get every node killed.
#[utoipa::path(
    get, operation_id = "getHealth", path = "/health", tag = "server",
    responses((status = 200, description = "It lives", body = Health)),
)]
pub(super) async fn health() -> Answer<Health> {
    let now = jiff::Timestamp::now().as_millisecond();
    Answer(Health { status: "ok", time_stamp: Timestamp(now) })
}

/// Whether this node should be sent people.
#[utoipa::path(
    get, operation_id = "getReadiness", path = "/ready", tag = "server",
    responses(
        (status = 200, description = "Send them here", body = Ready),
        (status = 503, description = "Send them elsewhere", body = Ready),
    ),
)]
pub(super) async fn ready(Extract(state): Extract<Arc<State>>) -> (StatusCode, Answer<Ready>) {
    readiness(&state.readiness)
}

/// What `GET /ready` answers.
pub(super) fn readiness(readiness: &Readiness) -> (StatusCode, Answer<Ready>) {
    let causes = readiness.causes();
    let (code, status) = if causes.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    (code, Answer(Ready { status, causes }))
}

#[derive(Debug, thiserror::Error)]
#[error("a test error, raised on purpose by /debug-sentry")]
struct OnPurpose;

/// Fails on purpose, to show that errors and panics are reported. Not there in production.
#[utoipa::path(
    get,
    operation_id = "raiseTestError",
    path = "/debug-sentry",
    tag = "server",
    params(("panic" = Option<String>, Query, description = "If it is there, the call panics")),
    responses(OnPurposeOrGone)
)]
pub(super) async fn debug_sentry(Extract(state): Extract<Arc<State>>, RawQuery(query): RawQuery) -> Refusal {
    if state.config.node_env.is_production() {
        return refusal::not_found();
    }
    let is_to_panic = query.is_some_and(|query| query.split('&').any(|part| part == "panic"));
    assert!(!is_to_panic, "a test panic, raised on purpose by /debug-sentry");
    Refusal::internal().because(OnPurpose)
}
