//! The rules of accounts, whoever asks: a visitor, the operator through a running node, or the
//! operator with no node running.

use std::sync::Arc;

use super::passwords::{Passwords, Verdict};
use crate::{
    domain::{InvalidUsername, Password, SignInId, Username},
    error::{Code, Refusal},
    store::{Account, LaggingReads, Store, StoreError},
};

/// How often a password change that met another one is begun again.
const ATTEMPTS: usize = 3;

/// Accounts and their passwords.
#[derive(Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    replicas: Option<Arc<dyn LaggingReads>>,
    passwords: Passwords,
}

impl Accounts {
    /// The accounts of that store.
    pub const fn new(store: Arc<dyn Store>, passwords: Passwords) -> Self {
        Self { store, replicas: None, passwords }
    }

    /// The same, with passwords read from replicas first.
    #[must_use]
    pub fn with_replicas(self, replicas: Option<Arc<dyn LaggingReads>>) -> Self {
        Self { replicas, ..self }
    }

    /// Adds an account.
    ///
    /// # Errors
    /// `username_taken` when the name exists in whatever case.
    pub async fn create(&self, username: &Username, password: &Password) -> Result<(), Refusal> {
        if self.store.account(username).await?.is_some() {
            return Err(taken());
        }
        let hash = self.passwords.hash(password).await?;
        match self.store.create_user(username, &hash).await {
            Ok(_) => Ok(()),
            Err(StoreError::Taken) => Err(taken()),
            Err(error) => Err(error.into()),
        }
    }

    /// The account, if these are its name and password. Takes as long for a name that nobody has.
    /// A hash in an outdated form is replaced on the way.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for an unknown name and a wrong password.
    pub async fn authenticate(&self, username: &str, password: &str) -> Result<Account, Refusal> {
        let known = match Username::parse(username) {
            Ok(name) => self.store.account(&name).await?,
            Err(InvalidUsername) => None,
        };
        let (Some(account), Ok(password)) = (known, Password::parse(password)) else {
            self.passwords.verify_nobody().await?;
            return Err(invalid_credentials());
        };
        match self.passwords.verify(&password, &account.password_hash).await? {
            Verdict::Wrong => Err(invalid_credentials()),
            Verdict::Right => Ok(account),
            Verdict::RightButOutdated => self.renew_hash(account, &password).await,
        }
    }

    /// As [`Accounts::authenticate`], with the account read from a replica if there is one. It may
    /// lag: what it calls wrong is decided by the primary, and `begin_sign_in` makes sure that what
    /// it calls right still is. A wrong password takes as long as an unknown name either way.
    ///
    /// # Errors
    /// As [`Accounts::authenticate`].
    pub async fn recognise(&self, username: &str, password: &str) -> Result<Account, Refusal> {
        let known = match (&self.replicas, Username::parse(username)) {
            (Some(replicas), Ok(name)) => replicas.lagging_account(&name).await?,
            _ => None,
        };
        if let (Some(account), Ok(parsed)) = (known, Password::parse(password)) {
            match self.passwords.verify(&parsed, &account.password_hash).await? {
                Verdict::Right => return Ok(account),
                Verdict::Wrong if self.is_current(&account).await? => return Err(invalid_credentials()),
                Verdict::Wrong | Verdict::RightButOutdated => {}
            }
        }
        self.authenticate(username, password).await
    }

    /// Whether the primary has the same hash.
    async fn is_current(&self, account: &Account) -> Result<bool, Refusal> {
        let kept = self.store.account(&account.username).await?;
        Ok(kept.is_some_and(|kept| kept.password_hash == account.password_hash))
    }

    /// Replaces the hash by one in today's form. A node that is too busy for that leaves it.
    async fn renew_hash(&self, account: Account, password: &Password) -> Result<Account, Refusal> {
        let Ok(hash) = self.passwords.hash(password).await else { return Ok(account) };
        if self.store.rehash(account.id, &account.password_hash, &hash).await? {
            Ok(Account { password_hash: hash, ..account })
        } else {
            self.unchanged(account).await
        }
    }

    /// The account, if its password is still the one that was verified or the same in a newer
    /// form made by another node; else it was changed meanwhile and the old one does not count.
    async fn unchanged(&self, account: Account) -> Result<Account, Refusal> {
        let kept = self.store.account(&account.username).await?;
        kept.filter(|kept| kept.password_hash == account.password_hash)
            .ok_or_else(invalid_credentials)
    }

    /// Changes the password of somebody who knows the current one, and ends all sign-ins but
    /// `keep`. Answers those that ended.
    ///
    /// # Errors
    /// `invalid_credentials` when `current` is not the password (any more).
    pub async fn change(
        &self,
        username: &Username,
        current: &str,
        new: &Password,
        keep: SignInId,
    ) -> Result<Vec<SignInId>, Refusal> {
        let account = self.authenticate(username.as_str(), current).await?;
        let hash = self.passwords.hash(new).await?;
        let ended = self.store.change_password(account.id, &account.password_hash, &hash, Some(keep)).await?;
        ended.ok_or_else(invalid_credentials)
    }

    /// Sets a password, as the operator may, and ends all sign-ins. Answers those that ended.
    ///
    /// # Errors
    /// `not_found` when nobody has this name, `forbidden` when a bot has it.
    pub async fn set(&self, username: &Username, new: &Password) -> Result<Vec<SignInId>, Refusal> {
        if self.store.bot(username).await?.is_some() {
            return Err(Refusal::new(Code::Forbidden, "This is a bot; it has tokens and no password."));
        }
        let hash = self.passwords.hash(new).await?;
        for _ in 0..ATTEMPTS {
            let account = self.store.account(username).await?.ok_or_else(unknown)?;
            let change = self.store.change_password(account.id, &account.password_hash, &hash, None);
            if let Some(ended) = change.await? {
                return Ok(ended);
            }
        }
        Err(Refusal::unavailable())
    }

    /// Ends all sign-ins of a person, and answers those that ended.
    ///
    /// # Errors
    /// `not_found` when nobody has this name.
    pub async fn sign_out(&self, username: &Username) -> Result<Vec<SignInId>, Refusal> {
        let account = self.store.account(username).await?.ok_or_else(unknown)?;
        Ok(self.store.end_sign_ins(account.id).await?)
    }

    /// Deletes an account; what it said stays. Answers the sign-ins that ended.
    ///
    /// # Errors
    /// `not_found` when nobody has this name.
    pub async fn delete(&self, username: &Username) -> Result<Vec<SignInId>, Refusal> {
        let account = self.store.account(username).await?.ok_or_else(unknown)?;
        Ok(self.store.delete_user(account.id).await?)
    }
}

fn taken() -> Refusal {
    Refusal::new(Code::UsernameTaken, "Somebody has this name already.")
}

/// The same for an unknown name and a wrong password.
pub(super) fn invalid_credentials() -> Refusal {
    Refusal::new(Code::InvalidCredentials, "Wrong username or password.")
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound, "Nobody has this name.")
}
