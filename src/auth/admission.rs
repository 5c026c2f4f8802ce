//! How a socket comes in and stays: tickets, places, seats.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{AddressKey, Auth, Identity, Place, Seat, SignedIn, TICKET_SECONDS, session_ended};
use crate::{
    domain::{Scope, SignInId, Timestamp, UserId},
    error::{Code, Refusal},
    store::Redeemed,
    tally::Limit,
};

/// What a coming socket shows.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A ticket (`?ticket=`).
    Ticket(&'a str),
    /// A token (`Authorization: Bearer` or `?token=`).
    Token(&'a str),
}

/// A socket that may open: who it is, and what it holds until it closes.
pub struct Admission {
    /// Whose it is.
    pub who: SignedIn,
    /// What it may do if it is a bot's.
    pub scope: Option<Arc<Scope>>,
    /// Its seat; the open socket is to be attached.
    pub seat: Seat,
    /// Its places among the person's and the address's sockets.
    pub places: (Place<UserId>, Place<AddressKey>),
}

impl Auth {
    /// A ticket for a page of that origin (`None`: a program) and how many seconds it is good.
    pub fn ticket(&self, of: &Identity, origin: Option<&str>) -> (String, u64) {
        let (sid, now) = (of.who.sid, self.now());
        let ticket = match of.scope {
            None => self.tickets.make(sid, origin, now),
            Some(_) => self.tickets.make_of_bot(sid, origin, now),
        };
        (ticket, TICKET_SECONDS)
    }

    /// Uses a ticket up.
    ///
    /// # Errors
    /// `unauthorized` when it is not ours, expired, used, or from another origin.
    pub async fn redeem(&self, ticket: &str, origin: Option<&str>) -> Result<Identity, Refusal> {
        let shown = self.tickets.read(ticket, origin, self.now()).ok_or_else(Refusal::unauthorized)?;
        // Before the ticket is used up: where the store does not answer it is still good for the next try.
        let scope = if shown.of_bot {
            let scope = self.parts.store.bot_scope(shown.ticket.sid).await?;
            Some(Arc::new(scope.ok_or_else(Refusal::unauthorized)?))
        } else {
            None
        };
        let Redeemed::Accepted(who) = self.redeemer.redeem(shown.ticket).await? else {
            return Err(Refusal::unauthorized());
        };
        Ok(Identity { who, scope })
    }

    /// Prolongs the sockets of `sid` by a fresh ticket of the same sign-in, and answers until
    /// when.
    ///
    /// # Errors
    /// `wrong_session` for a ticket of another sign-in, which stays unused; else as `redeem`.
    pub async fn renew(
        &self,
        sid: SignInId,
        ticket: &str,
        origin: Option<&str>,
    ) -> Result<Timestamp, Refusal> {
        let shown = self.tickets.read(ticket, origin, self.now()).ok_or_else(Refusal::unauthorized)?;
        if shown.ticket.sid != sid {
            return Err(Refusal::new(Code::WrongSession, "This ticket belongs to another sign-in."));
        }
        match self.redeemer.redeem(shown.ticket).await? {
            Redeemed::Accepted(sign_in) => {
                self.seats.prolong(sid, sign_in.expires_at);
                Ok(sign_in.expires_at)
            }
            Redeemed::Used => Err(Refusal::unauthorized()),
            Redeemed::Ended => Err(session_ended()),
        }
    }

    /// Whether one more socket would be one too many: what `/ws-ticket` answers in advance.
    ///
    /// # Errors
    /// `too_many_sockets`.
    pub fn has_room(&self, user: UserId, address: IpAddr) -> Result<(), Refusal> {
        if self.by_user.is_full(&user) || self.by_address.is_full(&address.into()) {
            return Err(too_many_sockets());
        }
        Ok(())
    }

    /// The sign-in that a credential names, if we signed it. It may have ended: this is for whom to
    /// recognise, not for letting anybody in.
    pub fn sid(&self, credential: Credential<'_>, origin: Option<&str>) -> Option<SignInId> {
        match credential {
            Credential::Ticket(ticket) => {
                self.tickets.read(ticket, origin, self.now()).map(|shown| shown.ticket.sid)
            }
            Credential::Token(token) => self.named_sign_in(token),
        }
    }

    /// Admits a socket: takes its places, takes its seat, and only then checks its credential, so
    /// that no end of the sign-in is missed. (The origin itself is `origins().admit`'s to judge.)
    ///
    /// # Errors
    /// `unauthorized`, `too_many_sockets`, `unavailable`.
    pub async fn admit(
        &self,
        credential: Credential<'_>,
        origin: Option<&str>,
        address: IpAddr,
    ) -> Result<Admission, Refusal> {
        let at_address = self.by_address.take(address.into()).ok_or_else(too_many_sockets)?;
        let seat = self.seats.register(self.sid(credential, origin).ok_or_else(Refusal::unauthorized)?);
        let Identity { who, scope } = match credential {
            Credential::Ticket(ticket) => self.redeem(ticket, origin).await?,
            Credential::Token(token) => self.identify_at(token, address.into()).await?,
        };
        let of_user = self.by_user.take(who.user).ok_or_else(too_many_sockets)?;
        seat.checked(who.expires_at);
        if seat.has_ended() {
            return Err(Refusal::unauthorized());
        }
        Ok(Admission { who, scope, seat, places: (of_user, at_address) })
    }
}

fn too_many_sockets() -> Refusal {
    Limit::Sockets.count(1);
    Refusal::new(
        Code::TooManySockets,
        "Too many connections are open. Please close one and try again.",
    )
    .retry_after(Duration::from_secs(5))
}
