//! The cluster inside one process: what a node alone uses, and what several nodes of one test
//! share.
//!
//! A [`LocalCluster`] keeps the same promises as a networked backend and no better ones: given
//! [`Faults`], it loses, doubles and delays notices (and so reorders them), and a node can be cut
//! off and healed. All of its state is behind one lock, which nothing waits under.

mod bus;
mod faults;
mod peers;
mod presence;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};

pub use self::faults::Faults;
use self::{bus::Ear, faults::Dice, presence::Sets};
use super::{Beat, BusError, Heard, Incarnation, Result, queue::Queue};
use crate::{
    domain::{RoomId, UserId},
    shutdown::Tasks,
};

/// The state that all nodes of one process share.
#[derive(Clone, Default)]
pub struct LocalCluster {
    shared: Arc<Mutex<Shared>>,
    faulty: Option<(Tasks, Faults)>,
}

#[derive(Default)]
struct Shared {
    dice: Dice,
    /// How often this memory was lost, so that the next one is another era.
    losses: u64,
    ears: Vec<Ear>,
    rooms: BTreeMap<RoomId, Sets>,
    beats: BTreeMap<Incarnation, Beat>,
    dead: HashSet<Incarnation>,
    withdrawn: Vec<(Instant, Incarnation)>,
    /// Who reached the database, and when it said so.
    healthy: HashMap<Incarnation, Instant>,
    /// When each node heard somebody speak.
    spoken: HashMap<UserId, HashMap<Incarnation, Vec<Instant>>>,
}

/// One node's handle: its [`Bus`](super::Bus), its [`Presence`](super::Presence) and its
/// [`Peers`](super::Peers).
pub struct LocalNode {
    cluster: LocalCluster,
    node: usize,
    heard: Mutex<Option<mpsc::Receiver<Heard>>>,
}

impl LocalCluster {
    /// A cluster on which everything arrives.
    pub fn new() -> Self {
        Self::default()
    }

    /// A cluster on which notices suffer `faults`.
    pub fn with_faults(tasks: Tasks, faults: Faults) -> Self {
        let shared = Shared { dice: Dice::of(faults.seed), ..Shared::default() };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            faulty: Some((tasks, faults)),
        }
    }

    /// Adds a node and answers its handle.
    pub fn node(&self) -> Arc<LocalNode> {
        let (queue, heard) = Queue::new();
        let mut shared = self.shared.lock();
        let node = shared.ears.len();
        shared.ears.push(Ear::new(node, queue));
        Arc::new(LocalNode { cluster: self.clone(), node, heard: Mutex::new(Some(heard)) })
    }

    /// Loses its memory, as a server does that is killed and comes back empty, for tests. Every node
    /// hears `Interrupted`.
    pub fn forget(&self) {
        let mut shared = self.shared.lock();
        let ears = std::mem::take(&mut shared.ears);
        *shared = Shared {
            dice: shared.dice,
            losses: shared.losses + 1,
            ears,
            ..Shared::default()
        };
        for ear in &shared.ears {
            ear.hear(Heard::Interrupted);
        }
    }
}

impl Shared {
    /// The end of a node that is not cut off.
    fn ear(&mut self, node: usize) -> Result<&mut Ear> {
        match self.ears.get_mut(node) {
            Some(ear) if !ear.is_cut() => Ok(ear),
            _ => Err(BusError::Unreachable("this node is cut off".into())),
        }
    }
}

impl LocalNode {
    /// Cuts this node off (`true`) or heals it, for tests. A healed node hears `Interrupted`.
    pub fn cut(&self, cut: bool) {
        if let Some(ear) = self.cluster.shared.lock().ears.get_mut(self.node) {
            ear.cut(cut);
        }
    }
}
