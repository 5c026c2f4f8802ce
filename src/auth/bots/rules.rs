//! The rules of bots and their tokens, whoever applies them: a running node, or the operator with no node running.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::written;
use crate::{
    auth::{Passwords, remembered::random, tokens},
    domain::{InvalidScope, Password, Scope, SignInId, Timestamp, UserId, Username},
    error::{Code, Refusal},
    store::{BotToken, NewBotToken, NewToken, Store, StoreError},
};

/// A token without an end is good for so many days: a century.
const FOR_EVER_DAYS: u32 = 36_525;
/// Most tokens that are listed.
const LISTED: usize = 10_000;

/// A token that was made just now. It is shown once; what is kept of it can't be shown again.
pub struct NewBot {
    /// The token.
    pub token: SecretString,
    /// By which it is listed and revoked.
    pub sid: SignInId,
    /// When it stops being valid; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// The bots of a store.
pub struct Bots {
    store: Arc<dyn Store>,
    passwords: Passwords,
}

impl Bots {
    /// The bots of that store.
    pub const fn new(store: Arc<dyn Store>, passwords: Passwords) -> Self {
        Self { store, passwords }
    }

    /// A new token for the bot of this name, which is made if there is none yet.
    ///
    /// # Errors
    /// `username_taken` when a person has this name, `room_not_found` for a room that is not there.
    pub async fn add_token(
        &self,
        name: &Username,
        scope: Scope,
        days: Option<u32>,
    ) -> Result<NewBot, Refusal> {
        for room in scope.rooms() {
            if self.store.room(room).await?.is_none() {
                let told = format!("There is no room `{room}`.");
                return Err(Refusal::new(Code::RoomNotFound, told));
            }
        }
        let user = self.bot(name).await?;
        let days = days.unwrap_or(FOR_EVER_DAYS).min(FOR_EVER_DAYS);
        let expires_at = self.store.now().await?.plus_seconds(i64::from(days) * 86_400);
        let sid = SignInId::random();
        let token = written(sid, random());
        let kept = NewToken {
            sid,
            user,
            hash: tokens::hash(token.expose_secret()),
            expires_at,
        };
        if !self.store.begin_bot_token(&NewBotToken { token: kept, scope }).await? {
            return Err(unknown());
        }
        Ok(NewBot {
            token,
            sid,
            expires_at: (days < FOR_EVER_DAYS).then_some(expires_at),
        })
    }

    /// The bot of this name, made if nobody has it.
    async fn bot(&self, name: &Username) -> Result<UserId, Refusal> {
        if let Some(bot) = self.store.bot(name).await? {
            return Ok(bot);
        }
        // A hash like any other, so that signing in with this name takes as long as with any.
        let nobodys = Password::parse(&URL_SAFE_NO_PAD.encode(random()))?;
        let hash = self.passwords.hash(&nobodys).await?;
        match self.store.create_bot(name, &hash).await {
            Ok(bot) => Ok(bot),
            // Somebody may have made the same bot meanwhile.
            Err(StoreError::Taken) => self.store.bot(name).await?.ok_or_else(a_person),
            Err(error) => Err(error.into()),
        }
    }

    /// All tokens that are valid, by name.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn tokens(&self) -> Result<Vec<BotToken>, Refusal> {
        Ok(self.store.bot_tokens(LISTED).await?)
    }

    /// Ends the tokens of this bot, or only the one that is listed by `only`. Answers the sign-ins that ended.
    ///
    /// # Errors
    /// `not_found` when there is no such token.
    pub async fn revoke(&self, name: &Username, only: Option<SignInId>) -> Result<Vec<SignInId>, Refusal> {
        let ended = self.store.end_bot_tokens(name, only).await?;
        if ended.is_empty() { Err(unknown()) } else { Ok(ended) }
    }
}

/// When a token ends; `None` is never.
pub fn end_of(token: &BotToken) -> Option<Timestamp> {
    let life = token.expires_at.0.saturating_sub(token.begun_at.0);
    (life < i64::from(FOR_EVER_DAYS - 1) * 86_400_000).then_some(token.expires_at)
}

impl From<InvalidScope> for Refusal {
    fn from(error: InvalidScope) -> Self {
        Self::new(Code::InvalidRequest, error.to_string())
    }
}

fn a_person() -> Refusal {
    Refusal::new(Code::UsernameTaken, "A person has this name.")
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound, "There is no such token.")
}
