//! A member's socket, read when its turn comes. When its bytes came is asked of the kernel, which
//! noted it as they came: with thousands of members the last one's turn is much later.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::SystemTime,
};

use bytes::BytesMut;

use super::speech::Speech;
use crate::{
    LIMIT, Outcome,
    frames::{self, CLOSE, Frame, PING, TEXT},
    kernel,
};

pub(crate) struct Member {
    stream: TcpStream,
    speech: Speech,
    read: BytesMut,
    /// When the last of what was read had come.
    came: SystemTime,
}

impl Member {
    /// Comes in, and returns when it is in the room.
    pub(crate) fn enter(door: SocketAddr, speech: Speech, credential: &str) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&door, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        kernel::note_arrivals(&stream)?;
        let mut member = Self {
            stream,
            speech,
            read: BytesMut::new(),
            came: SystemTime::now(),
        };
        member.upgrade(credential)?;
        for (awaited, answer) in speech.entrance() {
            while !member.frame()?.payload.starts_with(awaited.as_bytes()) {}
            if let Some(answer) = answer {
                member.send(answer)?;
            }
        }
        Ok(member)
    }

    /// Says it to everybody.
    pub(crate) fn say(&mut self, text: &str, number: u64) -> Outcome {
        self.send(&self.speech.says(text, number))
    }

    /// Reads so many messages; answers when the last one had come.
    pub(crate) fn hear(&mut self, count: usize) -> Outcome<SystemTime> {
        for _ in 0..count {
            while !self.speech.is_message(&self.frame()?) {}
        }
        Ok(self.came)
    }

    fn upgrade(&mut self, credential: &str) -> Outcome {
        self.stream.write_all(self.speech.request(credential).as_bytes())?;
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let head = self.read.split_to(end);
        if head.starts_with(b"HTTP/1.1 101 ") {
            return Ok(());
        }
        let head = String::from_utf8_lossy(&head);
        Err(format!("let nobody in: {}", head.lines().next().unwrap_or_default()).into())
    }

    fn send(&mut self, text: &str) -> Outcome {
        Ok(self.stream.write_all(&frames::masked_text(text))?)
    }

    /// The next frame; pings are answered on the way.
    fn frame(&mut self) -> Outcome<Frame> {
        loop {
            let Some(frame) = frames::take(&mut self.read) else {
                self.read_more()?;
                continue;
            };
            match frame.opcode {
                PING => self.stream.write_all(&frames::masked_pong(&frame.payload))?,
                CLOSE => return Err("a socket was closed".into()),
                TEXT if self.speech.pong(&frame.payload).is_some() => {
                    self.send(self.speech.pong(&frame.payload).unwrap_or_default())?;
                }
                _ => return Ok(frame),
            }
        }
    }

    fn read_more(&mut self) -> Outcome {
        let mut chunk = [0; 16 * 1024];
        let (count, came) = kernel::receive(&self.stream, &mut chunk)?;
        if count == 0 {
            return Err("hung up".into());
        }
        self.came = came;
        self.read.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}
