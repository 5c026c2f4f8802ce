//! The floor under a fan-out: a process that does nothing but write each message it reads to every
//! socket, one send(2) per message and socket. A chat that knew nothing of people, order, disks
//! and slow readers would cost this.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use bytes::BytesMut;

use crate::{LIMIT, Outcome, client::InTurn, frames, node::Process};

/// Turns this program into the floor's server.
pub(crate) const ARGUMENT: &str = "--floor-server";

/// Serves so many sockets. The first one's messages go to all, the first one included.
pub(crate) fn serve(sockets: usize) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut sockets = (0..sockets)
        .map(|_| {
            let (socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            Ok(socket)
        })
        .collect::<Outcome<Vec<TcpStream>>>()?;
    let mut read = BytesMut::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = match sockets.first_mut() {
            Some(first) => first.read(&mut chunk)?,
            None => 0,
        };
        if count == 0 {
            return Ok(());
        }
        read.extend_from_slice(&chunk[..count]);
        while let Some(frame) = frames::take(&mut read, true) {
            let frame = frames::plain_text(&frame.payload);
            for socket in &mut sockets {
                socket.write_all(&frame)?;
            }
        }
    }
}

/// A running floor with its clients.
pub(crate) struct Floor {
    pub(crate) process: Process,
    pub(crate) sockets: Vec<InTurn>,
}

impl Floor {
    pub(crate) fn start(sockets: usize) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ARGUMENT).arg(sockets.to_string());
        let (process, address) = Process::start(&mut command, LIMIT, |line| line.parse::<SocketAddr>().ok())?;
        let sockets = (0..sockets).map(|_| InTurn::connect(address)).collect::<Outcome<_>>()?;
        Ok(Self { process, sockets })
    }
}
