//! The second listener, for operators: metrics, health, and administration, which [`guard`] lets in.

mod desk;
mod guard;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    extract::State as Extract,
    middleware,
    response::IntoResponse,
    routing::{get, post},
};
use http::{StatusCode, header};
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::guard::Keys;
use self::guard::{Guard, guard};
use super::{State, body::Json, passage, refusal, server};
use crate::{
    domain::{Password, Username},
    error::Refusal,
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

/// The routes of the operators' listener. Without a key there is no administration.
pub fn metrics_router(state: Arc<State>, render: Render, keys: Keys) -> Router {
    let admin = Router::new()
        .route("/admin/users", post(create))
        .route("/admin/users/password", post(set_password))
        .route("/admin/users/delete", post(delete))
        .merge(tokens::routes())
        .route("/admin/cluster", get(desk::cluster))
        .route("/admin/connections", get(desk::connections))
        .route("/admin/sign-outs", post(desk::sign_out))
        .route("/admin/announce", post(desk::announce))
        .route("/admin/drain", post(desk::drain))
        .route("/admin/rebalance", post(desk::rebalance))
        .layer(middleware::from_fn_with_state(Guard::new(keys), guard));
    Router::new()
        .route("/metrics", get(move || std::future::ready(metrics(&render))))
        .route("/health", get(server::health))
        .route("/ready", get(server::ready))
        .merge(admin)
        .method_not_allowed_fallback(refusal::method_not_allowed)
        .fallback(|| std::future::ready(refusal::not_found()))
        .layer(middleware::from_fn(passage::in_time))
        .layer(CatchPanicLayer::custom(refusal::panicked))
        .with_state(state)
}

fn metrics(render: &Render) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render())
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
