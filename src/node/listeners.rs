//! The sockets a node listens on. They are bound before anything slow, so that a port that is
//! taken is told at once, and a node that waits for its database already says that it lives and
//! is not ready.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, OnceLock},
};

use ::http::Extensions;
use axum::{Router, extract::ConnectInfo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use super::{StartError, patient::PatientRuntime};
use crate::{config::Config, http, readiness::Readiness, shutdown::Tasks, ws};

/// Connections that may wait to be accepted; the kernel may lower it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// What a node listens on, being answered from now on. Dropped, it accepts nobody any more.
pub struct Listeners {
    pub(super) public: Arc<Face>,
    pub(super) operator: Option<Arc<Face>>,
    pub(super) readiness: Readiness,
    pub(super) tasks: Tasks,
    pub(super) accepting: DropGuard,
    pub(super) patient: PatientRuntime,
}

impl Listeners {
    /// Binds what the settings name and answers there as a node that is starting. From now on this process
    /// may open as many files as it can be allowed (the hard limit of `nofile`): each socket is one.
    ///
    /// # Errors
    /// `Listen` when a port is taken.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        allow_files();
        let patient = PatientRuntime::new().map_err(StartError::Patient)?;
        let public = {
            let _inside = patient.handle().enter();
            listen("PORT", config.bind, config.port)?
        };
        let operator = match config.metrics_bind {
            Some(bind) => Some(listen("METRICS_PORT", bind, config.metrics_port)?),
            None => None,
        };
        let (readiness, tasks, accepting) = (Readiness::starting(), Tasks::new(), CancellationToken::new());
        let open = |name, (listener, address)| {
            let face = Arc::new(Face {
                address,
                waiting: http::waiting_router(readiness.clone()),
                own: OnceLock::new(),
            });
            tasks.spawn(name, face.clone().accept(listener, tasks.clone(), accepting.clone()));
            face
        };
        let public = {
            let _inside = patient.handle().enter();
            open("accept", public)
        };
        Ok(Self {
            public,
            operator: operator.map(|operator| open("accept operator", operator)),
            readiness,
            tasks,
            accepting: accepting.drop_guard(),
            patient,
        })
    }

    /// What the node's tasks are tracked by.
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Where the public listener is.
    pub fn address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the operator's listener is, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.operator.as_ref().map(|face| face.address)
    }
}

/// Many systems allow 1,024 by default, for programs that wait by select(2), and more to whoever asks.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(files = ?limit.maximum, "open files allowed"),
        Err(error) => tracing::warn!(%error, files = ?limit.current, "no more open files are allowed"),
    }
}

/// One listener's routes: those of a starting node until the node's own are there.
pub(super) struct Face {
    address: SocketAddr,
    waiting: Router,
    own: OnceLock<Own>,
}

/// What a node answers with that is there.
pub(super) struct Own {
    pub(super) routes: Router,
    /// Where sockets come in without HTTP, if they do.
    pub(super) door: Option<ws::Door>,
}

impl Face {
    /// From the next request on, of open connections too, these routes answer.
    pub(super) fn show(&self, own: Own) {
        let _ = self.own.set(own);
    }

    /// Serves the listener; each request knows its peer.
    fn accept(
        self: Arc<Self>,
        listener: ws::Listener,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let face = self.clone();
        let service = move |peer: SocketAddr| {
            let face = face.clone();
            tower::service_fn(move |mut request: axum::http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                let app = face.own.get().map_or(&face.waiting, |own| &own.routes).clone();
                app.oneshot(request)
            })
        };
        let let_in = move |stream, knock| -> ws::LetIn { Box::pin(self.clone().let_in(stream, knock)) };
        ws::accept(listener, tasks, stop, let_in, service)
    }

    /// Makes a connection a socket, if that is done here.
    async fn let_in(
        self: Arc<Self>,
        stream: TcpStream,
        knock: ws::Knock,
    ) -> Result<(), (TcpStream, Extensions)> {
        let Some(door) = self.own.get().and_then(|own| own.door.as_ref()) else {
            return Err((stream, Extensions::new()));
        };
        http::opening(knock.request(), |besides| door.let_in(stream, &knock, besides)).await
    }
}

fn listen(name: &'static str, bind: IpAddr, port: u16) -> Result<(ws::Listener, SocketAddr), StartError> {
    let address = SocketAddr::new(bind, port);
    let failed = |source| StartError::Listen { name, address, source };
    let listener = listener(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((ws::Listener::new(listener).map_err(failed)?, bound))
}

/// `TcpListener::bind` with room for a storm: it would queue 128 connections, and whoever comes on
/// top of them tries again a second later.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
