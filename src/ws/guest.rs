//! One socket's session: texts in its dialect become calls on its [`Visitor`], answers become
//! frames.
//!
//! From top to bottom as a text goes: it is read in the socket's dialect, then a message is posted
//! at once, and whatever else was asked is served while nothing more is read. What is refused on the
//! way is told to the client, and counts as a bad frame if it would be refused again.

use std::{sync::Arc, time::Instant};

use super::{
    patience::Asked,
    session::{Departure, Later, Session, Step},
};
use crate::{
    auth::{AddressKey, Auth, Place, Seat, beyond_scope},
    chat::{self, PostRefused, Visitor},
    domain::{ClientId, RoomName, Scope, SignInId, UserId},
    error::{Advice, Code, Refusal},
    hub::{Member, frame},
    protocol::{
        self, Dialect,
        client::{self, ClientFrame, Ref, Rejected},
        v1,
    },
    tally::Limit,
};

/// The close code of policy: too many messages or too many bad frames.
const POLICY: u16 = 1008;
/// What the predecessor says when it closes for too many messages.
const RATE_LIMIT_EXCEEDED: &str = "Rate limit exceeded";

/// What a socket holds until it is gone.
pub(super) struct Held {
    /// Its sign-in's hand on it.
    pub(super) seat: Seat,
    /// Its places among the person's and the address's sockets.
    pub(super) places: (Place<UserId>, Place<AddressKey>),
    /// What it may do if it is a bot's.
    pub(super) scope: Option<Arc<Scope>>,
}

/// The session of an admitted socket.
pub(super) struct Guest {
    visitor: Visitor,
    auth: Arc<Auth>,
    held: Held,
    /// The page's origin, which its tickets must name too.
    origin: Option<Box<str>>,
    asked: Asked,
}

impl Guest {
    pub(super) fn new(visitor: Visitor, auth: Arc<Auth>, held: Held, origin: Option<Box<str>>) -> Box<Self> {
        let (connection, user) = (visitor.member().id(), visitor.person().user.0);
        tracing::debug!(
            connection,
            user,
            dialect = visitor.member().dialect().as_str(),
            "a socket is open"
        );
        Box::new(Self { visitor, auth, held, origin, asked: Asked::default() })
    }

    /// How the session begins: a seed socket is in the lobby without asking.
    pub(super) fn begin(mut self: Box<Self>) -> Step {
        if self.member().dialect() == Dialect::V1 {
            return Step::Next(self);
        }
        if self.held.scope.as_deref().is_some_and(|scope| !scope.may_read(&RoomName::lobby())) {
            self.tell(&beyond_scope(), None, None);
            self.member().close(POLICY, "the lobby is beyond this token");
            return Step::Next(self);
        }
        Step::Wait(Box::pin(async move {
            if let Err(refusal) = self.visitor.join(RoomName::lobby(), None, None).await {
                self.tell(&refusal, None, None);
                self.member().close(1011, "the lobby can't be read");
            }
            Step::Next(self as Box<dyn Session>)
        }))
    }

    const fn member(&self) -> &Arc<Member> {
        self.visitor.member()
    }

    const fn sid(&self) -> SignInId {
        self.held.seat.sid()
    }
}

impl Session for Guest {
    fn text(self: Box<Self>, text: &str) -> Step {
        match self.member().dialect() {
            Dialect::V1 => self.v1_text(text),
            Dialect::Seed => self.seed_text(text),
        }
    }

    /// Whoever's sign-in ended has left; anybody else may be reloading the page, however politely
    /// the old page said goodbye, and stays in the lists for the grace time.
    fn gone(self: Box<Self>, how: Departure) -> Later<()> {
        let signed_out = self.held.seat.has_ended();
        let (connection, code) = (self.member().id(), self.member().closed_with());
        tracing::debug!(connection, ?how, ?code, "a socket is gone");
        Box::pin(async move {
            let how = if signed_out { chat::Departure::Left } else { chat::Departure::Lost };
            let Self { visitor, held, .. } = *self;
            visitor.gone(how).await;
            drop(held.places);
        })
    }
}

impl Guest {
    /// A text of a `v1` client: one frame.
    fn v1_text(self: Box<Self>, text: &str) -> Step {
        match client::parse_v1(text) {
            Ok((frame, re)) if !self.allows(&frame) => {
                let id = if let ClientFrame::Message { id, .. } = &frame { Some(id) } else { None };
                self.refuse(&beyond_scope(), id, re.as_ref());
                Step::Refused(self)
            }
            Ok((ClientFrame::Message { room, id, text }, re)) => self.post(&room, &id, &text, re.as_ref()),
            Ok((asked, re)) => self.ask(asked, re),
            Err(Rejected { refusal, reference, id }) => {
                self.refuse(&refusal, id.as_ref(), reference.as_ref());
                Step::Refused(self)
            }
        }
    }

