//! What lasts: accounts, sign-ins, rooms and the message log, behind one seam.
//!
//! A backend is right when it passes the contract suite (`tests/store_contract.rs`), which every
//! backend runs unchanged. All times are the database's own clock, so nodes whose clocks differ
//! agree. Every call is bounded in time by the backend and answers with a [`StoreError`] then.

mod clock;
mod cookies;
pub mod postgres;
mod schema;
pub mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

pub use clock::DbClock;
pub use cookies::{CookieHash, CookieSalt, CookieUse, CookieUsed, Cookies, NewCookie};
pub use schema::SchemaError;

use crate::domain::{
    ClientId, Event, MessageBody, RoomId, RoomName, Seq, SignInId, Timestamp, UserId, Username,
};

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
pub trait Store: Accounts + SignIns + Cookies + Log {
    /// The database's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Whether the database answers and can be written to; bounded to 2 s.
    async fn check(&self) -> Result<()>;

    /// Notes for the other nodes whether `node` reaches the bus now, and answers whether another
    /// one noted within [`PEER_HEALTH_TTL`](crate::domain::PEER_HEALTH_TTL) that it does. A store that one node has alone knows no
    /// other: `false`.
    async fn exchange_health(&self, node: Uuid, bus_reached: bool) -> Result<bool>;

    /// Deletes, in bounded steps, what has expired: tokens, cookies, sign-ins, used tickets,
    /// revocations older than their window. Answers how many rows went.
    async fn sweep(&self) -> Result<u64>;

    /// Finishes what was begun and closes. Calls that come later are `Unavailable`.
    async fn close(&self);
}

/// Reads that may lag behind what was committed, because read replicas serve them. What a replica
/// misses is asked of the primary, and so is everything while a replica lags too far or does not
/// answer in time.
///
/// Never for anything that must be current: resuming and repair read the [`Log`], and who acts on
/// an answer makes sure that it still holds (`begin_sign_in` compares the hash, a sign-in is
/// looked up among the ends of the last minute).
#[async_trait]
pub trait LaggingReads: Send + Sync {
    /// As [`Accounts::account`].
    async fn lagging_account(&self, username: &Username) -> Result<Option<Account>>;

    /// As [`SignIns::sign_in`].
    async fn lagging_sign_in(&self, token: TokenHash) -> Result<Option<SignIn>>;

    /// As [`Log::page`], of a log that reaches at least to `at_least`.
    async fn lagging_page(
        &self,
        room: RoomId,
        slice: Slice,
        limit: usize,
        max_bytes: usize,
        at_least: Seq,
    ) -> Result<Page>;
}

/// An account as it is needed to sign somebody in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's number.
    pub id: UserId,
    /// The name as it was registered.
    pub username: Username,
    /// The password's hash, in the form of `auth::passwords`.
    pub password_hash: String,
}

/// Who may sign in.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account. Two names that differ only in case are one name.
    ///
    /// # Errors
    /// `Taken` when the name exists in whatever case; of several racing calls one succeeds.
    async fn create_user(&self, username: &Username, password_hash: &str) -> Result<UserId>;

    /// The account of this name: the exact spelling if there is one, else without case.
    async fn account(&self, username: &Username) -> Result<Option<Account>>;

    /// Replaces the hash of an unchanged password by a better one. `false` when `old` is not the
    /// account's hash any more: somebody changed the password meanwhile, and that stands.
    async fn rehash(&self, user: UserId, old: &str, new: &str) -> Result<bool>;

    /// Changes the password and ends all sign-ins but `keep`, in one transaction. Answers those
    /// that ended, or `None` (nothing changed) when `old` is not the account's hash any more.
    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SignInId>,
    ) -> Result<Option<Vec<SignInId>>>;

    /// Deletes the account: its sign-ins end, its name is free again, its messages stay under a
    /// tombstone (`deleted-<id>`, which nobody can register). Answers the sign-ins that ended.
    async fn delete_user(&self, user: UserId) -> Result<Vec<SignInId>>;
}

/// SHA-256 of a token: what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// A token to remember.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The sign-in it belongs to.
    pub sid: SignInId,
    /// Whose it is.
    pub user: UserId,
    /// Its SHA-256.
    pub hash: TokenHash,
    /// When it stops being valid; the sign-in is valid as long as its longest token.
    pub expires_at: Timestamp,
}

/// A sign-in that is valid now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Which.
    pub sid: SignInId,
    /// Whose.
    pub user: UserId,
    /// The person's name.
    pub username: Username,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// A ticket that somebody shows.
#[derive(Debug, Clone)]
pub struct TicketUse {
    /// Its nonce.
    pub nonce: String,
    /// The sign-in it was made for.
    pub sid: SignInId,
    /// Until when the nonce must be remembered.
    pub expires_at: Timestamp,
}

/// What became of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// Used now, for the first and last time; the sign-in is valid.
    Accepted(SignIn),
    /// It was used before.
    Used,
    /// Its sign-in has ended or expired.
    Ended,
}

