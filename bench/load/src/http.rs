//! Calls to a node's API over one connection that stays: accounts, sign-ins and rooms.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::{LIMIT, Outcome};

/// One connection.
pub struct Calls {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Calls {
    /// Connects.
    pub fn to(node: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&node, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// `POST`s JSON and answers the status and what came back.
    pub fn post(&mut self, path: &str, token: &str, body: &Value) -> Outcome<(u16, Value)> {
        let body = body.to_string();
        let bearer = if token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {token}\r\n")
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    /// The status of `GET`.
    pub fn get(&mut self, path: &str) -> Outcome<u16> {
        self.stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.answer().map(|it| it.0)
    }

    /// A counter or gauge of a node, as it tells its operator, by its whole name with its labels.
    pub fn metric(at: SocketAddr, name: &str) -> Outcome<f64> {
        let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("the node does not tell {name}"))?.trim().parse()?)
    }

    fn answer(&mut self) -> Outcome<(u16, Value)> {
        loop {
            if let Some((answer, end)) = parse(&self.read)? {
                self.read.drain(..end);
                return Ok(answer);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => return Err("the node hung up".into()),
                count => self.read.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

/// An answer and where it ends, once it is whole.
fn parse(read: &[u8]) -> Outcome<Option<((u16, Value), usize)>> {
    let Some(at) = read.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&read[..at]).to_lowercase();
    let status = head.split_whitespace().nth(1).ok_or("no status")?.parse()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.ok_or("an answer without its length")?.trim().parse()?;
    let end = at + 4 + length;
    let Some(body) = read.get(at + 4..end) else { return Ok(None) };
    Ok(Some(((status, serde_json::from_slice(body).unwrap_or_default()), end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\n{\"token\":\"x\"}HTTP/1.1 200 OK";
        assert_eq!(parse(&whole[..50]).unwrap(), None);
        let ((status, body), end) = parse(whole).unwrap().unwrap();
        assert_eq!((status, body["token"].as_str(), end), (201, Some("x"), 57));
    }
}
