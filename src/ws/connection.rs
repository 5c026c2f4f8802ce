//! One socket's loop: write what waits, read what came, hand it to the session, and end well.
//!
//! It is one small future without a timer or a buffer of its own; bytes are read into a buffer
//! that belongs to the thread. While the session is busy with a message nothing more is read. From
//! the moment the member is closed, whoever closed it, the session is told goodbye, the Close frame
//! goes out behind what was queued, our half of the stream is shut, and what the client still sends
//! is thrown away until it closes its half too (a reset would destroy a Close frame on its way).
//! The pulse cuts those that take too long.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::BytesMut;

use super::{
    ending::Ending,
    patience::Patience,
    read::poll_read,
    reader::{Heard, Reader},
    session::{Departure, Later, Session, Step},
    sockets::Entered,
};
use crate::hub::{Member, Progress, frame};

/// Reads, and steps of the session, per poll; then other tasks have their turn.
const TURNS: u32 = 8;
/// Messages handled per turn.
const MESSAGES: u32 = 32;

/// The future of one socket.
pub(super) struct Connection {
    member: Arc<Member>,
    life: Life,
    line: Line,
    reader: Reader,
    /// Read, but not looked at yet, because the session was busy. `Some` also when only the reader
    /// may still hold a message.
    rest: Option<Box<[u8]>>,
    patience: Patience,
    /// How it went, once the client has said so.
    how: Option<Departure>,
    _entered: Entered,
}

/// Where the session is.
enum Life {
    /// Here, and listens.
    Listening(Box<dyn Session>),
    /// In its answer to a message.
    Waiting(Later<Step>),
    /// On its way out.
    Leaving(Later<()>),
    /// Out.
    Gone,
}

/// How far the stream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Up,
    /// Our half is shut; the client's answer is awaited.
    Shut,
    Down,
}

