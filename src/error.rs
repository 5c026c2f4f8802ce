//! What a caller is told when something can't be done: one closed table of codes for HTTP and
//! frames together (docs/protocol.md, "Error codes"), and the refusal that carries one of them.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{cluster::BusError, domain, store::StoreError};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $status:literal, $advice:ident;)*) => {
        /// Every code a refusal can carry. A new one is added to docs/protocol.md first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])* $variant),* }

        impl Code {
            /// All of them, in the order of docs/protocol.md.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// What the caller can do about it.
            pub const fn advice(self) -> Advice {
                match self { $(Self::$variant => Advice::$advice),* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_start()),* }
            }
        }
    };
}

/// The "try again?" column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same request may succeed later.
    TryAgain,
    /// The request must change first.
    Change,
    /// The person must sign in first.
    SignIn,
}

impl Advice {
    /// As documents say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TryAgain => "later",
            Self::Change => "not without a change",
            Self::SignIn => "after signing in",
        }
    }
}

codes! {
    /// Too many calls or messages in the window; `retry_after` says when.
    RateLimited = "rate_limited", 429, TryAgain;
    /// The user or the address has as many sockets as are allowed.
    TooManySockets = "too_many_sockets", 429, TryAgain;
    /// Something this node needs does not answer; nothing was done.
    Unavailable = "unavailable", 503, TryAgain;
    /// This node sends people elsewhere: it is about to stop, or it has enough.
    Draining = "draining", 503, TryAgain;
    /// It may or may not have been done: ask again with the same id.
    OutcomeUnknown = "outcome_unknown", 503, TryAgain;
    /// A fault of ours; its cause is in the log.
    Internal = "internal", 500, TryAgain;
    /// Not JSON.
    InvalidJson = "invalid_json", 400, Change;
    /// JSON, but not what was asked for.
    InvalidRequest = "invalid_request", 400, Change;
    /// No possible username.
    InvalidUsername = "invalid_username", 400, Change;
    /// No possible password.
    InvalidPassword = "invalid_password", 400, Change;
    /// No possible room name.
    InvalidRoomName = "invalid_room_name", 400, Change;
    /// No possible message id, or the header's differs from the body's.
    InvalidId = "invalid_id", 400, Change;
    /// Nothing is left of the message.
    MessageEmpty = "message_empty", 400, Change;
    /// More characters than allowed.
    MessageTooLong = "message_too_long", 400, Change;
    /// A frame type this node does not know.
    UnknownType = "unknown_type", 400, Change;
    /// None of the offered subprotocols is spoken here.
    UnsupportedProtocol = "unsupported_protocol", 400, Change;
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, Change;
    /// The body is larger than 16 KiB.
    PayloadTooLarge = "payload_too_large", 413, Change;
    /// This path has other methods.
    MethodNotAllowed = "method_not_allowed", 405, Change;
    /// No such path.
    NotFound = "not_found", 404, Change;
    /// Somebody has this name, whatever its case.
    UsernameTaken = "username_taken", 409, Change;
    /// A room of this name exists.
    RoomTaken = "room_taken", 409, Change;
    /// No room of this name.
    RoomNotFound = "room_not_found", 404, Change;
    /// The socket has not joined that room.
    NotJoined = "not_joined", 400, Change;
    /// The socket has joined as many rooms as it may.
    TooManyRooms = "too_many_rooms", 400, Change;
    /// This id was used for another text.
    IdConflict = "id_conflict", 409, Change;
    /// The operator closed registration.
    RegistrationClosed = "registration_closed", 403, Change;
    /// Pages of this origin may not open sockets here.
    ForbiddenOrigin = "forbidden_origin", 403, Change;
    /// Not allowed.
    Forbidden = "forbidden", 403, Change;
    /// No valid credential.
    Unauthorized = "unauthorized", 401, SignIn;
    /// Wrong username or password; which of them is not told.
    InvalidCredentials = "invalid_credentials", 401, SignIn;
    /// A credential of another sign-in than this socket's.
    WrongSession = "wrong_session", 401, SignIn;
    /// The sign-in ended.
    SessionEnded = "session_ended", 401, SignIn;
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A refusal: the code for programs, a sentence for people, and for the log the cause, which is
/// never shown.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The code of the table.
    pub code: Code,
    /// A sentence for people; tells nothing of the inside.
    pub message: Cow<'static, str>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// What went wrong inside, for whoever answers the caller to log once.
    pub cause: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Refusal {
    /// A refusal with a sentence of its own.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
            cause: None,
        }
    }

    /// The same, with the time after which trying again makes sense.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, with the cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Something this node needs does not answer.
    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "The service can't do this right now. Please try again.")
            .retry_after(Duration::from_secs(1))
    }

    /// A fault of ours.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "Something went wrong here.")
    }

    /// No valid credential.
    pub fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "Please sign in.")
    }

    /// No room of this name.
    pub fn room_not_found() -> Self {
        Self::new(Code::RoomNotFound, "There is no room of this name.")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl StdError for Refusal {}

macro_rules! refuses {
    ($($error:ty => $code:ident),* $(,)?) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::new(Code::$code, capitalised(&error.to_string()))
            }
        })*
    };
}

refuses! {
    domain::InvalidUsername => InvalidUsername,
    domain::InvalidPassword => InvalidPassword,
    domain::InvalidRoomName => InvalidRoomName,
    domain::InvalidClientId => InvalidId,
}

impl From<domain::InvalidBody> for Refusal {
    fn from(error: domain::InvalidBody) -> Self {
        let code = match error {
            domain::InvalidBody::Empty => Code::MessageEmpty,
            domain::InvalidBody::TooLong { .. } => Code::MessageTooLong,
        };
        Self::new(code, capitalised(&error.to_string()))
    }
}

/// A store that can't be asked is `unavailable`; a lost answer is `outcome_unknown`. What the
/// caller expects (a taken name) is matched where it is expected and is a fault anywhere else.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::unavailable().because(error),
            StoreError::OutcomeUnknown(_) => {
                Self::new(Code::OutcomeUnknown, "It is not known whether this was done. Please ask again.")
                    .retry_after(Duration::from_secs(1))
                    .because(error)
            }
            StoreError::Taken | StoreError::Rejected(_) => Self::internal().because(error),
        }
    }
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        Self::unavailable().because(error)
    }
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_ascii_uppercase(), chars.as_str())
    })
}
