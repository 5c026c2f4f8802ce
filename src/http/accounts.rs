//! Calls about who somebody is.

mod shapes;

use std::sync::Arc;

use axum::{Json as Answer, extract::State as Extract};
use http::{HeaderMap, StatusCode};

use self::shapes::{
    Asking, ChangingPassword, Credentials, LoggedOut, LoggingIn, LoggingOut, Me, NewPassword, Refreshing,
    Registered, Registering, Signed, SigningIn, SigningOut, TakingTicket, Ticket,
};
use super::{
    Cause, State,
    asker::{Asker, Caller, Participant, bearer},
    body::{Json, MaybeJson, invalid},
    cookies,
};
use crate::{
    auth::{Issued, admit_own, beyond_scope, is_of_a_bot},
    domain::{Password, Username},
    error::{Code, Refusal},
};

/// Refuses a bot where its token is no credential.
async fn no_bot(state: &State, token: &str) -> Result<(), Refusal> {
    if is_of_a_bot(token) {
        state.auth.identify(token).await?;
        return Err(beyond_scope());
    }
    Ok(())
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
    let token = token.ok_or_else(|| invalid("A token is needed."))?;
    no_bot(&state, token).await?;
    state.auth.logout(token).await?;
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
        no_bot(&state, token).await?;
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
    asking: Participant,
) -> Result<Answer<Ticket>, Refusal> {
    let (who, page) = (asking.anybody(), asker.origin(&headers));
    state.auth.origins().admit(&page)?;
    state.auth.has_room(who.who.user, asker.address)?;
    if state.readiness.has(Cause::Draining) {
        let refusal = Refusal::new(Code::Draining, "This node is about to stop. Please try again.");
        return Err(refusal.retry_after(std::time::Duration::from_secs(1)));
    }
    let (ticket, expires_in) = state.auth.ticket(&who, page.origin);
    Ok(Answer(Ticket { ticket, expires_in }))
}
