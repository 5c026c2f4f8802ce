//! The cluster inside one process: what a node alone uses, and what several nodes of one test
//! share.
//!
//! A [`LocalCluster`] keeps the same promises as a networked backend and no better ones: given
//! [`Faults`], it loses, doubles and delays notices (and so reorders them), and a node can be cut
//! off and healed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Beat, Bus, BusError, Envelope, Heard, Incarnation, Peers, Presence, Result, RoomSets, SetsVersion, Spoken,
};
use crate::{
    domain::{PEER_HEALTH_TTL, RoomId, UserId, Username},
    shutdown::Tasks,
};

/// How many notices may wait for a node before it is told that it missed some.
const QUEUE: usize = 4096;

/// What goes wrong with a notice on its way, for tests. Chances are out of 100.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Chance that a notice never arrives.
    pub lost: u8,
    /// Chance that it arrives twice.
    pub doubled: u8,
    /// Chance that it is late.
    pub late: u8,
    /// How late at most; different delays reorder.
    pub delay: Duration,
    /// Where the dice start: the same seed, the same faults.
    pub seed: u64,
}

/// The state that all nodes of one process share.
#[derive(Clone, Default)]
pub struct LocalCluster {
    shared: Arc<Mutex<Shared>>,
    faulty: Option<(Tasks, Faults)>,
}

#[derive(Default)]
struct Shared {
    dice: u64,
    /// How often this memory was lost, so that the next one is another era.
    losses: u64,
    ears: Vec<Ear>,
    rooms: HashMap<RoomId, Sets>,
    beats: HashMap<Incarnation, Beat>,
    dead: HashSet<Incarnation>,
    withdrawn: Vec<(Instant, Incarnation)>,
    /// Who reached the database, and when it said so.
    healthy: HashMap<Incarnation, Instant>,
    /// When each node heard somebody speak.
    spoken: HashMap<UserId, HashMap<Incarnation, Vec<Instant>>>,
}

/// One node's end of the bus.
struct Ear {
    node: usize,
    queue: mpsc::Sender<Heard>,
    /// A place kept free to say that the queue overflowed; `None` while that is unread.
    spare: Option<mpsc::OwnedPermit<Heard>>,
    rooms: HashSet<RoomId>,
    cut: bool,
}

struct Sets {
    version: SetsVersion,
    of: HashMap<Incarnation, BTreeSet<Username>>,
}

/// One node's handle: its [`Bus`] and its [`Presence`].
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
        let shared = Shared { dice: faults.seed, ..Shared::default() };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            faulty: Some((tasks, faults)),
        }
    }

    /// Adds a node and answers its handle.
    pub fn node(&self) -> Arc<LocalNode> {
        let (queue, heard) = mpsc::channel(QUEUE);
        let mut shared = self.shared.lock();
        let node = shared.ears.len();
        let spare = queue.clone().try_reserve_owned().ok();
        shared.ears.push(Ear { node, queue, spare, rooms: HashSet::new(), cut: false });
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
        for ear in &mut shared.ears {
            ear.hear(Heard::Interrupted);
        }
    }

    fn deliver(&self, to: usize, envelope: Envelope) {
        if let Some(ear) = self.shared.lock().ears.get_mut(to) {
            ear.hear(Heard::Said(envelope));
        }
    }
}

impl Shared {
    /// The next throw, 0–99 (splitmix64 by Sebastiano Vigna, public domain algorithm).
    fn throw(&mut self) -> u8 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u8::try_from((z ^ (z >> 31)) % 100).unwrap_or(0)
    }

    fn ear(&mut self, node: usize) -> Result<&mut Ear> {
        match self.ears.get_mut(node) {
            Some(ear) if !ear.cut => Ok(ear),
            _ => Err(BusError::Unreachable("this node is cut off".into())),
        }
    }

    /// Refuses a node that is cut off or an incarnation that was reaped.
    fn admit(&mut self, node: usize, me: Incarnation) -> Result<()> {
        self.ear(node)?;
        self.let_go();
        if self.dead.contains(&me) { Err(BusError::DeclaredDead) } else { Ok(()) }
    }

    /// Ends the last leases of withdrawn incarnations.
    fn let_go(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.withdrawn.extract_if(.., |(at, _)| *at <= now).map(|(_, who)| who).collect();
        for who in due {
            self.bury(who);
        }
    }

    /// The sets of a room that are about to be changed.
    fn sets(&mut self, room: RoomId) -> &mut Sets {
        let version = SetsVersion { era: self.losses + 1, number: 0 };
        self.rooms.entry(room).or_insert_with(|| Sets { version, of: HashMap::new() })
    }

    fn bury(&mut self, who: Incarnation) -> Vec<RoomId> {
        self.dead.insert(who);
        self.beats.remove(&who);
        let mut changed = Vec::new();
        for (room, sets) in &mut self.rooms {
            if sets.of.remove(&who).is_some_and(|set| !set.is_empty()) {
                sets.version.number += 1;
                changed.push(*room);
            }
        }
        changed
    }
}

impl Ear {
    fn hear(&mut self, heard: Heard) {
        if self.cut {
            return;
        }
        if self.spare.is_none() {
            self.spare = self.queue.clone().try_reserve_owned().ok();
        }
        let full = self.queue.try_send(heard).is_err();
        if full && let Some(spare) = self.spare.take() {
            spare.send(Heard::Interrupted);
        }
    }
}

