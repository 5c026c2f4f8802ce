//! The way in: handshake, doorkeeper, 101, and from then on the socket is its own task.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use http::{Request, Response, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{
    connection::Connection,
    handshake::Handshake,
    session::Step,
    sockets::{Card, Sockets},
};
use crate::{
    error::{Code, Refusal},
    hub::Member,
    protocol::Dialect,
};

/// Decides who may open a socket. Asked once per right handshake, before the 101.
#[async_trait]
pub trait Doorkeeper: Send + Sync + 'static {
    /// Admits a request or refuses it. Bounded in time by whoever implements it.
    async fn admit(&self, request: &Parts, dialect: Dialect) -> Result<Admitted, Refusal>;
}

/// What begins when the socket is there. Everything that was reserved for it (a seat, a place
/// among its sign-in's sockets) belongs in here and later in the session: if the socket never
/// comes about this is dropped, and the reservation with it.
pub type Arrive = Box<dyn FnOnce(Arc<Member>) -> Step + Send>;

/// An admitted client.
pub struct Admitted {
    /// The person's opaque number, which becomes [`Member::tag`].
    pub tag: i64,
    /// Whose it is, for operators.
    pub card: Card,
    /// Greets the member and answers how its session begins.
    pub arrive: Arrive,
}

/// Where requests become sockets. Clones are handles.
#[derive(Clone)]
pub struct Door {
    sockets: Sockets,
    keeper: Arc<dyn Doorkeeper>,
}

impl Door {
    /// A door to these sockets.
    pub fn new(sockets: Sockets, keeper: Arc<dyn Doorkeeper>) -> Self {
        Self { sockets, keeper }
    }

    /// Answers a request that wants to become a socket: the 101, after which it does, or why not.
    ///
    /// # Errors
    /// What the handshake or the doorkeeper refuses; the caller renders it.
    pub async fn open<B>(&self, request: Request<B>) -> Result<Response<()>, Refusal> {
        // The body, if somebody sent one, is not read and must not be held while we wait.
        let (mut parts, _) = request.into_parts();
        let handshake = Handshake::read(&parts)?;
        let Some(coming) = parts.extensions.remove::<OnUpgrade>() else {
            return Err(Refusal::new(Code::InvalidRequest, "This connection can't be upgraded."));
        };
        let admitted = self.keeper.admit(&parts, handshake.dialect).await?;
        let promise = Promise {
            admitted,
            dialect: handshake.dialect,
            sockets: self.sockets.clone(),
        };
        self.sockets.tasks().spawn_connection(Socket::Coming(coming, promise));
        Ok(handshake.answer())
    }
}

/// Everything a socket needs to begin.
struct Promise {
    admitted: Admitted,
    dialect: Dialect,
    sockets: Sockets,
}

impl Promise {
    fn keep(self, upgraded: Upgraded) -> Option<Connection> {
        // The type is the one `accept` puts in; the buffer holds what the client sent behind its
        // request, and is dropped here because it would cost 8 KiB for the life of the socket.
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        let outbox_bytes = self.sockets.settings().outbox_bytes;
        let member = Member::new(parts.io.into_inner(), self.admitted.tag, self.dialect, outbox_bytes);
        let member = Arc::new(member);
        let entered = self.sockets.enter(&member, self.admitted.card);
        let begun = (self.admitted.arrive)(member.clone());
        Some(Connection::new(member, begun, &parts.read_buf, entered))
    }
}

/// A socket's task: waits until the 101 is out, then is the connection. Written by hand because it
/// is what remains of every idle client; an `async` block would keep room for both at once.
enum Socket {
    Coming(OnUpgrade, Promise),
    Open(Connection),
    Gone,
}

impl Future for Socket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                Self::Coming(coming, _) => match Pin::new(coming).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(upgraded) => {
                        let Self::Coming(_, promise) = mem::replace(&mut *self, Self::Gone) else {
                            return Poll::Ready(());
                        };
                        // An error says that the client left before it got the 101.
                        if let Some(connection) = upgraded.ok().and_then(|it| promise.keep(it)) {
                            *self = Self::Open(connection);
                        }
                    }
                },
                Self::Open(connection) => return Pin::new(connection).poll(cx),
                Self::Gone => return Poll::Ready(()),
            }
        }
    }
}
