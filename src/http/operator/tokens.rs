//! The operator's calls about tokens of bots, for `chorus token`.

use std::sync::Arc;

use axum::{Json as Answer, Router, extract::State as Extract, routing::post};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    State,
    body::{Json, invalid},
};
use crate::{
    admin::ListedToken,
    domain::{RoomName, Scope, SignInId, Username},
    error::Refusal,
};

/// Its routes.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/admin/tokens", post(create))
        .route("/admin/tokens/list", post(list))
        .route("/admin/tokens/revoke", post(revoke))
}

#[derive(Deserialize)]
struct New {
    username: String,
    rooms: Vec<String>,
    read: bool,
    write: bool,
    days: Option<u32>,
}

#[derive(Deserialize)]
struct Named {
    username: String,
    id: Option<String>,
}

async fn create(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<New>,
) -> Result<(StatusCode, Answer<Value>), Refusal> {
    let name = Username::parse(&given.username)?;
    let rooms = given.rooms.iter().map(|room| RoomName::parse(room)).collect::<Result<_, _>>()?;
    let scope = Scope::new(rooms, given.read, given.write)?;
    let made = state.auth.admin_add_token(&name, scope, given.days).await?;
    let shown = json!({
        "token": made.token.expose_secret(), "id": made.sid.to_string(), "expiresAt": made.expires_at,
    });
    Ok((StatusCode::CREATED, Answer(shown)))
}

async fn list(Extract(state): Extract<Arc<State>>) -> Result<Answer<Value>, Refusal> {
    let tokens: Vec<_> = state.auth.admin_tokens().await?.iter().map(ListedToken::from).collect();
    Ok(Answer(json!({ "tokens": tokens })))
}

async fn revoke(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Named>,
) -> Result<Answer<Value>, Refusal> {
    let parse = |id: &String| SignInId::parse(id).ok_or_else(|| invalid("An id is what the list shows."));
    let only = given.id.as_ref().map(parse).transpose()?;
    let ended = state.auth.admin_revoke(&Username::parse(&given.username)?, only).await?;
    Ok(Answer(json!({ "ended": ended })))
}
