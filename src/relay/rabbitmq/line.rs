//! The line to the broker: TCP, with TLS by the same library and for the same authorities as everywhere in this
//! program, and cut at once when nobody wants it any more.
//!
//! The client library runs each connection on a thread of its own, which ends with the line.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_util::Stream as Ticks;
use lapin::{
    AsyncTcpStream,
    uri::{AMQPScheme, AMQPUri},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::{
    compat::{Compat, TokioAsyncReadCompatExt},
    sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned},
};

use crate::{relay::stream::Stream, tls};

/// What the client library runs on: this program's runtime, and lines of this kind.
pub(super) type Kit = RuntimeParts<Tokio, Lines>;

/// Where the broker is, and whom its certificate must be vouched for by.
#[derive(Clone)]
pub(super) struct Dial {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    cut: CancellationToken,
}

impl Dial {
    /// Of a URL.
    ///
    /// # Errors
    /// When it asks for TLS that can't be had.
    pub(super) fn to(uri: &AMQPUri) -> Result<Self, String> {
        let host = uri.authority.host.trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| "names a host that no certificate can be for".to_owned())?;
                let config = tls::of_this_machine().and_then(tls::client);
                let config = config.map_err(|error| format!("can't be used with TLS: {error}"))?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
        };
        Ok(Self {
            host,
            port: uri.authority.port,
            tls,
            cut: CancellationToken::new(),
        })
    }

    /// The same for one connection, and what cuts that.
    pub(super) fn anew(&self) -> (Self, DropGuard) {
        let cut = CancellationToken::new();
        let guard = cut.clone().drop_guard();
        (Self { cut, ..self.clone() }, guard)
    }

    /// What the client library runs on.
    pub(super) fn runtime(&self) -> Runtime<Kit> {
        let tokio = Tokio::current();
        Runtime::new(RuntimeParts::new(tokio.clone(), Lines { tokio, cut: self.cut.clone() }))
    }

    /// Connects; given up when the line is cut.
    pub(super) async fn line(&self) -> io::Result<AsyncTcpStream<Compat<Line>>> {
        let connecting = self.cut.run_until_cancelled(self.connect());
        let stream = connecting.await.unwrap_or_else(|| Err(cut_off()))?;
        Ok(AsyncTcpStream::Plain(Line::new(stream, self.cut.clone()).compat()))
    }

    async fn connect(&self) -> io::Result<Stream> {
        let tls = self.tls.as_ref().map(|(connector, name)| (connector, name.clone()));
        Stream::connect(&self.host, self.port, tls).await
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the line was given up")
}

/// A line that fails as soon as it is cut.
pub(super) struct Line {
    stream: Stream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_cut: CancellationToken,
}

impl Line {
    fn new(stream: Stream, cut: CancellationToken) -> Self {
        Self {
            stream,
            cut: Box::pin(cut.clone().cancelled_owned()),
            is_cut: cut,
        }
    }

    /// Fails if it is cut; wakes the reader when it will be.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_cut = self.is_cut.is_cancelled() || self.cut.as_mut().poll(context).is_ready();
        if is_cut { Err(cut_off()) } else { Ok(()) }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut.is_cancelled() {
            return Poll::Ready(Err(cut_off()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Makes lines, and tells the time as the runtime does.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    tokio: Tokio,
    cut: CancellationToken,
}

impl Reactor for Lines {
    type TcpStream = Compat<Line>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: io::Read + io::Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl futures_util::AsyncRead + futures_util::AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.tokio.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Ticks<Item = Instant> + Send + 'static {
        self.tokio.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let cut = self.cut.clone();
        async move { Ok(Line::new(Stream::Plain(TcpStream::connect(address).await?), cut).compat()) }
    }
}
