//! Clients of the node: many that wait at the same time, and few that are read in turn.

use std::{io::Write, net::SocketAddr, time::SystemTime};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    LIMIT, Outcome,
    frames::{self, CLOSE, Frame, PING},
    kernel,
};

/// How a socket says who it is.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    Token(String),
    Ticket(String),
}

/// A `v1` socket, or before the upgrade a connection.
pub(crate) struct Socket {
    stream: TcpStream,
    read: BytesMut,
}

impl Socket {
    pub(crate) async fn connect(node: SocketAddr) -> Outcome<Self> {
        let stream = timeout(LIMIT, TcpStream::connect(node)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::new() })
    }

    /// Connects, upgrades and awaits the welcome.
    pub(crate) async fn open(node: SocketAddr, credential: &Credential) -> Outcome<Self> {
        let mut socket = Self::connect(node).await?;
        socket.upgrade(credential).await?;
        Ok(socket)
    }

    /// From the request to the welcome.
    pub(crate) async fn upgrade(&mut self, credential: &Credential) -> Outcome {
        let (query, header) = match credential {
            Credential::Token(token) => (String::new(), format!("Authorization: Bearer {token}\r\n")),
            Credential::Ticket(ticket) => (format!("?ticket={ticket}"), String::new()),
        };
        let request = format!(
            "GET /ws{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: chorus.v1\r\n{header}\r\n"
        );
        self.request(&request, " 101 ").await?;
        self.expect("welcome").await
    }

    /// A plain request whose answer must say `status`; its body, if any, is left unread.
    pub(crate) async fn request(&mut self, request: &str, status: &str) -> Outcome {
        self.stream.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = self.read.split_to(end);
        let head = String::from_utf8_lossy(&head);
        let first = head.lines().next().unwrap_or_default();
        if first.contains(status) {
            Ok(())
        } else {
            Err(format!("the node answered: {first}").into())
        }
    }

    /// Reads until a frame of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Outcome {
        let awaited = async {
            loop {
                if self.next().await?.is(kind) {
                    return Ok(());
                }
            }
        };
        timeout(LIMIT, awaited).await?
    }

    /// The next frame; pings are answered on the way. Nothing is lost when it is not awaited to
    /// its end.
    pub(crate) async fn next(&mut self) -> Outcome<Frame> {
        loop {
            let Some(frame) = frames::take(&mut self.read) else {
                self.read_more().await?;
                continue;
            };
            match frame.opcode {
                PING => self.stream.write_all(&frames::masked_pong(&frame.payload)).await?,
                CLOSE => return Err("the node closed a socket".into()),
                _ => return Ok(frame),
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) -> Outcome {
        Ok(timeout(LIMIT, self.stream.write_all(&frames::masked_text(text))).await??)
    }

    pub(crate) async fn join(&mut self, room: &str) -> Outcome {
        self.send(&format!(r#"{{"type":"join","room":"{room}"}}"#)).await?;
        self.expect("joined").await
    }

    async fn fill(&mut self) -> Outcome {
        timeout(LIMIT, self.read_more()).await?
    }

    async fn read_more(&mut self) -> Outcome {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err("the node hung up".into()),
            _ => Ok(()),
        }
    }

    /// The same socket for reading in turn.
    pub(crate) fn in_turn(self) -> Outcome<InTurn> {
        let stream = self.stream.into_std()?;
        stream.set_nonblocking(false)?;
        InTurn::of(stream, self.read)
    }
}

/// A socket that is read when its turn comes, without a task or a poller that would be woken by
/// each frame.
pub(crate) struct InTurn {
    stream: std::net::TcpStream,
    read: BytesMut,
    /// When the last of what was read had come.
    came: SystemTime,
}

impl InTurn {
    fn of(stream: std::net::TcpStream, read: BytesMut) -> Outcome<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        kernel::note_arrivals(&stream)?;
        // Whoever has spoken once acknowledges late unless told otherwise, and these mostly listen.
        socket2::SockRef::from(&stream).set_tcp_quickack(true)?;
        Ok(Self { stream, read, came: SystemTime::now() })
    }

    /// When the last of what it has heard had come.
    pub(crate) const fn came(&self) -> SystemTime {
        self.came
    }

    pub(crate) fn send(&mut self, text: &str) -> Outcome {
        Ok(self.stream.write_all(&frames::masked_text(text))?)
    }

    /// Reads so many `message` frames.
    pub(crate) fn messages(&mut self, count: usize) -> Outcome {
        let mut left = count;
        let mut chunk = [0; 16 * 1024];
        loop {
            while let Some(frame) = frames::take(&mut self.read) {
                if frame.opcode == PING {
                    self.stream.write_all(&frames::masked_pong(&frame.payload))?;
                } else if frame.is("message") {
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
            }
            let (count, came) = kernel::receive(&self.stream, &mut chunk)?;
            if count == 0 {
                return Err("hung up".into());
            }
            self.came = came;
            self.read.extend_from_slice(&chunk[..count]);
        }
    }
}
