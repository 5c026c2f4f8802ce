//! Calls about the cluster: the operator's desk over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{Json as Answer, extract::State as Extract};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Named;
use crate::{
    admin::{self, Connections, Done, Drained, Overview, Rebalanced, WINDOW_MAX},
    domain::{RoomName, Username},
    error::Refusal,
    http::{
        State,
        body::{self, Json, MaybeJson, invalid},
    },
};

/// Connections on a page, unless another number is asked for.
const PAGE: usize = 50;
/// The window of a rebalance, unless another one is asked for.
const WINDOW: u64 = 30;

/// `GET /admin/cluster`
pub(super) async fn cluster(Extract(state): Extract<Arc<State>>) -> Answer<Overview> {
    Answer(state.desk.overview().await)
}

#[derive(Deserialize)]
pub(super) struct Sought {
    user: Option<String>,
    room: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/connections?user=&room=&after=&limit=`
pub(super) async fn connections(
    Extract(state): Extract<Arc<State>>,
    body::Asked(sought): body::Asked<Sought>,
) -> Result<Answer<Connections>, Refusal> {
    let after = match sought.after.filter(|after| !after.is_empty()) {
        Some(after) => {
            Some(admin::parse_place(&after).ok_or_else(|| invalid("`after` is not the `next` of a page."))?)
        }
        None => None,
    };
    let asked = admin::Asked {
        user: sought.user.filter(|user| !user.is_empty()),
        room: room(sought.room.as_deref())?,
        after,
        limit: sought.limit.unwrap_or(PAGE),
    };
    state.desk.connections(asked).await.map(Answer)
}

/// `POST /admin/sign-outs`
pub(super) async fn sign_out(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Named>,
) -> Result<Answer<Value>, Refusal> {
    // A name that came from the predecessor may not fit today's rule.
    let username = Username::from_store(given.username);
    let ended = state.desk.sign_out(&username).await?;
    Ok(Answer(json!({ "username": username, "signIns": ended })))
}

#[derive(Deserialize)]
pub(super) struct Announcement {
    message: String,
    room: Option<String>,
}

/// `POST /admin/announce`
pub(super) async fn announce(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Announcement>,
) -> Result<Answer<Done>, Refusal> {
    let room = room(given.room.as_deref())?;
    state.desk.announce(&given.message, room.as_ref()).await.map(Answer)
}

/// `POST /admin/drain`
pub(super) async fn drain(Extract(state): Extract<Arc<State>>) -> (StatusCode, Answer<Drained>) {
    (StatusCode::ACCEPTED, Answer(state.desk.drain()))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rebalancing {
    window_seconds: Option<u64>,
    dry_run: bool,
}

/// `POST /admin/rebalance`
pub(super) async fn rebalance(
    Extract(state): Extract<Arc<State>>,
    MaybeJson(given): MaybeJson<Rebalancing>,
) -> Result<Answer<Rebalanced>, Refusal> {
    let given = given.unwrap_or_default();
    let window = Duration::from_secs(given.window_seconds.unwrap_or(WINDOW));
    if window.is_zero() || window > WINDOW_MAX {
        return Err(invalid("`windowSeconds` is from 1 to 600."));
    }
    state.desk.rebalance(window, given.dry_run).await.map(Answer)
}

fn room(name: Option<&str>) -> Result<Option<RoomName>, Refusal> {
    let name = name.filter(|name| !name.is_empty()).map(RoomName::parse).transpose()?;
    Ok(name)
}
