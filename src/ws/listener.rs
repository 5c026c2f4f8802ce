//! Where connections come from. They are accepted, and nobody watches them yet: one that is to be a socket is watched
//! where sockets live and nowhere before, if its first bytes are there when it comes.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
};

use socket2::SockRef;
use tokio::io::{Interest, unix::AsyncFd};

/// A listening socket, watched by the runtime that it was made in.
#[derive(Debug)]
pub struct Listener(AsyncFd<TcpListener>);

impl Listener {
    /// Watches a socket. It is no longer a blocking one, and what is accepted there sends at once, however little it is.
    ///
    /// # Errors
    /// What the system says. Panics outside a runtime.
    #[expect(unsafe_code, reason = "for whatever is not Tokio's own there is no safe call")]
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // It is handed on to whatever is accepted, which saves a system call for each.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        // SAFETY: a `TcpListener` owns an open descriptor and names the same one as long as it lives. It lives in the
        // `AsyncFd`, which lends it out by shared reference only and drops it last.
        let watched = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        Ok(Self(watched?))
    }

    /// The next connection, not a blocking one either.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.async_io(Interest::READABLE, TcpListener::accept).await?;
        stream.set_nonblocking(true)?;
        Ok((stream, peer))
    }
}