/// Who is signed in. Rows live in `sign_ins` and `active_tokens`, ends in `revocations`.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// Begins a sign-in with its first token, if `verified` is still the hash of the account's
    /// password. `false`, and nothing is begun, when it was changed or the account deleted since
    /// it was read: whoever verified it may have read it from a replica that lags.
    async fn begin_sign_in(&self, token: &NewToken, verified: &str) -> Result<bool>;

    /// Adds a token to a sign-in and so prolongs it. `false` when it has ended or expired.
    async fn add_token(&self, token: &NewToken) -> Result<bool>;

    /// The sign-in of a token that is valid now. `expires_at` is the token's own.
    async fn sign_in(&self, token: TokenHash) -> Result<Option<SignIn>>;

    /// Of these sign-ins those that are valid now; `expires_at` is the sign-in's.
    async fn sign_ins(&self, sids: &[SignInId]) -> Result<Vec<SignIn>>;

    /// Ends a sign-in and notes the revocation. `false` when neither a token nor a cookie kept it.
    async fn end_sign_in(&self, sid: SignInId) -> Result<bool>;

    /// All sign-ins that were ended within the last `window`.
    async fn ended_within(&self, window: Duration) -> Result<Vec<SignInId>>;

    /// Uses tickets, each at most once ever, in one commit for the whole batch, and answers in
    /// the same order. A nonce that stands twice in the batch is accepted once.
    async fn redeem(&self, tickets: &[TicketUse]) -> Result<Vec<Redeemed>>;
}

/// A room as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its number.
    pub id: RoomId,
    /// Its name.
    pub name: RoomName,
    /// The number of its newest event; 0 when there is none.
    pub last_seq: Seq,
    /// When that was committed.
    pub last_timestamp: Option<Timestamp>,
}

/// An event that wants to be committed.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Into which room.
    pub room: RoomId,
    /// By whom.
    pub sender: UserId,
    /// The sender's id for it.
    pub id: ClientId,
    /// The text.
    pub body: MessageBody,
}

/// What became of one event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Committed now.
    New {
        /// Its number.
        seq: Seq,
        /// Its time.
        timestamp: Timestamp,
    },
    /// This id with this text was committed before, or earlier in this batch: the first answer.
    Again {
        /// The first one's number.
        seq: Seq,
        /// The first one's time.
        timestamp: Timestamp,
    },
    /// This id was used for another text.
    Conflict,
    /// The room does not exist.
    RoomGone,
}

/// Which part of a room's log a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// The first events after this number.
    After(Seq),
    /// The last events before this number.
    Before(Seq),
    /// The newest events.
    Newest,
}

/// A piece of a room's log, ascending and without a gap.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// The room's newest number, read in the same snapshot.
    pub last_seq: Seq,
    /// Whether the log goes on in the asked direction (older for `Before` and `Newest`).
    pub has_more: bool,
}

/// A range of events somebody misses: `after < seq <= upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// In which room.
    pub room: RoomId,
    /// After this number.
    pub after: Seq,
    /// Up to and with this one.
    pub upto: Seq,
}

/// Where a room's log ends, and what it holds at a number somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The room.
    pub room: RoomId,
    /// Its newest number.
    pub last_seq: Seq,
    /// The id of the event at the number that was asked for; `None` when there is none.
    pub id_at: Option<ClientId>,
}

/// Rooms and what was said in them. In one room events are numbered 1, 2, 3 … without a gap,
/// `(room, sender, id)` is unique, and timestamps never go back.
#[async_trait]
pub trait Log: Send + Sync {
    /// Opens a room.
    ///
    /// # Errors
    /// `Taken` when there is one of this name.
    async fn create_room(&self, name: &RoomName) -> Result<Room>;

    /// The room of this name.
    async fn room(&self, name: &RoomName) -> Result<Option<Room>>;

    /// Rooms by name, those after `after`, at most `limit`.
    async fn rooms(&self, after: Option<&RoomName>, limit: usize) -> Result<Vec<Room>>;

    /// Commits a batch, all or nothing, and answers in its order. When it returns `Ok` the events
    /// are on disk. Numbers are given in the batch's order. A retry with the same ids gets the
    /// first answers, also after `OutcomeUnknown`.
    ///
    /// # Errors
    /// `Rejected` when a row's data is refused: the caller splits the batch to find it.
    async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>>;

    /// A page of a room's log: at most `limit` events and about `max_bytes`, at least one event
    /// if there is any.
    async fn page(&self, room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Result<Page>;

    /// What is missing in several rooms, in one query: ascending per room, at most `max_bytes`
    /// in all, at least one event per range that has any. What did not fit is asked for again.
    async fn missing(&self, ranges: &[Missing], max_bytes: usize) -> Result<Vec<Event>>;

    /// The heads of several rooms, in one query; rooms that are gone are left out.
    async fn heads(&self, at: &[(RoomId, Seq)]) -> Result<Vec<Head>>;
}
