//! A handshake that stands at the beginning of a connection, read before HTTP sees it.
//!
//! Most connections come to be sockets, and to each of them HTTP with its layers, an upgrade and an answer of its own cost
//! as much as all else (ADR 24). So the first bytes are looked at where the kernel keeps them, and a whole request for a
//! WebSocket is read by tungstenite's parser. Nothing is taken from there before the socket is admitted: whatever else
//! there is, refused handshakes too, HTTP reads from its first byte.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, Read},
    net::{SocketAddr, TcpStream},
};

use axum::extract::ConnectInfo;
use http::{
    header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use tokio::{io::ReadBuf, net::TcpStream as Watched};
use tungstenite::handshake::{machine::TryParse, server::Request};

/// Header lines; HTTP takes no more either.
const LINES: usize = 100;
/// Bytes that are looked at. A handshake that is longer, or comes in several pieces, is left to HTTP.
const SIGHT: usize = 4096;

/// A request for a WebSocket that is still to be taken from its connection.
#[derive(Debug)]
pub struct Knock {
    request: Parts,
    length: usize,
}

impl Knock {
    /// The one at the beginning of this connection, once something has come or nothing will; `None` is for HTTP.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn at(stream: TcpStream, peer: SocketAddr) -> io::Result<(TcpStream, Option<Self>)> {
        match Self::look(&stream, peer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            seen => return Ok((stream, seen?)),
        }
        let stream = Watched::from_std(stream)?;
        poll_fn(|cx| stream.poll_peek(cx, &mut ReadBuf::new(&mut [0]))).await?;
        let stream = stream.into_std()?;
        let seen = Self::look(&stream, peer);
        Ok((stream, seen?))
    }

    fn look(stream: &TcpStream, peer: SocketAddr) -> io::Result<Option<Self>> {
        let mut sight = [0; SIGHT];
        let seen = stream.peek(&mut sight)?;
        Ok(read(&sight[..seen]).map(|(length, request)| {
            let (mut request, ()) = request.into_parts();
            request.extensions.insert(ConnectInfo(peer));
            Self { request, length }
        }))
    }

    /// What it says.
    pub const fn request(&self) -> &Parts {
        &self.request
    }

    /// Takes it from its connection, and nothing behind it; whether it was there.
    pub(super) fn take(&self, mut stream: &TcpStream) -> bool {
        let mut taken = [0; SIGHT];
        stream.read(&mut taken[..self.length]).is_ok_and(|read| read == self.length)
    }
}

/// Whether the client has closed its half, whatever came before.
pub(super) fn has_hung_up(stream: &TcpStream) -> bool {
    #[cfg(target_os = "linux")]
    const GONE: PollFlags = PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    const GONE: PollFlags = PollFlags::HUP;
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(stream.as_fd(), GONE)], Some(&AT_ONCE)).is_ok_and(|gone| gone > 0)
}

/// A whole request for a WebSocket, and its length. One with a body is HTTP's to judge.
fn read(bytes: &[u8]) -> Option<(usize, Request)> {
    if !bytes.starts_with(b"GET /") {
        return None;
    }
    let (length, request) = Request::try_parse(bytes).ok()??;
    let headers = request.headers();
    let has_body = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    let is_here = matches!(request.uri().path(), "/ws" | "/");
    let upgrades = headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    (is_here && upgrades && !has_body && headers.len() <= LINES).then_some((length, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str =
        "GET /ws?ticket=t HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";

    #[test]
    fn a_whole_handshake_is_read_to_its_end() {
        let (length, request) = read(format!("{WHOLE}\u{1}\u{2}").as_bytes()).unwrap();
        assert_eq!((length, request.uri().query()), (WHOLE.len(), Some("ticket=t")));
        assert_eq!(read(WHOLE.replace("/ws?ticket=t", "/").as_bytes()).unwrap().1.uri().path(), "/");
    }

    #[test]
    fn whatever_is_half_or_something_else_is_left_to_http() {
        for cut in 0..WHOLE.len() {
            assert!(read(&WHOLE.as_bytes()[..cut]).is_none(), "{cut}");
        }
        for (part, other) in [
            ("GET", "POST"),
            ("/ws?", "/rooms?"),
            ("/ws?", "/ws/?"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("WebSocket", "h2c"),
            ("WebSocket", "h2c, websocket"),
            ("Host: h", "Content-Length: 1"),
            ("Host: h", "Transfer-Encoding: chunked"),
            ("Host: h", "Host h"),
        ] {
            assert!(read(WHOLE.replace(part, other).as_bytes()).is_none(), "{other}");
        }
        let lines = |more: usize| WHOLE.replace("Host: h", "X: y\r\n".repeat(more).trim_end());
        assert!(read(lines(LINES - 2).as_bytes()).is_some());
        assert!(read(lines(LINES - 1).as_bytes()).is_none());
    }
}
