//! A WebSocket client that knows nothing but bytes, and what it may send that is broken.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for any machine; only a failing test waits for it.
const LIMIT: Duration = Duration::from_mins(1);

/// Such a client.
pub struct RawSocket(pub TcpStream);

/// What it is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Frame(u8, Vec<u8>),
    End,
}

impl Got {
    pub fn text(text: &str) -> Self {
        Self::Frame(1, text.into())
    }

    pub fn close(code: u16) -> Self {
        Self::Frame(8, code.to_be_bytes().into())
    }
}

impl RawSocket {
    /// A handshake, with these header lines besides, and its status.
    pub async fn knock(address: SocketAddr, path: &str, headers: &str) -> (u16, Self) {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(upgrade(path, headers).as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LIMIT, socket.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, Self(socket))
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub async fn say(&mut self, text: &str) {
        self.send(&masked(0x81, text.as_bytes())).await;
    }

    /// The next frame; a Close is cut to its code.
    pub async fn get(&mut self) -> Got {
        timeout(LIMIT, self.read()).await.expect("a frame in time").unwrap_or(Got::End)
    }

    async fn read(&mut self) -> std::io::Result<Got> {
        let first = self.0.read_u8().await?;
        assert_eq!(first & 0xf0, 0x80);
        let length = match self.0.read_u8().await? {
            126 => usize::from(self.0.read_u16().await?),
            127 => usize::try_from(self.0.read_u64().await?).unwrap(),
            short => short.into(),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await?;
        if first == 0x88 {
            payload.truncate(2);
        }
        Ok(Got::Frame(first & 0x0f, payload))
    }

    /// Everything until the other side hangs up.
    pub async fn get_all(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        while all.last() != Some(&Got::End) {
            all.push(self.get().await);
        }
        all
    }
}

/// A request for a socket.
pub fn upgrade(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame, with this first byte.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a client's frame of so many bytes.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        126..65_536 => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(0xff);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// What breaks RFC 6455 or goes beyond `limit` bytes of a message, and the code it is closed with.
pub fn broken(limit: usize) -> Vec<(String, Vec<u8>, u16)> {
    let fragments = |n: usize| {
        let mut bytes = masked(0x01, &[b'x'; 100]);
        (0..n).for_each(|_| bytes.extend(masked(0x00, &[b'x'; 100])));
        bytes
    };
    let within = [masked(0x01, b"a"), masked(0x81, b"b")].concat();
    let split = [masked(0x01, &[0xc3]), masked(0x80, &[0x28])].concat();
    let mut cases: Vec<(String, Vec<u8>, u16)> = [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        ("reserved bits", masked(0xc1, b"hi"), 1002),
        ("a reserved opcode", masked(0x83, b"hi"), 1002),
        ("a reserved control opcode", masked(0x8b, b""), 1002),
        ("a control frame in fragments", masked(0x09, b""), 1002),
        ("a control frame too big", masked(0x89, &[0; 126]), 1002),
        ("nothing to continue", masked(0x80, b"hi"), 1002),
        ("a message within a message", within, 1002),
        ("half a close code", masked(0x88, &[3]), 1002),
        ("a reason that is no text", masked(0x88, &[3, 232, 0xc3, 0x28]), 1007),
        ("binary", masked(0x82, b"hi"), 1003),
        ("bad UTF-8", masked(0x81, &[0xc3, 0x28]), 1007),
        ("half a character", masked(0x81, &[0xe2, 0x82]), 1007),
        ("a surrogate", masked(0x81, &[0xed, 0xa0, 0x80]), 1007),
        ("bad UTF-8 in fragments", split, 1007),
        ("one byte too many", masked(0x81, "x".repeat(limit + 1).as_bytes()), 1009),
        ("2^62 bytes declared", header(0x81, 1 << 62), 1009),
        ("2^64 - 1 bytes declared", header(0x81, u64::MAX), 1009),
        ("endless fragments", fragments(200), 1009),
    ]
    .map(|(what, bytes, code)| (what.to_owned(), bytes, code))
    .into();
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        cases.push((format!("the close code {code}"), masked(0x88, &code.to_be_bytes()), 1002));
    }
    cases
}
