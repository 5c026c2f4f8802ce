//! The way of the bytes to a broker: TCP, or TLS by the same library and for the same authorities as everywhere in
//! this program.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An open one.
pub(super) enum Stream {
    /// Whoever stands in between reads it.
    Plain(TcpStream),
    /// Nobody does.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects; with TLS when it is told to, and by which name it must be vouched for.
    ///
    /// # Errors
    /// When nobody is there, or it is somebody else.
    pub(super) async fn connect(
        host: &str,
        port: u16,
        tls: Option<(&TlsConnector, ServerName<'static>)>,
    ) -> io::Result<Self> {
        Self::over(TcpStream::connect((host, port)).await?, tls).await
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    /// When somebody else is there.
    pub(super) async fn over(
        plain: TcpStream,
        tls: Option<(&TlsConnector, ServerName<'static>)>,
    ) -> io::Result<Self> {
        plain.set_nodelay(true)?;
        Ok(match tls {
            None => Self::Plain(plain),
            Some((tls, name)) => Self::Tls(Box::new(tls.connect(name, plain).await?)),
        })
    }
}

/// Does the same with either.
macro_rules! either {
    ($stream:ident, $method:ident, $($argument:expr),*) => {
        match &mut *$stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write, context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, context)
    }
}
