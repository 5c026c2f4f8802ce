//! What goes wrong in PostgreSQL, told as the caller's situation.
//!
//! Texts come from the server or the client library and never hold the URL. A statement that the
//! server refused did nothing; one whose connection was lost may have been done.

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

use super::calls::Effect;
use crate::{
    store::{SchemaError, StoreError},
    tally::closed_set,
};

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another node's lock excludes this one.
    #[error(
        "another node uses this database alone, or others share it: a node without REDIS_URL wants it for itself; set REDIS_URL on all nodes to make them one cluster"
    )]
    Locked,
    /// The URL can't be used.
    #[error("DATABASE_URL {0}")]
    Url(String),
    /// The server does not answer, or does not let us in.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// Its schema does not do.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl OpenError {
    /// Whether waiting may help: somebody else holds what is needed, or the server is not up yet.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Locked | Self::Unreachable(_))
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Unreachable(told(&error))
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// An answer that can't be read: a column of another type than the migration says.
impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        explain(&error, Effect::Read)
    }
}

closed_set! {
    /// What the caller of a call that failed was told.
    pub(super) enum Told {
        /// Somebody else has it.
        Taken = "taken",
        /// The data do not do.
        Rejected = "rejected",
        /// It was not done.
        Unavailable = "unavailable",
        /// Nobody knows.
        OutcomeUnknown = "outcome_unknown",
    }
    counted as "chorus_postgres_failures_total" by "told":
        "Calls to PostgreSQL that failed, by what the caller was told"
}

impl Told {
    /// The one of this error.
    pub(super) const fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Taken,
            StoreError::Rejected(_) => Self::Rejected,
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::OutcomeUnknown(_) => Self::OutcomeUnknown,
        }
    }
}

/// What a failed statement means for the caller.
pub(super) fn explain(error: &tokio_postgres::Error, effect: Effect) -> StoreError {
    let text = told(error);
    match error.as_db_error() {
        Some(refused) if is_data_fault(refused) => StoreError::Rejected(text),
        Some(refused) if effect == Effect::Write && is_lost(refused) => StoreError::OutcomeUnknown(text),
        None if effect == Effect::Write => StoreError::OutcomeUnknown(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The server tells in so many words that it rolled back, but for these: it ended the session, or
/// (class 08) something between us and it lost the connection; that may have been after the commit.
fn is_lost(refused: &DbError) -> bool {
    let ended = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN];
    ended.contains(refused.code()) || refused.code().code().starts_with("08")
}

/// Classes 22 (data exception) and 23 (integrity constraint violation), and what is too large:
/// PostgreSQL's Appendix A. Everything else is the server's situation.
fn is_data_fault(refused: &DbError) -> bool {
    let code = refused.code().code();
    code.starts_with("22") || code.starts_with("23") || *refused.code() == SqlState::PROGRAM_LIMIT_EXCEEDED
}

/// The error in words: the server's, or the whole chain of the client's.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        return format!("{} ({})", refused.message(), refused.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
