//! Calls about this node: what it is, that it lives, whether it is ready.

use std::sync::Arc;

use axum::{Json as Answer, extract::State as Extract};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Readiness, State, refusal};
use crate::{domain::Timestamp, error::Refusal, protocol::Limits};

/// What a client needs before somebody signs in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    name: &'static str,
    version: &'static str,
    registration: &'static str,
    demo_accounts: bool,
    limits: Limits,
}

/// `GET /server`
pub(super) async fn server(Extract(state): Extract<Arc<State>>) -> Answer<Server> {
    Answer(Server {
        name: "Chorus",
        version: env!("CARGO_PKG_VERSION"),
        registration: if state.config.registration_open { "open" } else { "closed" },
        demo_accounts: state.config.demo_accounts,
        limits: state.limits.clone(),
    })
}

/// `GET /health`: the process lives. Nothing else is asked, so that a database that is gone does
/// not get every node killed.
pub(super) async fn health() -> Answer<Value> {
    let now = jiff::Timestamp::now().as_millisecond();
    Answer(json!({ "status": "ok", "timeStamp": Timestamp(now) }))
}

/// `GET /ready`
pub(super) async fn ready(Extract(state): Extract<Arc<State>>) -> (StatusCode, Answer<Value>) {
    readiness(&state.readiness)
}

/// What `GET /ready` answers.
pub(super) fn readiness(readiness: &Readiness) -> (StatusCode, Answer<Value>) {
    let causes = readiness.causes();
    if causes.is_empty() {
        (StatusCode::OK, Answer(json!({ "status": "ready" })))
    } else {
        let answer = json!({ "status": "unavailable", "causes": causes });
        (StatusCode::SERVICE_UNAVAILABLE, Answer(answer))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a test error, raised on purpose by /debug-sentry")]
struct OnPurpose;

/// `GET /debug-sentry`: shows that errors are reported. Not there in production.
pub(super) async fn debug_sentry(Extract(state): Extract<Arc<State>>) -> Refusal {
    if state.config.node_env.is_production() {
        refusal::not_found()
    } else {
        Refusal::internal().because(OnPurpose)
    }
}
