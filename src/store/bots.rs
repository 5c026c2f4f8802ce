//! Bots and their tokens, as the store keeps them.
//!
//! The token of a bot is a sign-in that the operator began: it ends by
//! [`SignIns::end_sign_in`](super::SignIns::end_sign_in) and is swept like any other. Beside it is kept what it allows.

use async_trait::async_trait;

use super::{NewToken, Result, SignIn, TokenHash};
use crate::domain::{Scope, SignInId, Timestamp, UserId, Username};

/// A token to remember.
#[derive(Debug, Clone)]
pub struct NewBotToken {
    /// The token and its sign-in, which begins with it.
    pub token: NewToken,
    /// What it allows.
    pub scope: Scope,
}

/// A token that is valid now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotSignIn {
    /// Its sign-in.
    pub sign_in: SignIn,
    /// What it allows.
    pub scope: Scope,
}

/// A token as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotToken {
    /// Its sign-in.
    pub sid: SignInId,
    /// The bot's name.
    pub username: Username,
    /// What it allows.
    pub scope: Scope,
    /// When it was made.
    pub begun_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Timestamp,
}

/// Programs that may speak. Rows live in `bots` and `bot_tokens`, and in the tables of sign-ins.
#[async_trait]
pub trait Bots: Send + Sync {
    /// Adds the account of a bot, whose password has this hash and is known to nobody.
    ///
    /// # Errors
    /// `Taken` when the name exists in whatever case.
    async fn create_bot(&self, username: &Username, password_hash: &str) -> Result<UserId>;

    /// The bot of this name, whatever its case.
    async fn bot(&self, username: &Username) -> Result<Option<UserId>>;

    /// Begins the sign-in of a token. `false`, and nothing is begun, when the account is deleted or none of a bot.
    async fn begin_bot_token(&self, token: &NewBotToken) -> Result<bool>;

    /// What a token that is valid now allows, and to whom.
    async fn bot_token(&self, token: TokenHash) -> Result<Option<BotSignIn>>;

    /// What the token of this sign-in allows; whether it is valid is another question.
    async fn bot_scope(&self, sid: SignInId) -> Result<Option<Scope>>;

    /// Ends the tokens of the bot of this name, whatever its case, or only the one of this sign-in if it is
    /// that bot's: all or none. Answers those that were valid until now.
    async fn end_bot_tokens(&self, username: &Username, only: Option<SignInId>) -> Result<Vec<SignInId>>;

    /// The tokens that are valid now, by name and age; at most `most`.
    async fn bot_tokens(&self, most: usize) -> Result<Vec<BotToken>>;
}
