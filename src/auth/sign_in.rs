//! How a sign-in begins and goes on: a password begins it, tokens show and prolong it.

use std::time::Instant;

use secrecy::SecretString;

use super::{Auth, Claims, accounts::invalid_credentials, tokens};
use crate::{
    domain::{SignInId, Timestamp, UserId, Username},
    error::{Code, Refusal},
    store::{Account, NewToken, SignIn, TokenHash},
};

/// Somebody whose credential was checked just now.
pub type SignedIn = SignIn;

/// A token that was made for somebody.
pub struct Issued {
    /// The token.
    pub token: String,
    /// Whose it is, as registered.
    pub username: Username,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The refresh cookie, if the browser is to keep one from now on.
    pub cookie: Option<SecretString>,
}

impl Auth {
    /// Begins a sign-in, with a refresh cookie if the browser is to `remember` it.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for an unknown name and a wrong password.
    pub async fn login(&self, username: &str, password: &str, remember: bool) -> Result<Issued, Refusal> {
        let account = self.accounts.recognise(username, password).await?;
        if let Some(issued) = self.begin(&account, remember).await? {
            return Ok(issued);
        }
        // A replica may have shown a hash that another node has renewed since.
        let account = self.accounts.authenticate(username, password).await?;
        self.begin(&account, remember).await?.ok_or_else(invalid_credentials)
    }

    /// Begins a sign-in of somebody whose password was compared; `None` when it was changed or the
    /// account deleted since it was read.
    async fn begin(&self, account: &Account, remember: bool) -> Result<Option<Issued>, Refusal> {
        let sid = SignInId::random();
        let (token, mut issued) = self.mint(sid, account.id, account.username.clone())?;
        if !self.parts.store.begin_sign_in(&token, &account.password_hash).await? {
            return Ok(None);
        }
        if remember {
            issued.cookie = Some(self.remember(sid).await?);
        }
        Ok(Some(issued))
    }

    /// A token that is not in the store yet. It ends on a whole second, as a JWT counts.
    pub(super) fn mint(
        &self,
        sid: SignInId,
        user: UserId,
        username: Username,
    ) -> Result<(NewToken, Issued), Refusal> {
        let now = self.now();
        let expires_at = Timestamp(now.seconds() * 1000).plus_seconds(self.token_seconds);
        let minted = self
            .tokens
            .mint(&Claims { user, sid, expires_at }, now)
            .map_err(|error| Refusal::internal().because(error))?;
        let kept = NewToken { sid, user, hash: minted.hash, expires_at };
        let issued = Issued { token: minted.token, username, expires_at, cookie: None };
        Ok((kept, issued))
    }

    /// Who shows this token.
    ///
    /// # Errors
    /// `unauthorized` for anything but a valid token of a living sign-in.
    pub async fn bearer(&self, token: &str) -> Result<SignedIn, Refusal> {
        let claims = self.claims(token).ok_or_else(Refusal::unauthorized)?;
        self.claimed(token, claims).await
    }

    /// The same of a token that claims this.
    pub(super) async fn claimed(&self, token: &str, claims: Claims) -> Result<SignedIn, Refusal> {
        let found = self.sign_in(tokens::hash(token), claims.sid).await?;
        found
            .filter(|sign_in| (sign_in.sid, sign_in.user) == (claims.sid, claims.user))
            .ok_or_else(Refusal::unauthorized)
    }

    /// What a token says, if we signed it and it has not expired; it may have been revoked. For
    /// whom to count a call, not for letting anybody in.
    pub fn claims(&self, token: &str) -> Option<Claims> {
        self.tokens.verify(token, self.now())
    }

    /// The sign-in of a token, from a replica while its word counts ([`Ends`]).
    async fn sign_in(&self, token: TokenHash, sid: SignInId) -> Result<Option<SignIn>, Refusal> {
        let counts = || self.ends.are_fresh(Instant::now()) && !self.ends.names(sid);
        if let Some(replicas) = &self.found_on_replicas
            && counts()
            && let Ok(Some(found)) = replicas.ask(token).await
            // It may have ended while the replica was asked, which judges expiry by its own clock; ours follows the
            // primary's.
            && counts()
            && found.expires_at > self.now()
        {
            return Ok(Some(found));
        }
        // Calls that are under way when the node stops are finished.
        if self.found.is_over() {
            return Ok(self.parts.store.sign_ins_by_token(&[token]).await?.pop().flatten());
        }
        self.found.ask(token).await
    }

    /// A new token of the same sign-in. The old one stays valid until it expires.
    ///
    /// # Errors
    /// `session_ended`.
    pub async fn refresh(&self, who: &SignedIn) -> Result<Issued, Refusal> {
        let (token, issued) = self.mint(who.sid, who.user, who.username.clone())?;
        if !self.parts.store.add_token(&token).await? {
            return Err(session_ended());
        }
        self.seats.prolong(who.sid, issued.expires_at);
        Ok(issued)
    }
}

/// What whoever belongs to it is told.
pub(super) fn session_ended() -> Refusal {
    Refusal::new(Code::SessionEnded, "This sign-in has ended.")
}
