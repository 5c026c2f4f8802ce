//! The way in: handshake, doorkeeper, 101, and from then on the socket is its own task, in the runtime where sockets
//! live, which need not be the one that serves HTTP.

use std::{
    mem,
    net::TcpStream,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpStream as Watched, task::yield_now, time::sleep};

use super::{
    connection::Connection,
    handshake::Handshake,
    knock::{Knock, has_hung_up},
    session::Step,
    sockets::{Card, Sockets},
};
use crate::{
    error::{Code, Refusal},
    hub::Member,
    protocol::Dialect,
};

/// How often somebody who waits to be let in is looked after: those who left meanwhile want nothing done.
const LOOK: Duration = Duration::from_millis(100);

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
    /// Let in, and on the way to where sockets live.
    coming: Arc<Mutex<Vec<Socket>>>,
}

impl Door {
    /// A door to these sockets.
    pub fn new(sockets: Sockets, keeper: Arc<dyn Doorkeeper>) -> Self {
        Self { sockets, keeper, coming: Arc::default() }
    }

    /// Makes a connection a socket whose first request is this one, which HTTP has not seen. The answer says `besides`
    /// what it has to. `false` if the client left meanwhile.
    ///
    /// # Errors
    /// What the handshake or the doorkeeper refuses, for HTTP to tell: the connection is as it was.
    pub async fn let_in(
        &self,
        stream: TcpStream,
        knock: &Knock,
        besides: (HeaderName, HeaderValue),
    ) -> Result<bool, (TcpStream, Refusal)> {
        // Many may have left while whoever comes waited in the kernel's queue.
        if has_hung_up(&stream) {
            return Ok(false);
        }
        let admitted = async {
            let handshake = Handshake::read(knock.request())?;
            Ok((self.keeper.admit(knock.request(), handshake.dialect).await?, handshake))
        };
        let admitted = tokio::select! {
            admitted = admitted => admitted,
            () = hangs_up(&stream) => return Ok(false),
        };
        let (admitted, handshake) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return Err((stream, refusal)),
        };
        if !knock.take(&stream) {
            return Ok(false);
        }
        let answer = Some(handshake.written_answer(besides));
        self.begin(Socket::Coming(
            stream,
            Bytes::new(),
            self.promise(admitted, handshake.dialect, answer),
        ));
        Ok(true)
    }

    /// Answers a request that wants to become a socket: the 101, after which it does, or why not.
    ///
    /// # Errors
    /// What the handshake or the doorkeeper refuses; the caller renders it.
    pub async fn open<B>(&self, request: Request<B>) -> Result<Response<()>, Refusal> {
        // The body, if somebody sent one, is not read and must not be held while we wait.
        let (mut parts, _) = request.into_parts();
        // By `let_in`, before HTTP saw it.
        if let Some(refusal) = parts.extensions.remove::<Refusal>() {
            return Err(refusal);
        }
        let handshake = Handshake::read(&parts)?;
        let Some(coming) = parts.extensions.remove::<OnUpgrade>() else {
            return Err(Refusal::new(Code::InvalidRequest, "This connection can't be upgraded."));
        };
        let admitted = self.keeper.admit(&parts, handshake.dialect).await?;
        let promise = self.promise(admitted, handshake.dialect, None);
        self.sockets.tasks().spawn_connection(hand_over(coming, promise, self.clone()));
        Ok(handshake.answer())
    }

    fn promise(&self, admitted: Admitted, dialect: Dialect, answer: Option<Bytes>) -> Promise {
        let sockets = self.sockets.clone();
        Promise { admitted, dialect, sockets, answer }
    }

    /// Begins a socket's task where sockets live, together with those of all who are let in at about the same time: to wake
    /// the threads there costs as much as all else here.
    fn begin(&self, socket: Socket) {
        let is_first = {
            let mut coming = self.coming.lock();
            coming.push(socket);
            coming.len() == 1
        };
        if is_first {
            self.sockets.tasks().spawn_connection(self.clone().bring());
        }
    }

    /// Brings all who come when everybody had a turn who is ready.
    async fn bring(self) {
        yield_now().await;
        let coming = mem::take(&mut *self.coming.lock());
        let tasks = self.sockets.tasks().clone();
        let _there = self.sockets.home().enter();
        self.sockets.tasks().spawn_connection(async move {
            for socket in coming {
                tasks.spawn_connection(socket);
            }
        });
    }
}

/// Waits until the client has left. The request stands there unread, so nothing wakes whoever waits for more.
async fn hangs_up(stream: &TcpStream) {
    loop {
        sleep(LOOK).await;
        if has_hung_up(stream) {
            return;
        }
    }
}

/// Everything a socket needs to begin.
struct Promise {
    admitted: Admitted,
    dialect: Dialect,
    sockets: Sockets,
    /// What answers the handshake, unless HTTP has.
    answer: Option<Bytes>,
}

impl Promise {
    /// The socket's own task, to be begun where it runs.
    fn keep(self, stream: TcpStream, read: &[u8]) -> Option<Connection> {
        let stream = Watched::from_std(stream).ok()?;
        let outbox_bytes = self.sockets.settings().outbox_bytes;
        let (tag, dialect) = (self.admitted.tag, self.dialect);
        let member = Arc::new(match self.answer {
            Some(answer) => Member::beginning_with(answer, stream, tag, dialect, outbox_bytes),
            None => Member::new(stream, tag, dialect, outbox_bytes),
        });
        let entered = self.sockets.enter(&member, self.admitted.card);
        // Those who are in when the node stops are closed then; this one may come a moment later.
        if self.sockets.tasks().stopped().is_cancelled() {
            member.close(1001, "going away");
        }
        let begun = (self.admitted.arrive)(member.clone());
        member.begin();
        Some(Connection::new(member, begun, read, entered))
    }
}

/// Waits until HTTP lets go of the socket, and brings it where sockets live.
async fn hand_over(coming: OnUpgrade, promise: Promise, door: Door) {
    // An error says that the client left before it got the 101. The type is the one that `accept` puts in.
    let Ok(upgraded) = coming.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<Watched>>() else { return };
    let Ok(stream) = parts.io.into_inner().into_std() else { return };
    door.begin(Socket::Coming(stream, parts.read_buf, promise));
}

/// A socket's task. Written by hand because it is what remains of every idle client; an `async` block would keep room
/// for both at once.
enum Socket {
    /// What the client sent behind its request comes with it.
    Coming(TcpStream, Bytes, Promise),
    Open(Connection),
    Gone,
}

impl Future for Socket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(&*self, Self::Coming(..))
            && let Self::Coming(stream, read, promise) = mem::replace(&mut *self, Self::Gone)
            // What was read is dropped here: it would cost 8 KiB for the life of the socket.
            && let Some(connection) = promise.keep(stream, &read)
        {
            *self = Self::Open(connection);
        }
        match &mut *self {
            Self::Open(connection) => Pin::new(connection).poll(cx),
            Self::Coming(..) | Self::Gone => Poll::Ready(()),
        }
    }
}
