//! How a sign-in ends: in the store first, then its sockets here are closed, then the other nodes are
//! told, who close theirs.
//!
//! The bus may lose it: then `watch` finds the end in the store within seconds.

use std::time::Instant;

use super::{Auth, Issued, SignedIn};
use crate::{
    cluster::{Envelope, Notice},
    domain::{Password, SignInId, Username},
    error::Refusal,
};

/// How many ends of one change are rung through the bus; the others are found by the poll.
const RUNG: usize = 64;

impl Auth {
    /// Ends the sign-in of a token.
    ///
    /// # Errors
    /// `unauthorized` when there is no such sign-in.
    pub async fn logout(&self, token: &str) -> Result<(), Refusal> {
        let who = self.bearer(token).await?;
        if self.end(who.sid).await? { Ok(()) } else { Err(Refusal::unauthorized()) }
    }

    /// Changes the password, ends all other sign-ins of the person and answers a new token.
    ///
    /// # Errors
    /// `invalid_credentials` when `current` is wrong.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        current: &str,
        new: &Password,
    ) -> Result<Issued, Refusal> {
        let ended = self.accounts.change(&who.username, current, new, who.sid).await?;
        self.told_ended(&ended).await;
        self.refresh(who).await
    }

    /// The operator sets a password; all sign-ins of the person end.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_set_password(&self, username: &Username, new: &Password) -> Result<(), Refusal> {
        let ended = self.accounts.set(username, new).await?;
        self.told_ended(&ended).await;
        Ok(())
    }

    /// The operator ends all sign-ins of a person; answers how many there were.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_sign_out(&self, username: &Username) -> Result<usize, Refusal> {
        let ended = self.accounts.sign_out(username).await?;
        self.told_ended(&ended).await;
        Ok(ended.len())
    }

    /// The operator deletes an account; its sign-ins end, its messages stay.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_delete(&self, username: &Username) -> Result<(), Refusal> {
        let ended = self.accounts.delete(username).await?;
        self.told_ended(&ended).await;
        Ok(())
    }

    async fn end(&self, sid: SignInId) -> Result<bool, Refusal> {
        let ended = self.parts.store.end_sign_in(sid).await?;
        self.told_ended(&[sid]).await;
        Ok(ended)
    }

    /// These sign-ins have ended: closes their sockets here and rings for the other nodes.
    pub(super) async fn told_ended(&self, ended: &[SignInId]) {
        for sid in ended {
            self.handle_ended(*sid);
        }
        for sid in ended.iter().take(RUNG) {
            let envelope = Envelope { from: self.parts.me, notice: Notice::SignInEnded(*sid) };
            if let Err(error) = self.parts.bus.publish(envelope).await {
                // The others find all of them in the store within seconds.
                tracing::debug!(%error, "the end of a sign-in was not published");
                break;
            }
        }
    }

    /// Another node says that a sign-in ended.
    pub fn handle_ended(&self, sid: SignInId) {
        self.ends.heard(Instant::now(), sid);
        self.seats.end(sid);
    }
}