impl Connection {
    /// The connection of this member. `read` is what came with the handshake.
    pub(super) fn new(member: Arc<Member>, begun: Step, read: &[u8], entered: Entered) -> Self {
        let life = match begun {
            Step::Next(session) | Step::Refused(session) => Life::Listening(session),
            Step::Wait(later) => Life::Waiting(later),
        };
        Self {
            member,
            life,
            line: Line::Up,
            reader: Reader::default(),
            rest: Some(read).filter(|read| !read.is_empty()).map(Box::from),
            patience: Patience::default(),
            how: None,
            _entered: entered,
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Before looking: what is sent after the look must wake this task.
        this.member.register(cx.waker());
        this.write(cx);
        let out = this.converse(cx).is_ready();
        // The conversation may have closed the member.
        this.write(cx);
        this.linger(cx);
        if out && this.line == Line::Down { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Connection {
    /// Goes on with the session as far as possible; ready when it is out.
    fn converse(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            let next = match mem::replace(&mut self.life, Life::Gone) {
                Life::Listening(session) if self.member.is_open() => self.listen(session, cx),
                Life::Listening(session) => {
                    self.rest = None;
                    Ok(Life::Leaving(session.gone(self.departure())))
                }
                Life::Waiting(mut answer) => match answer.as_mut().poll(cx) {
                    Poll::Pending => Err(Life::Waiting(answer)),
                    Poll::Ready(step) => Ok(self.settle(step)),
                },
                Life::Leaving(mut farewell) => match farewell.as_mut().poll(cx) {
                    Poll::Pending => Err(Life::Leaving(farewell)),
                    Poll::Ready(()) => Ok(Life::Gone),
                },
                Life::Gone => return Poll::Ready(()),
            };
            match next {
                Ok(life) => self.life = life,
                Err(life) => {
                    self.life = life;
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what was read before, or else reads. The error is that there is nothing at the moment.
    fn listen(&mut self, session: Box<dyn Session>, cx: &mut Context<'_>) -> Result<Life, Life> {
        if let Some(rest) = self.rest.take() {
            return Ok(self.take(session, &rest));
        }
        match poll_read(&self.member, cx) {
            Poll::Pending => Err(Life::Listening(session)),
            Poll::Ready(Some(filled)) => {
                self.member.hear();
                Ok(self.take(session, filled.bytes()))
            }
            Poll::Ready(None) => {
                self.member.kill();
                Ok(Life::Listening(session))
            }
        }
    }

    /// Hands messages to the session until it is busy or there are no more.
    fn take(&mut self, session: Box<dyn Session>, mut bytes: &[u8]) -> Life {
        let mut life = Life::Listening(session);
        let mut pongs = BytesMut::new();
        for _ in 0..MESSAGES {
            let session = match life {
                Life::Listening(session) if self.member.is_open() => session,
                _ => break,
            };
            let heard = self.reader.next(&mut bytes);
            if let Heard::Ping(payload) = heard {
                frame::put_pong(&mut pongs, &payload);
                life = Life::Listening(session);
                continue;
            }
            // Before anything that may close the member.
            self.answer_pings(&mut pongs);
            life = match heard {
                Heard::Nothing => return Life::Listening(session),
                Heard::Text(text) => self.settle(session.text(text.as_str())),
                other => {
                    self.obey(&other);
                    Life::Listening(session)
                }
            };
        }
        self.answer_pings(&mut pongs);
        self.rest = Some(bytes.into());
        life
    }

    /// Pings that come together are answered in one write: a flood of them costs little.
    fn answer_pings(&self, pongs: &mut BytesMut) {
        if !pongs.is_empty() {
            self.member.send(pongs.split().freeze());
        }
    }

    /// Closes if that was asked for or deserved.
    fn obey(&mut self, heard: &Heard) {
        match *heard {
            Heard::Close(code) => {
                self.how = Some(match code {
                    Some(1001) => Departure::Away,
                    None | Some(1000 | 3000..) => Departure::Left,
                    Some(_) => Departure::Lost,
                });
                self.member.answer_close(code);
            }
            Heard::Bad(code, reason) => self.member.close(code, reason),
            Heard::Nothing | Heard::Text(_) | Heard::Ping(_) | Heard::Pong => {}
        }
    }

    fn settle(&mut self, step: Step) -> Life {
        match step {
            Step::Next(session) => Life::Listening(session),
            Step::Refused(session) => {
                if self.patience.is_over(Instant::now()) {
                    self.member.close(1008, "too many bad frames");
                }
                Life::Listening(session)
            }
            Step::Wait(answer) => Life::Waiting(answer),
        }
    }

    fn departure(&self) -> Departure {
        let ended = self.member.closed_with() == Some(4001);
        self.how.unwrap_or(if ended { Departure::Left } else { Departure::Lost })
    }

    /// Writes what waits.
    fn write(&mut self, cx: &mut Context<'_>) {
        while self.line == Line::Up {
            match self.member.drain() {
                Progress::Clear => return,
                Progress::More => return cx.waker().wake_by_ref(),
                Progress::Blocked => match self.member.stream().poll_write_ready(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => self.member.kill(),
                },
                Progress::Finished => self.shut(),
                Progress::Dead => self.line = Line::Down,
            }
        }
    }

    /// The Close frame is out.
    fn shut(&mut self) {
        let done = socket2::SockRef::from(self.member.stream()).shutdown(std::net::Shutdown::Write);
        // The answer to a client's Close is the last word; to our own there is one to come.
        let answered = self.how.is_some();
        self.line = if answered || done.is_err() { Line::Down } else { Line::Shut };
    }

    /// Throws away what comes after our Close frame, until the client closes too.
    fn linger(&mut self, cx: &mut Context<'_>) {
        for _ in 0..TURNS {
            // The pulse may have cut it: nothing else would end a client that keeps its half open.
            if self.line != Line::Shut {
                return;
            }
            if self.member.drain() == Progress::Dead {
                self.line = Line::Down;
                return;
            }
            match poll_read(&self.member, cx) {
                Poll::Pending => return,
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => self.line = Line::Down,
            }
        }
        cx.waker().wake_by_ref();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Others may hold the member for a while; the socket must not stay open with it.
        self.member.kill();
        let _ = socket2::SockRef::from(self.member.stream()).shutdown(std::net::Shutdown::Both);
        Ending::of(self.how, self.member.closed_with()).count(1);
    }
}
