//! How a socket comes in and stays: tickets, places, seats.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    AddressKey, Auth, Claims, Identity, Place, Seat, SignedIn, TICKET_SECONDS, bots, session_ended, tickets,
};
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

/// A credential of this cluster's: it was read, and what it says is yet to be looked up.
pub struct Shown<'a>(Read<'a>);

enum Read<'a> {
    Ticket(tickets::Shown),
    Token(&'a str, Claims),
    BotToken(&'a str, SignInId),
}

impl Shown<'_> {
    /// The sign-in that it names. That may have ended: this is for whom to recognise, not for letting anybody in.
    pub const fn sid(&self) -> SignInId {
        match &self.0 {
            Read::Ticket(shown) => shown.ticket.sid,
            Read::Token(_, claims) => claims.sid,
            Read::BotToken(_, sid) => *sid,
        }
    }
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
    async fn redeem(&self, shown: tickets::Shown) -> Result<Identity, Refusal> {
        // Before the ticket is used up: where the store does not answer it is still good for the next try.
        let scope = if shown.of_bot {
            let scope = self.parts.store.bot_scope(shown.ticket.sid).await?;
            Some(Arc::new(scope.ok_or_else(Refusal::unauthorized)?))
        } else {
            None
        };
        let Redeemed::Accepted(who) = self.redeemed.ask(shown.ticket).await? else {
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
        match self.renewed.ask(shown.ticket).await? {
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

    /// What a credential says.
    ///
    /// # Errors
    /// `unauthorized` when it is not ours, expired, or a ticket for another origin.
    pub fn read<'a>(&self, credential: Credential<'a>, origin: Option<&str>) -> Result<Shown<'a>, Refusal> {
        let read = match credential {
            Credential::Ticket(ticket) => self.tickets.read(ticket, origin, self.now()).map(Read::Ticket),
            Credential::Token(token) => match bots::sid_of(token) {
                Some(sid) => Some(Read::BotToken(token, sid)),
                None => self.claims(token).map(|claims| Read::Token(token, claims)),
            },
        };
        read.map(Shown).ok_or_else(Refusal::unauthorized)
    }

    /// Admits a socket: takes its places, takes its seat, and only then looks its credential up, so
    /// that no end of the sign-in is missed. (The origin itself is `origins().admit`'s to judge.)
    ///
    /// # Errors
    /// `unauthorized`, `too_many_sockets`, `unavailable`.
    pub async fn admit(&self, shown: Shown<'_>, address: IpAddr) -> Result<Admission, Refusal> {
        let at_address = self.by_address.take(address.into()).ok_or_else(too_many_sockets)?;
        let seat = self.seats.register(shown.sid());
        let Identity { who, scope } = match shown.0 {
            Read::Ticket(shown) => self.redeem(shown).await?,
            Read::Token(token, claims) => Identity { who: self.claimed(token, claims).await?, scope: None },
            Read::BotToken(token, sid) => self.identify_bot_at(token, sid, address.into()).await?,
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
