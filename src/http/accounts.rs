//! Calls about who somebody is.

use std::sync::Arc;

use axum::{Json as Answer, extract::State as Extract};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Cause, State,
    asker::{Asker, Caller, bearer},
    body::{Json, MaybeJson, invalid},
    cookies,
};
use crate::{
    auth::{Issued, admit_own},
    domain::{Password, Timestamp, Username},
    error::{Code, Refusal},
};

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

#[derive(Deserialize)]
pub(super) struct LoggingIn {
    username: String,
    password: String,
    /// Whether the browser is to keep a refresh cookie.
    #[serde(default)]
    remember: bool,
}

#[derive(Deserialize)]
pub(super) struct LoggingOut {
    token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    current: String,
    new: String,
}

/// A token, as `/login`, `/refresh` and `/password` answer it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signed {
    token: String,
    username: Username,
    expires_at: Timestamp,
}

impl From<Issued> for Signed {
    fn from(issued: Issued) -> Self {
        Self {
            token: issued.token,
            username: issued.username,
            expires_at: issued.expires_at,
        }
    }
}

/// An answer with the cookie that the browser is to keep from now on, if any.
fn signed(issued: Issued, asker: Asker) -> (HeaderMap, Answer<Signed>) {
    let kept = issued.cookie.as_ref().map(|cookie| cookies::keep(cookie, asker));
    (kept.unwrap_or_default(), Answer(issued.into()))
}

/// `POST /register`
pub(super) async fn register(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Credentials>,
) -> Result<(StatusCode, Answer<Value>), Refusal> {
    let (username, password) = (Username::parse(&given.username)?, Password::parse(&given.password)?);
    state.auth.register(&username, &password).await?;
    let answer = json!({ "message": "User created successfully", "username": username });
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// `POST /login`
pub(super) async fn login(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    Json(given): Json<LoggingIn>,
) -> Result<(HeaderMap, Answer<Signed>), Refusal> {
    if given.username.is_empty() || given.password.is_empty() {
        return Err(invalid("Username and password are needed."));
    }
    let issued = state.auth.login(&given.username, &given.password, given.remember).await?;
    Ok(signed(issued, asker))
}

/// `POST /logout`: the browser forgets its cookie too, which it does not send here.
pub(super) async fn logout(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    headers: HeaderMap,
    MaybeJson(given): MaybeJson<LoggingOut>,
) -> Result<(HeaderMap, Answer<Value>), Refusal> {
    let given = given.and_then(|given| given.token);
    let token = given.as_deref().or_else(|| bearer(&headers));
    state.auth.logout(token.ok_or_else(|| invalid("A token is needed."))?).await?;
    Ok((cookies::forget(asker), Answer(json!({ "message": "User logout successfully" }))))
}

/// `POST /refresh`: by the bearer if there is one, else by the cookie. That one a browser adds by
/// itself, whoever asks, so only the server's own page may.
pub(super) async fn refresh(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<(HeaderMap, Answer<Signed>), Refusal> {
    let issued = if let Some(token) = bearer(&headers) {
        let who = state.auth.bearer(token).await?;
        state.auth.refresh(&who).await?
    } else {
        let cookie = cookies::shown(&headers).ok_or_else(Refusal::unauthorized)?;
        admit_own(&asker.origin(&headers))?;
        state.auth.refresh_by_cookie(cookie).await?
    };
    Ok(signed(issued, asker))
}

/// `GET /me`
pub(super) async fn me(Caller(who): Caller) -> Answer<Value> {
    Answer(json!({ "username": who.username, "expiresAt": who.expires_at }))
}

/// `POST /password`
pub(super) async fn password(
    Extract(state): Extract<Arc<State>>,
    Caller(who): Caller,
    Json(given): Json<NewPassword>,
) -> Result<Answer<Signed>, Refusal> {
    let new = Password::parse(&given.new)?;
    let issued = state.auth.change_password(&who, &given.current, &new).await?;
    Ok(Answer(issued.into()))
}

/// `POST /ws-ticket`: answers in advance whatever would refuse the socket, since a browser does
/// not show a page why its socket was refused.
pub(super) async fn ticket(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    headers: HeaderMap,
    Caller(who): Caller,
) -> Result<Answer<Value>, Refusal> {
    let page = asker.origin(&headers);
    state.auth.origins().admit(&page)?;
    state.auth.has_room(who.user, asker.address)?;
    if state.readiness.has(Cause::Draining) {
        let refusal = Refusal::new(Code::Draining, "This node is about to stop. Please try again.");
        return Err(refusal.retry_after(std::time::Duration::from_secs(1)));
    }
    let (ticket, seconds) = state.auth.ticket(&who, page.origin);
    Ok(Answer(json!({ "ticket": ticket, "expiresIn": seconds })))
}
