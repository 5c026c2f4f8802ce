//! The second listener, for operators: metrics, health, and the administration of accounts by the
//! command line on the same machine.
//!
//! Administration takes two things: a loopback peer and the token that this run of the node wrote
//! to `DATA_DIR/admin_token` (mode 0600). So whoever may read the node's data may administer it,
//! and nobody else.

mod tokens;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, Request, State as Extract},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tower_http::catch_panic::CatchPanicLayer;

use super::{State, asker::bearer, body::Json, refusal, server};
use crate::{
    domain::{Password, Username},
    error::{Code, Refusal},
};

/// Writes all metrics as Prometheus reads them.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Deserialize)]
struct Account {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct Named {
    username: String,
}

/// The routes of the operators' listener. Without a token there is no administration.
pub fn metrics_router(state: Arc<State>, render: Render, admin_token: Option<SecretString>) -> Router {
    let admin = Router::new()
        .route("/admin/users", post(create))
        .route("/admin/users/password", post(set_password))
        .route("/admin/users/delete", post(delete))
        .merge(tokens::routes())
        .layer(middleware::from_fn_with_state(Arc::new(admin_token), guard));
    Router::new()
        .route("/metrics", get(move || std::future::ready(metrics(&render))))
        .route("/health", get(server::health))
        .route("/ready", get(server::ready))
        .merge(admin)
        .method_not_allowed_fallback(refusal::method_not_allowed)
        .fallback(|| std::future::ready(refusal::not_found()))
        .layer(CatchPanicLayer::custom(refusal::panicked))
        .with_state(state)
}

fn metrics(render: &Render) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render())
}

/// Lets the operator through.
async fn guard(Extract(token): Extract<Arc<Option<SecretString>>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let peer = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, &()).await;
    let local = peer.is_ok_and(|peer| peer.0.ip().to_canonical().is_loopback());
    if !local || !shows(&parts.headers, token.as_ref().as_ref()) {
        return Refusal::new(Code::Forbidden, "Only for the operator of this machine.").into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Sums are compared, so the time taken says nothing of the token.
fn shows(headers: &HeaderMap, token: Option<&SecretString>) -> bool {
    let (Some(shown), Some(token)) = (bearer(headers), token) else { return false };
    Sha256::digest(shown) == Sha256::digest(token.expose_secret())
}

async fn create(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Account>,
) -> Result<StatusCode, Refusal> {
    let (username, password) = (Username::parse(&given.username)?, Password::parse(&given.password)?);
    state.auth.admin_create(&username, &password).await?;
    Ok(StatusCode::CREATED)
}

async fn set_password(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Account>,
) -> Result<StatusCode, Refusal> {
    let (username, password) = (Username::parse(&given.username)?, Password::parse(&given.password)?);
    state.auth.admin_set_password(&username, &password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Named>,
) -> Result<StatusCode, Refusal> {
    // A name that came from the predecessor may not fit today's rule.
    state.auth.admin_delete(&Username::from_store(given.username)).await?;
    Ok(StatusCode::NO_CONTENT)
}
