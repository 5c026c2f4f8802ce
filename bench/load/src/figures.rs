//! What was measured, round by round, as it is kept in `bench/figures.json`. Tables, plots and the
//! cost model are made of this and of nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

mod relay;

pub use relay::{Backlog, Beside, Spread};

use crate::{
    kernel::Used,
    stats::{digits, median},
};

/// Microseconds of CPU per delivery.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Cost {
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Cost {
    /// What was used for so many.
    pub fn of(all: Used, count: u64) -> Self {
        let each = 1e6 / count as f64;
        let (user, system) = all.split();
        Self { user: user * each, system: system * each }
    }

    /// Both.
    pub fn all(self) -> f64 {
        self.user + self.system
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [all, user, system] = [self.all(), self.user, self.system].map(digits);
        write!(f, "{all} ({user} + {system}) µs")
    }
}

/// The totals of all rounds.
pub fn totals(costs: &[Cost]) -> Vec<f64> {
    costs.iter().map(|it| it.all()).collect()
}

/// The round in the middle by its total.
pub fn middle(costs: &[Cost]) -> Option<Cost> {
    let middle = median(&totals(costs));
    costs.iter().copied().find(|it| it.all().total_cmp(&middle).is_eq())
}

/// One peer in one room of so many members; each list has an entry a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fanout {
    /// Which peer.
    pub peer: String,
    /// Members of the room.
    pub members: usize,
    /// Per delivery with one message in flight.
    pub one: Vec<Cost>,
    /// The same with eight.
    pub eight: Vec<Cost>,
    /// Messages a second at half load.
    pub rate: Vec<f64>,
    /// Milliseconds until the last member has it, at half load.
    pub p50: Vec<f64>,
    /// The same, of the slowest hundredth.
    pub p99: Vec<f64>,
}

impl Fanout {
    /// Nothing measured yet.
    pub fn of(peer: &str, members: usize) -> Self {
        let (one, eight, rate, p50, p99) = (vec![], vec![], vec![], vec![], vec![]);
        Self { peer: peer.to_owned(), members, one, eight, rate, p50, p99 }
    }
}

/// One peer with so many sockets that do nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Idle {
    /// Which peer, or [`AT_THE_DOOR`].
    pub peer: String,
    /// Sockets.
    pub sockets: usize,
    /// Resident bytes of each.
    pub bytes: Vec<f64>,
    /// CPU until one is in.
    pub connect: Vec<Cost>,
}

/// Chorus when people are signed in and in no room.
pub const AT_THE_DOOR: &str = "chorus-at-the-door";

/// One peer whose room is heard while so many others come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Storm {
    /// Which peer.
    pub peer: String,
    /// Sockets that come.
    pub sockets: usize,
    /// Seconds until all were in.
    pub took: Vec<f64>,
    /// Milliseconds until the last of the room had a message, of the slowest hundredth, before.
    pub before: Vec<f64>,
    /// The same meanwhile.
    pub during: Vec<f64>,
    /// Milliseconds that the generator was late with a message meanwhile, of the slowest hundredth.
    pub late: Vec<f64>,
}

/// Chorus alone on its embedded database: one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Growth {
    /// Members of all rooms.
    pub members: usize,
    /// Rooms that they are spread over.
    pub rooms: usize,
    /// CPU per delivery with one message in flight.
    pub one: Vec<Cost>,
    /// The same with eight, in different rooms where there are any.
    pub eight: Vec<Cost>,
    /// Bytes on the wire per delivery, with one in flight.
    pub bytes: Vec<f64>,
    /// CPU until one is in.
    pub join: Vec<Cost>,
    /// Bytes on the wire until one is in, all that the others hear of it included.
    pub join_bytes: Vec<f64>,
    /// Resident bytes of each member.
    pub resident: Vec<f64>,
    /// Microseconds of CPU that each member costs a second while nobody says anything.
    pub idle: Vec<f64>,
    /// Bytes on the wire for each member a second meanwhile.
    pub idle_bytes: Vec<f64>,
}

