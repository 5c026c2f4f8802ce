//! Calls about who somebody is.

use std::sync::Arc;

use axum::{Json as Answer, extract::State as Extract};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Cause, State,
    asker::{Asker, Caller, bearer},
    body::{Json, MaybeJson, invalid},
    cookies,
    openapi::{self as api, ANY, BODY, refusals},
};
use crate::{
    auth::{Issued, admit_own},
    domain::{Password, Timestamp, Username},
    error::{Code, Refusal},
};

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    #[schema(value_type = api::Username)]
    username: String,
    #[schema(value_type = api::Password)]
    password: String,
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
pub(super) struct LoggingIn {
    #[schema(min_length = 1, example = "alice")]
    username: String,
    #[schema(min_length = 1, format = Password, example = "correct horse")]
    password: String,
    /// Whether the browser is to keep a refresh cookie.
    #[serde(default)]
    remember: bool,
}

/// A sign-in to end, instead of the header's.
#[derive(Deserialize, ToSchema)]
pub(super) struct LoggingOut {
    token: Option<String>,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewPassword {
    #[schema(format = Password, example = "correct horse")]
    current: String,
    #[schema(value_type = api::Password)]
    new: String,
}

/// A token, as `/login`, `/refresh` and `/password` answer it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signed {
    #[schema(value_type = api::Token)]
    token: String,
    #[schema(value_type = api::KnownName)]
    username: Username,
    #[schema(value_type = api::Moment)]
    expires_at: Timestamp,
}

/// An account was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    message: &'static str,
    #[schema(value_type = api::Username)]
    username: Username,
}

/// A sign-in was ended.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedOut {
    message: &'static str,
}

/// Who shows this token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Me {
    #[schema(value_type = api::KnownName)]
    username: Username,
    #[schema(value_type = api::Moment)]
    expires_at: Timestamp,
}

/// A ticket that opens one socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticket {
    ticket: String,
    /// Seconds.
    expires_in: u64,
}

refusals! {
    /// Of an account.
    Registering: ANY, BODY;
    InvalidUsername, InvalidPassword, UsernameTaken, RegistrationClosed, OutcomeUnknown
}

refusals! {
    /// Of a sign-in.
    SigningIn: ANY, BODY; InvalidCredentials, OutcomeUnknown
}

refusals! {
    /// Of its end.
    SigningOut: ANY, BODY; Unauthorized, OutcomeUnknown
}

refusals! {
    /// Of another token.
    Refreshing: ANY; Unauthorized, SessionEnded, ForbiddenOrigin, OutcomeUnknown
}

refusals! {
    /// Of whoever asks about themselves.
    Asking: ANY; Unauthorized
}

refusals! {
    /// Of another password.
    ChangingPassword: ANY, BODY;
    InvalidPassword, Unauthorized, InvalidCredentials, SessionEnded, OutcomeUnknown
}

refusals! {
    /// Of a ticket: whatever would refuse the socket.
    TakingTicket: ANY; Unauthorized, ForbiddenOrigin, TooManySockets, Draining
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

/// Makes an account. It does not sign in.
#[utoipa::path(
    post, operation_id = "register", path = "/register", tag = "accounts", request_body = Credentials,
    responses((status = 201, description = "The account is made", body = Registered), Registering),
)]
pub(super) async fn register(
    Extract(state): Extract<Arc<State>>,
    Json(given): Json<Credentials>,
) -> Result<(StatusCode, Answer<Registered>), Refusal> {
    let (username, password) = (Username::parse(&given.username)?, Password::parse(&given.password)?);
    state.auth.register(&username, &password).await?;
    let registered = Registered { message: "User created successfully", username };
    Ok((StatusCode::CREATED, Answer(registered)))
}

/// Begins a sign-in. The answer is the same, and takes as long, for an unknown name and a wrong password.
#[utoipa::path(
    post, operation_id = "logIn", path = "/login", tag = "accounts", request_body = LoggingIn,
    responses(
        (
            status = 200, description = "A token", body = Signed,
            headers(("Set-Cookie" = String, description = "With `remember`")),
        ),
        SigningIn,
    ),
)]
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

/// Ends the sign-in of a token, in the body or in the header, and closes its sockets everywhere. The browser forgets
/// its cookie too, which it does not send here.
#[utoipa::path(
    post, operation_id = "logOut", path = "/logout", tag = "accounts", security(("bearer" = []), ()),
    request_body(content = Option<LoggingOut>),
    responses((status = 200, description = "It has ended", body = LoggedOut), SigningOut),
)]
pub(super) async fn logout(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    headers: HeaderMap,
    MaybeJson(given): MaybeJson<LoggingOut>,
) -> Result<(HeaderMap, Answer<LoggedOut>), Refusal> {
    let given = given.and_then(|given| given.token);
    let token = given.as_deref().or_else(|| bearer(&headers));
    state.auth.logout(token.ok_or_else(|| invalid("A token is needed."))?).await?;
    Ok((
        cookies::forget(asker),
        Answer(LoggedOut { message: "User logout successfully" }),
    ))
}

/// A new token of the same sign-in: by the bearer if there is one, else by the cookie. That one a browser adds by
/// itself, whoever asks, so only the server's own page may.
#[utoipa::path(
    post, operation_id = "refreshToken", path = "/refresh", tag = "accounts", security(("bearer" = []), ()),
    responses((status = 200, description = "A token", body = Signed), Refreshing),
)]
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

/// Who am I?
#[utoipa::path(
    get, operation_id = "getMe", path = "/me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, description = "Whoever the token belongs to", body = Me), Asking),
)]
pub(super) async fn me(Caller(who): Caller) -> Answer<Me> {
    Answer(Me { username: who.username, expires_at: who.expires_at })
}

/// Sets another password. This sign-in goes on with the token of the answer, all others of the person end.
#[utoipa::path(
    post, operation_id = "changePassword", path = "/password", tag = "accounts", security(("bearer" = [])),
    request_body = NewPassword,
    responses((status = 200, description = "A token", body = Signed), ChangingPassword),
)]
pub(super) async fn password(
    Extract(state): Extract<Arc<State>>,
    Caller(who): Caller,
    Json(given): Json<NewPassword>,
) -> Result<Answer<Signed>, Refusal> {
    let new = Password::parse(&given.new)?;
    let issued = state.auth.change_password(&who, &given.current, &new).await?;
    Ok(Answer(issued.into()))
}

/// A ticket that opens one socket from the same origin. Refused for whatever would refuse the socket, since a browser
/// does not show a page why its socket was refused.
#[utoipa::path(
    post, operation_id = "takeTicket", path = "/ws-ticket", tag = "socket", security(("bearer" = [])),
    responses((status = 200, description = "Good once, for `expiresIn` seconds", body = Ticket), TakingTicket),
)]
pub(super) async fn ticket(
    Extract(state): Extract<Arc<State>>,
    asker: Asker,
    headers: HeaderMap,
    Caller(who): Caller,
) -> Result<Answer<Ticket>, Refusal> {
    let page = asker.origin(&headers);
    state.auth.origins().admit(&page)?;
    state.auth.has_room(who.user, asker.address)?;
    if state.readiness.has(Cause::Draining) {
        let refusal = Refusal::new(Code::Draining, "This node is about to stop. Please try again.");
        return Err(refusal.retry_after(std::time::Duration::from_secs(1)));
    }
    let (ticket, expires_in) = state.auth.ticket(&who, page.origin);
    Ok(Answer(Ticket { ticket, expires_in }))
}