    /// Whether this is within a bot's scope. A person may ask for anything.
    fn allows(&self, frame: &ClientFrame) -> bool {
        let Some(scope) = self.held.scope.as_deref() else { return true };
        match frame {
            ClientFrame::Join { room, .. } | ClientFrame::Users { room } => scope.may_read(room),
            ClientFrame::Message { room, .. } | ClientFrame::Typing { room } => scope.may_write(room),
            ClientFrame::Leave { .. } | ClientFrame::Renew { .. } => true,
        }
    }

    /// A text of a seed client: something it says in the lobby.
    fn seed_text(self: Box<Self>, text: &str) -> Step {
        match client::parse_seed(text) {
            Ok(_) if self.held.scope.as_deref().is_some_and(|scope| !scope.may_write(&RoomName::lobby())) => {
                self.refuse(&beyond_scope(), None, None);
                Step::Refused(self)
            }
            Ok(said) => {
                let id = ClientId::from_store(uuid::Uuid::now_v7().simple().to_string());
                self.post(&RoomName::lobby(), &id, &said, None)
            }
            Err(refusal) => {
                self.refuse(&refusal, None, None);
                Step::Refused(self)
            }
        }
    }

    /// A message: handed to the log, which answers later; reading goes on at once. One that breaks
    /// a limit counts as a bad frame.
    fn post(mut self: Box<Self>, room: &RoomName, id: &ClientId, text: &str, re: Option<&Ref>) -> Step {
        match self.visitor.post(room, id.clone(), text, re.cloned()) {
            Ok(()) => {}
            Err(PostRefused::Excess) => self.member().close(POLICY, RATE_LIMIT_EXCEEDED),
            Err(PostRefused::Refused(refusal)) if self.is_over_the_seed_limit(&refusal) => {
                self.member().close(POLICY, RATE_LIMIT_EXCEEDED);
            }
            Err(PostRefused::Refused(refusal)) => {
                self.refuse(&refusal, Some(id), re);
                return after(refusal.code, self);
            }
        }
        Step::Next(self)
    }

    /// The predecessor closes at the first message over the limit.
    fn is_over_the_seed_limit(&self, refusal: &Refusal) -> bool {
        self.member().dialect() == Dialect::Seed && refusal.code == Code::RateLimited
    }

    /// Everything but a message.
    fn ask(mut self: Box<Self>, asked: ClientFrame, re: Option<Ref>) -> Step {
        if let Some(wait) = self.asked.once_more(Instant::now()) {
            Limit::Frames.count(1);
            let refusal = Refusal::new(Code::RateLimited, "You are asking too fast. Please wait a moment.");
            self.refuse(&refusal.retry_after(wait), None, re.as_ref());
            return Step::Refused(self);
        }
        Step::Wait(Box::pin(self.serve(asked, re)))
    }

    /// What takes time: nothing more is read from this socket until it is done.
    async fn serve(mut self: Box<Self>, asked: ClientFrame, re: Option<Ref>) -> Step {
        let echoed = re.clone();
        let done = match asked {
            ClientFrame::Join { room, after } => self.visitor.join(room, after, re).await,
            ClientFrame::Leave { room } => self.visitor.leave(&room).await,
            ClientFrame::Users { room } => self.visitor.users(&room, re).await,
            ClientFrame::Typing { room } => self.visitor.typing(&room).await,
            ClientFrame::Renew { ticket } => self.renew(&ticket, re).await,
            ClientFrame::Message { .. } => Ok(()),
        };
        match done {
            Ok(()) => Step::Next(self),
            Err(refusal) => {
                self.refuse(&refusal, None, echoed.as_ref());
                after(refusal.code, self)
            }
        }
    }

    async fn renew(&self, ticket: &str, re: Option<Ref>) -> Result<(), Refusal> {
        let expires_at = self.auth.renew(self.sid(), ticket, self.origin.as_deref()).await?;
        self.member().send(frame::text(&v1::renewed(expires_at, re.as_ref())));
        Ok(())
    }

    /// Says no, and in the log why not if the fault is ours.
    fn refuse(&self, refusal: &Refusal, id: Option<&ClientId>, re: Option<&Ref>) {
        if let Some(cause) = &refusal.cause {
            let connection = self.member().id();
            tracing::warn!(%cause, connection, code = refusal.code.as_str(), "a frame could not be served");
        }
        self.tell(refusal, id, re);
    }

    fn tell(&self, refusal: &Refusal, id: Option<&ClientId>, re: Option<&Ref>) {
        let text = protocol::error(self.member().dialect(), refusal, id, re);
        self.member().send(frame::text(&text));
    }
}

/// How reading goes on after a refusal: what would be refused again counts as a bad frame.
fn after(code: Code, guest: Box<Guest>) -> Step {
    if code.advice() == Advice::Change { Step::Refused(guest) } else { Step::Next(guest) }
}
