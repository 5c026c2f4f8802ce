//! One socket of the crowd: on its way in, and then a counter of what it hears.

use std::{
    io::{ErrorKind, IoSliceMut, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::{Duration, SystemTime},
};

use nix::sys::{
    socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt},
    time::TimeSpec,
};

use crate::{
    LIMIT, Outcome,
    frames::{self, Ear, Heard},
    speech::Way,
};

/// A member.
pub struct Member {
    /// Never waited for: the crowd knows when there is something.
    pub stream: TcpStream,
    ear: Ear,
    /// What is left of its way in.
    way: Option<Box<Coming>>,
    /// Which of the crowd's rooms it is in.
    pub room: usize,
    /// Messages heard since the count began.
    pub heard: u64,
}

/// A way that somebody is on.
struct Coming {
    way: Way,
    read: Vec<u8>,
    upgraded: bool,
    step: usize,
}

/// What was read at one time.
pub struct Piece {
    /// Bytes; none when there were none yet.
    pub bytes: usize,
    /// When the last of them had come, as the kernel noted it.
    pub came: SystemTime,
}

impl Member {
    /// Connects and asks for the upgrade; the rest of the way is gone as answers come.
    pub fn set_out(door: SocketAddr, way: Way, room: usize) -> Outcome<Self> {
        let mut stream = TcpStream::connect_timeout(&door, LIMIT)?;
        stream.set_nodelay(true)?;
        setsockopt(&stream, sockopt::ReceiveTimestampns, &true)?;
        stream.write_all(way.request.as_bytes())?;
        stream.set_nonblocking(true)?;
        let way = Coming { way, read: Vec::new(), upgraded: false, step: 0 };
        Ok(Self {
            stream,
            ear: Ear::default(),
            way: Some(Box::new(way)),
            room,
            heard: 0,
        })
    }

    /// Whether it is still on its way.
    pub const fn is_coming(&self) -> bool {
        self.way.is_some()
    }

    /// Reads what is there.
    pub fn read(&mut self, into: &mut [u8]) -> Outcome<Piece> {
        self.piece(|stream| Ok((stream.read(into)?, None)))
    }

    /// The same, and asks when it came.
    pub fn read_timed(&mut self, into: &mut [u8]) -> Outcome<Piece> {
        self.piece(|stream| {
            let mut control = nix::cmsg_space!(TimeSpec);
            let mut into = [IoSliceMut::new(into)];
            let read = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty())?;
            let noted = read.cmsgs()?.find_map(|note| match note {
                ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                _ => None,
            });
            Ok((read.bytes, noted))
        })
    }

    fn piece(
        &mut self,
        read: impl FnOnce(&mut TcpStream) -> std::io::Result<(usize, Option<Duration>)>,
    ) -> Outcome<Piece> {
        match read(&mut self.stream) {
            Ok((0, _)) => Err("the server hung up".into()),
            // The kernel begins to take notes a moment after the first socket has asked for them.
            Ok((bytes, noted)) => Ok(Piece {
                bytes,
                came: noted.map_or_else(SystemTime::now, |since| SystemTime::UNIX_EPOCH + since),
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Ok(Piece { bytes: 0, came: SystemTime::UNIX_EPOCH })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes of bytes what they mean: how many messages were heard in them. Pings are answered.
    pub fn hear(&mut self, bytes: &[u8]) -> Outcome<u64> {
        let mut heard = Heard::default();
        match self.way.take() {
            Some(mut coming) => {
                coming.read.extend_from_slice(bytes);
                if self.goes_on(&mut coming)? {
                    self.ear.hear(&coming.read, &mut heard);
                } else {
                    self.way = Some(coming);
                }
            }
            None => self.ear.hear(bytes, &mut heard),
        }
        for ping in &heard.pings {
            self.send(&frames::pong(ping))?;
        }
        if heard.closed {
            return Err("the server closed a socket".into());
        }
        Ok(heard.messages)
    }

    /// Sends a whole frame. One that does not fit into the kernel is a server that does not read.
    pub fn send(&mut self, frame: &[u8]) -> Outcome {
        let sent = self.stream.write(frame)?;
        if sent == frame.len() { Ok(()) } else { Err("the server does not read".into()) }
    }

    /// As far as the bytes reach; says whether it has arrived.
    fn goes_on(&mut self, coming: &mut Coming) -> Outcome<bool> {
        if !coming.upgraded {
            let Some(at) = coming.read.windows(4).position(|it| it == b"\r\n\r\n") else {
                return Ok(false);
            };
            if !coming.read.starts_with(b"HTTP/1.1 101 ") {
                let head = String::from_utf8_lossy(&coming.read);
                let first = head.lines().next().unwrap_or_default();
                return Err(format!("nobody was let in: {first}").into());
            }
            coming.read.drain(..at + 4);
            coming.upgraded = true;
        }
        while let Some((awaited, answer)) = coming.way.steps.get(coming.step) {
            let Some((_, payload)) = frames::take(&mut coming.read) else {
                return Ok(false);
            };
            if payload.starts_with(awaited) {
                if let Some(answer) = answer {
                    self.send(answer)?;
                }
                coming.step += 1;
            }
        }
        Ok(true)
    }
}
