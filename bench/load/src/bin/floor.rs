//! The floor under a fan-out: each message that comes is written to each socket of its room with one
//! send(2), and nothing else is done. A chat that knew nothing of people, order, disks and slow
//! readers would cost this. It prints its port and goes on until it is told to end.
#![allow(clippy::print_stdout, reason = "the port is told so")]

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
};

use chorus_load::{
    Outcome,
    frames::{TEXT, plain, take},
};
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{Backlog, listen},
    },
};
use tungstenite::handshake::derive_accept_key;

const EVENTS: usize = 256;

/// A connection, in a room once it is upgraded.
struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
    room: Option<String>,
}

struct Floor {
    listener: TcpListener,
    epoll: Epoll,
    sockets: HashMap<i32, Socket>,
    rooms: HashMap<String, Vec<i32>>,
    buffer: Vec<u8>,
}

fn main() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listen(&listener, Backlog::new(4096)?)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, readable(listener.as_raw_fd()))?;
    let floor = Floor {
        listener,
        epoll,
        sockets: HashMap::new(),
        rooms: HashMap::new(),
        buffer: vec![0; 64 * 1024],
    };
    floor.serve()
}

fn readable(socket: i32) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(socket).unwrap_or_default())
}

impl Floor {
    fn serve(mut self) -> Outcome {
        let door = self.listener.as_raw_fd();
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            for event in &events[..count] {
                let socket = i32::try_from(event.data())?;
                if socket == door {
                    self.accept()?;
                } else if self.read(socket).is_err() {
                    self.forget(socket);
                }
            }
        }
    }

    fn accept(&mut self) -> Outcome {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let id = stream.as_raw_fd();
                    self.epoll.add(&stream, readable(id))?;
                    self.sockets.insert(id, Socket { stream, read: Vec::new(), room: None });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What one says is written to all of its room, the speaker included.
    fn read(&mut self, id: i32) -> Outcome {
        let Some(socket) = self.sockets.get_mut(&id) else { return Ok(()) };
        let count = match socket.stream.read(&mut self.buffer) {
            Ok(0) => return Err("gone".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        socket.read.extend_from_slice(&self.buffer[..count]);
        if socket.room.is_none() {
            let Some(room) = upgraded(socket)? else { return Ok(()) };
            self.rooms.entry(room.clone()).or_default().push(id);
            socket.room = Some(room);
        }
        let mut said = Vec::new();
        while let Some((opcode, payload)) = take(&mut socket.read) {
            if opcode == TEXT {
                said.push(plain(TEXT, &payload));
            }
        }
        if said.is_empty() && socket.read.is_empty() {
            socket.read = Vec::new();
        }
        let room = socket.room.as_ref().and_then(|room| self.rooms.get(room));
        for frame in said {
            for member in room.into_iter().flatten() {
                if let Some(member) = self.sockets.get(member) {
                    // One who does not read misses it: a floor has no queues.
                    let _ = (&member.stream).write(&frame);
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, id: i32) {
        let room = self.sockets.remove(&id).and_then(|it| it.room);
        if let Some(members) = room.and_then(|room| self.rooms.get_mut(&room)) {
            members.retain(|it| *it != id);
        }
    }
}

/// Answers the request once it is whole; its path is the room.
fn upgraded(socket: &mut Socket) -> Outcome<Option<String>> {
    let Some(at) = socket.read.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&socket.read[..at]).into_owned();
    socket.read.drain(..at + 4);
    let room = head.split_whitespace().nth(1).ok_or("no path")?.to_owned();
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .ok_or("no key")?;
    let accept = derive_accept_key(key.1.trim().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.stream.write_all(answer.as_bytes())?;
    Ok(Some(room))
}
