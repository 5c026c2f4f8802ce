//! As much HTTP as a command needs to ask the node on this machine: one request, one answer, an
//! end to all waiting.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};

/// The most bytes of an answer: a list of all tokens is the longest.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// What a node answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Asks within `limit`, with a bearer token if there is one.
pub(super) fn get(
    node: SocketAddr,
    path: &str,
    token: Option<&SecretString>,
    limit: Duration,
) -> io::Result<Answer> {
    let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.expose_secret()));
    let token = token.unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n{token}\r\n");
    ask(node, &request, limit)
}

/// Sends JSON with a bearer token, within `limit`.
pub(super) fn post(
    node: SocketAddr,
    path: &str,
    token: &SecretString,
    body: &str,
    limit: Duration,
) -> io::Result<Answer> {
    let (token, length) = (token.expose_secret(), body.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    ask(node, &request, limit)
}

fn ask(node: SocketAddr, request: &str, limit: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(&node, limit)?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while (answer.len() as u64) < ANSWER_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is not a node's answer"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_garbage_is_not() {
        let answer = parse(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, "{}"));
        for bad in [
            &b""[..],
            b"HTTP/1.1 200",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 2\r\n\r\n",
            b"\xff\r\n\r\n",
        ] {
            assert_eq!(parse(bad), None);
        }
    }
}
