//! What calls about accounts say and are told, and what they may be refused with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::openapi::{self as api, ANY, BODY, refusals};
use crate::{
    auth::Issued,
    domain::{Timestamp, Username},
};

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Credentials {
    #[schema(value_type = api::Username)]
    pub(super) username: String,
    #[schema(value_type = api::Password)]
    pub(super) password: String,
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct LoggingIn {
    #[schema(min_length = 1, example = "alice")]
    pub(super) username: String,
    #[schema(min_length = 1, format = Password, example = "correct horse")]
    pub(super) password: String,
    /// Whether the browser is to keep a refresh cookie.
    #[serde(default)]
    pub(super) remember: bool,
}

/// A sign-in to end, instead of the header's.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct LoggingOut {
    pub(super) token: Option<String>,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct NewPassword {
    #[schema(format = Password, example = "correct horse")]
    pub(super) current: String,
    #[schema(value_type = api::Password)]
    pub(super) new: String,
}

/// A token, as `/login`, `/refresh` and `/password` answer it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Signed {
    #[schema(value_type = api::Token)]
    pub(super) token: String,
    #[schema(value_type = api::KnownName)]
    pub(super) username: Username,
    #[schema(value_type = api::Moment)]
    pub(super) expires_at: Timestamp,
}

/// An account was made.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Registered {
    pub(super) message: &'static str,
    #[schema(value_type = api::Username)]
    pub(super) username: Username,
}

/// A sign-in was ended.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LoggedOut {
    pub(super) message: &'static str,
}

/// Who shows this token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Me {
    #[schema(value_type = api::KnownName)]
    pub(super) username: Username,
    #[schema(value_type = api::Moment)]
    pub(super) expires_at: Timestamp,
}

/// A ticket that opens one socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Ticket {
    pub(super) ticket: String,
    /// Seconds.
    pub(super) expires_in: u64,
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
    SigningOut: ANY, BODY; Unauthorized, Forbidden, OutcomeUnknown
}

refusals! {
    /// Of another token.
    Refreshing: ANY; Unauthorized, SessionEnded, ForbiddenOrigin, Forbidden, OutcomeUnknown
}

refusals! {
    /// Of whoever asks about themselves.
    Asking: ANY; Unauthorized, Forbidden
}

refusals! {
    /// Of another password.
    ChangingPassword: ANY, BODY;
    InvalidPassword, Unauthorized, Forbidden, InvalidCredentials, SessionEnded, OutcomeUnknown
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
