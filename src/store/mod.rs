//! What lasts: accounts, sign-ins, rooms and the message log, behind one seam.
//!
//! The seam is one trait of seven parts, each in a file with its nouns: [`Accounts`], [`SignIns`],
//! [`Cookies`], [`Bots`], [`Log`], [`Retention`], [`Relaying`]; [`LaggingReads`] is beside it. A backend is right when it passes the contract
//! suite (`tests/store_contract.rs`), which every backend runs unchanged. All times are the
//! database's own clock, so nodes whose clocks differ agree. Every call is bounded in time by the
//! backend and answers with a [`StoreError`] then.

mod accounts;
mod bots;
mod clock;
mod cookies;
mod lagging;
mod log;
pub mod postgres;
mod relaying;
mod retention;
mod schema;
mod sign_ins;
pub mod sqlite;

use async_trait::async_trait;
use uuid::Uuid;

pub use accounts::{Account, Accounts};
pub use bots::{BotSignIn, BotToken, Bots, NewBotToken};
pub use clock::DbClock;
pub use cookies::{CookieHash, CookieSalt, CookieUse, CookieUsed, Cookies, NewCookie};
pub use lagging::LaggingReads;
pub use log::{Appended, Head, Log, Missing, NewEvent, Page, Room, Slice};
pub use relaying::{
    Among, Behind, Candidate, DEAD_LETTERS_KEPT, DEAD_LETTERS_MOST, DeadLetter, Fence, Lead, LogId, PutAside,
    Relaying, StartAt, Survey,
};
pub use retention::{Expired, Retention};
pub use schema::SchemaError;
pub use sign_ins::{NewToken, Redeemed, SignIn, SignIns, TicketUse, TokenHash};

use crate::domain::Timestamp;

/// Why the store did not do what was asked. What is merely missing is an `Option`, not an error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A unique name is in use.
    #[error("the name is taken")]
    Taken,
    /// The data itself was refused (a constraint, a value too large). Nothing was changed, and
    /// the same call will be refused again.
    #[error("the data was refused: {0}")]
    Rejected(String),
    /// The database can't be reached, is full, read-only or too busy. Nothing was changed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost while committing: it may or may not have been done.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
}

/// Shorthand for what every call answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Everything a node asks of its database.
#[async_trait]
pub trait Store: Accounts + SignIns + Cookies + Bots + Log + Retention + Relaying {
    /// The database's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Whether the database answers and can be written to; bounded to 2 s.
    async fn check(&self) -> Result<()>;

    /// Notes for the other nodes whether `node` reaches the bus now, and answers whether another
    /// one noted within [`PEER_HEALTH_TTL`](crate::domain::PEER_HEALTH_TTL) that it does. A store that one node has alone knows no
    /// other: `false`.
    async fn exchange_health(&self, node: Uuid, bus_reached: bool) -> Result<bool>;

    /// Deletes, in bounded steps, what has expired: tokens, cookies, sign-ins, used tickets,
    /// revocations older than their window, dead letters beyond their bounds. Answers how many rows went.
    async fn sweep(&self) -> Result<u64>;

    /// Finishes what was begun and closes. Calls that come later are `Unavailable`.
    async fn close(&self);
}