impl LocalNode {
    /// Cuts this node off (`true`) or heals it, for tests. A healed node hears `Interrupted`.
    pub fn cut(&self, cut: bool) {
        let mut shared = self.cluster.shared.lock();
        if let Some(ear) = shared.ears.get_mut(self.node) {
            ear.cut = cut;
            if !cut {
                ear.hear(Heard::Interrupted);
            }
        }
    }
}

#[async_trait]
impl Bus for LocalNode {
    async fn subscribe(&self, room: RoomId) -> Result<()> {
        self.cluster.shared.lock().ear(self.node)?.rooms.insert(room);
        Ok(())
    }

    async fn unsubscribe(&self, room: RoomId) {
        if let Ok(ear) = self.cluster.shared.lock().ear(self.node) {
            ear.rooms.remove(&room);
        }
    }

    async fn publish(&self, envelope: Envelope) -> Result<()> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let room = envelope.notice.room();
        let wants = |ear: &Ear| ear.node != self.node && room.is_none_or(|room| ear.rooms.contains(&room));
        let Some((tasks, faults)) = &self.cluster.faulty else {
            for ear in shared.ears.iter_mut().filter(|ear| wants(ear)) {
                ear.hear(Heard::Said(envelope.clone()));
            }
            return Ok(());
        };
        let targets: Vec<usize> = shared.ears.iter().filter(|ear| wants(ear)).map(|ear| ear.node).collect();
        for to in targets {
            if shared.throw() < faults.lost {
                continue;
            }
            let copies = if shared.throw() < faults.doubled { 2 } else { 1 };
            for _ in 0..copies {
                let delay = if shared.throw() < faults.late {
                    faults.delay * u32::from(shared.throw()) / 100
                } else {
                    Duration::ZERO
                };
                let (cluster, envelope) = (self.cluster.clone(), envelope.clone());
                tasks.spawn("late notice", async move {
                    tokio::time::sleep(delay).await;
                    cluster.deliver(to, envelope);
                });
            }
        }
        Ok(())
    }

    fn listen(&self) -> Option<mpsc::Receiver<Heard>> {
        self.heard.lock().take()
    }
}

#[async_trait]
impl Presence for LocalNode {
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        let sets = shared.sets(room);
        let set = sets.of.entry(me).or_default();
        let came = joined.iter().filter(|name| set.insert((*name).clone())).count();
        let went = left.iter().filter(|name| set.remove(*name)).count();
        if set.is_empty() {
            sets.of.remove(&me);
        }
        if came + went > 0 {
            sets.version.number += 1;
            return Ok(Some(sets.version));
        }
        if sets.version.number == 0 {
            shared.rooms.remove(&room);
        }
        Ok(None)
    }

    async fn sets(&self, room: RoomId) -> Result<RoomSets> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        Ok(shared.rooms.get(&room).map_or_else(RoomSets::default, |sets| RoomSets {
            version: sets.version,
            sets: sets.of.iter().map(|(who, set)| (*who, set.iter().cloned().collect())).collect(),
        }))
    }

    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        let count = |sets: &Sets| {
            let live = sets.of.iter().filter(|(who, _)| !dead.contains(who));
            live.flat_map(|(_, set)| set).collect::<HashSet<_>>().len()
        };
        Ok(rooms.iter().map(|room| shared.rooms.get(room).map_or(0, count)).collect())
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        let version = |room| shared.rooms.get(room).map_or(SetsVersion::NONE, |sets| sets.version);
        Ok(rooms.iter().map(version).collect())
    }

    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        *shared.beats.entry(me).or_default() += 1;
        Ok(shared.beats.iter().map(|(who, beat)| (*who, *beat)).collect())
    }

    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        Ok(shared.bury(dead))
    }

    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        shared.beats.remove(&me);
        shared.withdrawn.push((Instant::now() + grace, me));
        Ok(())
    }
}

#[async_trait]
impl Peers for LocalNode {
    async fn exchange_health(&self, me: Incarnation, store_reached: bool) -> Result<bool> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let now = Instant::now();
        shared.healthy.retain(|_, at| now.saturating_duration_since(*at) < PEER_HEALTH_TTL);
        let other = shared.healthy.keys().any(|who| *who != me);
        if store_reached {
            shared.healthy.insert(me, now);
        } else {
            shared.healthy.remove(&me);
        }
        Ok(other)
    }

    async fn exchange_spoken(
        &self,
        me: Incarnation,
        window: Duration,
        spoken: &[Spoken],
    ) -> Result<Vec<Vec<Duration>>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let now = Instant::now();
        let age = |at: &Instant| Some(now.saturating_duration_since(*at)).filter(|age| *age < window);
        let mut others = Vec::with_capacity(spoken.len());
        for (user, ages) in spoken {
            let nodes = shared.spoken.entry(*user).or_default();
            nodes.insert(me, ages.iter().filter_map(|age| now.checked_sub(*age)).collect());
            nodes.retain(|_, times| times.iter().any(|at| age(at).is_some()));
            let theirs = nodes.iter().filter(|(who, _)| **who != me);
            others.push(theirs.flat_map(|(_, times)| times).filter_map(age).collect());
        }
        shared.spoken.retain(|_, nodes| !nodes.is_empty());
        Ok(others)
    }
}
