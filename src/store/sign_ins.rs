//! Sign-ins, tokens and used tickets, as the store keeps them.
//!
//! A sign-in is valid as long as a token or a cookie keeps it and nobody has ended it. Its end is
//! remembered, so that every node finds it whose bus lost it.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::{SignInId, Timestamp, UserId, Username};

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

    /// For each of these tokens its sign-in, if the token is valid now. `expires_at` is the token's own.
    async fn sign_ins_by_token(&self, tokens: &[TokenHash]) -> Result<Vec<Option<SignIn>>>;

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