impl Growth {
    /// Nothing measured yet.
    pub const fn of((members, rooms): (usize, usize)) -> Self {
        Self {
            members,
            rooms,
            one: Vec::new(),
            eight: Vec::new(),
            bytes: Vec::new(),
            join: Vec::new(),
            join_bytes: Vec::new(),
            resident: Vec::new(),
            idle: Vec::new(),
            idle_bytes: Vec::new(),
        }
    }

    /// Those who hear a message.
    pub fn hearers(&self) -> f64 {
        self.members as f64 / self.rooms as f64
    }
}

/// What something costs a whole cluster.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq)]
pub struct Effort {
    /// Microseconds of CPU of all nodes.
    pub nodes: f64,
    /// Of Redis.
    pub redis: f64,
    /// Of PostgreSQL.
    pub postgres: f64,
    /// Commands to Redis.
    pub commands: f64,
    /// Bytes into Redis.
    pub redis_in: f64,
    /// Bytes out of Redis.
    pub redis_out: f64,
    /// Transactions of PostgreSQL that write.
    pub writes: f64,
    /// Bytes of its write-ahead log.
    pub wal: f64,
}

impl Effort {
    /// All fields one by one.
    fn map(self, other: Self, of: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            nodes: of(self.nodes, other.nodes),
            redis: of(self.redis, other.redis),
            postgres: of(self.postgres, other.postgres),
            commands: of(self.commands, other.commands),
            redis_in: of(self.redis_in, other.redis_in),
            redis_out: of(self.redis_out, other.redis_out),
            writes: of(self.writes, other.writes),
            wal: of(self.wal, other.wal),
        }
    }

    /// The share of one of so many.
    #[must_use]
    pub fn per(self, count: f64) -> Self {
        self.map(self, |it, _| it / count)
    }

    /// What is left without so many of the other; never less than nothing.
    #[must_use]
    pub fn less(self, other: &Self, times: f64) -> Self {
        self.map(*other, |it, other| (it - other * times).max(0.0))
    }
}

/// A cluster of so many nodes on one core; an entry a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// Nodes.
    pub nodes: usize,
    /// Members, evenly on all nodes.
    pub members: usize,
    /// A second in which nobody says anything.
    pub idle: Vec<Effort>,
    /// Transactions of PostgreSQL in such a second, those that only read included.
    pub transactions: Vec<f64>,
    /// One who comes in.
    pub join: Vec<Effort>,
    /// A message with one in flight.
    pub one: Vec<Effort>,
    /// A message with eight in flight.
    pub eight: Vec<Effort>,
    /// A second of each person who has said something within the window, in a large room only.
    pub spoken: Vec<Effort>,
    /// A message with very many in flight, in a small room only.
    pub many: Vec<Effort>,
    /// Milliseconds until the last member of all nodes has it, at a calm pace.
    pub p50: Vec<f64>,
    /// The same, of the slowest hundredth.
    pub p99: Vec<f64>,
}

impl Cluster {
    /// Nothing measured yet.
    pub const fn of(nodes: usize, members: usize) -> Self {
        Self {
            nodes,
            members,
            idle: Vec::new(),
            transactions: Vec::new(),
            join: Vec::new(),
            one: Vec::new(),
            eight: Vec::new(),
            many: Vec::new(),
            spoken: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
        }
    }
}

/// A part with when, where and how it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part<T> {
    /// The day.
    pub date: String,
    /// What ran it.
    pub machine: String,
    /// What was typed.
    pub command: String,
    /// What came of it.
    pub figures: Vec<T>,
}

/// All that is kept. A part that was never measured is missing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Deliveries.
    pub fanout: Option<Part<Fanout>>,
    /// Idle sockets.
    pub idle: Option<Part<Idle>>,
    /// Storms.
    pub storm: Option<Part<Storm>>,
    /// One node of Chorus, larger and larger.
    pub grow: Option<Part<Growth>>,
    /// Several nodes.
    pub cluster: Option<Part<Cluster>>,
    /// What was said before goes on to a broker.
    pub backlog: Option<Part<Backlog>>,
    /// What is being said does, and how the chat is meanwhile.
    pub beside: Option<Part<Beside>>,
}
