//! The chats that are compared, each started afresh for each measurement: what it is called, how
//! it is started, and what it uses.

mod node_js;
mod programs;

use std::net::SocketAddr;

use crate::{
    Outcome,
    kernel::Used,
    process::{Process, server},
    speech::Speech,
    town::{Town, beside_us},
};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// One node on its embedded database.
    Chorus,
    /// A loop of send(2).
    Floor,
    /// express and ws.
    Predecessor,
    /// Socket.IO 4.
    SocketIo,
    /// The same with its Redis adapter and a Redis.
    SocketIoRedis,
    /// nginx with nchan.
    Nchan,
    /// NATS over WebSocket.
    Nats,
    /// A plain broadcast server on axum.
    Axum,
    /// Socket.IO in Rust.
    Socketioxide,
}

impl Peer {
    /// All, in the order of the tables.
    pub const ALL: [Self; 9] = [
        Self::Chorus,
        Self::Floor,
        Self::Predecessor,
        Self::SocketIo,
        Self::SocketIoRedis,
        Self::Nchan,
        Self::Nats,
        Self::Axum,
        Self::Socketioxide,
    ];

    /// As it is asked for and kept.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Chorus => "chorus",
            Self::Floor => "floor",
            Self::Predecessor => "predecessor",
            Self::SocketIo => "socketio",
            Self::SocketIoRedis => "socketio-redis",
            Self::Nchan => "nchan",
            Self::Nats => "nats",
            Self::Axum => "axum",
            Self::Socketioxide => "socketioxide",
        }
    }

    /// As tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chorus => "Chorus",
            Self::Floor => "a bare send(2) loop",
            Self::Predecessor => "predecessor's way (express + ws)",
            Self::SocketIo => "Socket.IO",
            Self::SocketIoRedis => "Socket.IO with Redis",
            Self::Nchan => "nginx + nchan",
            Self::Nats => "NATS over WebSocket",
            Self::Axum => "axum broadcast",
            Self::Socketioxide => "socketioxide",
        }
    }

    /// The one that is asked for so.
    pub fn by_key(key: &str) -> Outcome<Self> {
        Self::ALL.into_iter().find(|it| it.key() == key).ok_or_else(|| {
            let known = Self::ALL.map(Self::key).join(", ");
            format!("no such peer: {key} ({known})").into()
        })
    }

    /// Whether a sign-in is asked for at its door.
    pub const fn knows_people(self) -> bool {
        matches!(self, Self::Chorus)
    }

    /// Starts it. `town` is who Chorus knows; `more` are settings for Chorus.
    pub fn start(self, town: Option<&Town>, more: &[(&str, &str)]) -> Outcome<Running> {
        match self {
            Self::Chorus => {
                let (process, door) = town.ok_or("nobody to sign in")?.node(more)?;
                Ok(Running::of(self, Speech::Chorus, door, vec![process]))
            }
            Self::Floor => self.rust("floor", Speech::Raw),
            Self::Axum => self.rust("peer-axum", Speech::Raw),
            Self::Socketioxide => self.rust("peer-socketioxide", Speech::SocketIo),
            Self::Predecessor | Self::SocketIo | Self::SocketIoRedis => node_js::start(self),
            Self::Nchan => programs::nchan(),
            Self::Nats => programs::nats(),
        }
    }

    /// A program of this package, which prints its port.
    fn rust(self, program: &str, speech: Speech) -> Outcome<Running> {
        let mut command = server(&beside_us(program)?.to_string_lossy());
        let (process, door) = prints_its_port(&mut command)?;
        Ok(Running::of(self, speech, door, vec![process]))
    }
}

fn prints_its_port(command: &mut std::process::Command) -> Outcome<(Process, SocketAddr)> {
    let (process, port) = Process::start(command, crate::LIMIT, |line| line.parse::<u16>().ok())?;
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// A chat that runs. It ends with this.
pub struct Running {
    /// Which one.
    pub peer: Peer,
    /// How one speaks there.
    pub speech: Speech,
    /// Where one comes in.
    pub door: SocketAddr,
    processes: Vec<Process>,
    _folder: Option<tempfile::TempDir>,
}

impl Running {
    const fn of(peer: Peer, speech: Speech, door: SocketAddr, processes: Vec<Process>) -> Self {
        Self { peer, speech, door, processes, _folder: None }
    }

    /// With the folder of its settings.
    fn keeping(self, folder: tempfile::TempDir) -> Self {
        Self { _folder: Some(folder), ..self }
    }

    /// CPU used so far by all that belongs to it.
    pub fn used(&self) -> Outcome<Used> {
        self.processes.iter().try_fold(Used::default(), |sum, it| Ok(sum + it.used()?))
    }

    /// Resident bytes of all that belongs to it.
    pub fn resident(&self) -> Outcome<f64> {
        self.processes.iter().map(Process::resident).sum()
    }

    /// What so many people are let in by.
    pub fn people(&self, town: Option<&Town>, count: usize) -> Outcome<Vec<String>> {
        match town {
            Some(town) if self.peer.knows_people() => {
                let tokens = town.tokens.get(..count).ok_or("the town is too small")?;
                Ok(tokens.to_vec())
            }
            _ => Ok((0..count).map(|person| format!("person{person:05}")).collect()),
        }
    }
}
