//! Who is here, explored: nodes that beat, stall, die, return and start again, and a cluster that loses answers and its
//! whole memory.
//!
//! What decides is the real thing: [`Leases`], [`Roster`], [`Wanted`] and [`Reading`]. Around them stand, with the same
//! steps as the code that drives them, the [`cluster`] (what the scripts of `cluster::redis` do, which
//! `tests/cluster_contract.rs` holds to), the heartbeat (`chat::heartbeat`), the pump (`chat::presence_pump`) and the
//! conductor's part (`rooms::conductor::presence`).
//!
//! Time goes in steps of 2 s. Whoever runs beats once in each; whoever stands still may do so with something under
//! way: a change that the server makes now, later or when it is back, sets or beats that were read before. At rest
//! everybody runs, the bells that are under way are lost, and within 10 s every node must list exactly who is here.

mod cluster;
mod node;
mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::{
    cluster::Cluster,
    node::{Answer, Node},
};
use crate::{
    chat::{
        presence_pump::wanted::Difference,
        roster::{Departure, Knowledge},
    },
    cluster::{Beat, Incarnation, SetChange},
    domain::{RoomId, Username},
};

const ROOM: RoomId = RoomId(1);
const STEP: Duration = Duration::from_secs(2);

/// A step that is done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The cluster lets the reaped go on.
    TheReapedMayReturn,
    /// A node hears and reads of the dead as of the living.
    TheDeadAreHeard,
    /// A node that was declared dead goes on under its old name.
    NobodyIsReborn,
    /// The dead are taken out of no list.
    NobodyIsBuried,
    /// Nobody reads the sets again.
    NobodyReads,
}

/// How large the world is: how many nodes, and how much may befall them.
#[derive(Debug, Clone, Copy, Hash)]
struct Size {
    nodes: usize,
    stalls: u8,
    kills: u8,
    /// Comings and goings of people, after the first.
    moves: u8,
    /// Answers to changes that are lost.
    lost_answers: u8,
    /// How often the cluster loses its memory.
    lost_memories: u8,
}

#[derive(Clone)]
struct World {
    broken: Broken,
    left: Size,
    now: Instant,
    cluster: Cluster,
    nodes: Vec<Option<Node>>,
    lives: u64,
    /// Who is connected to which node.
    people: BTreeMap<Username, usize>,
}

fn names(people: &[usize]) -> Vec<Username> {
    people.iter().map(|person| Username::from_store(format!("p{person}"))).collect()
}

impl World {
    fn new(size: Size, broken: Broken) -> Self {
        let mut world = Self {
            broken,
            left: size,
            now: Instant::now(),
            cluster: Cluster::new(broken == Broken::TheReapedMayReturn),
            nodes: vec![None; size.nodes],
            lives: 0,
            people: BTreeMap::new(),
        };
        for node in 0..size.nodes {
            world.start(node);
            world.arrive(node, node);
        }
        // They know each other.
        for _ in 0..2 {
            (0..size.nodes).for_each(|node| {
                world.beat(node);
                world.pump(node, false);
            });
            world.pass();
        }
        // Somebody has just come, and the others were not told yet.
        world.arrive(size.nodes, 0);
        world.pump(0, false);
        world
    }

    fn start(&mut self, node: usize) {
        self.lives += 1;
        self.nodes[node] = Some(Node::new(Incarnation(uuid::Uuid::from_u64_pair(node as u64, self.lives))));
    }

    fn arrive(&mut self, person: usize, node: usize) {
        let Some(one) = &mut self.nodes[node] else { return };
        let name = names(&[person]).remove(0);
        if one.roster.arrive(&name) {
            one.pending.entry(ROOM).or_default().insert(name.clone(), true);
        }
        one.roster.flush();
        self.people.insert(name, node);
    }

    fn depart(&mut self, person: usize) {
        let name = names(&[person]).remove(0);
        let Some(one) = self.people.remove(&name).and_then(|node| self.nodes[node].as_mut()) else {
            return;
        };
        if one.roster.depart(&name, self.now, Departure::Left, Duration::ZERO) {
            one.pending.entry(ROOM).or_default().insert(name, false);
        }
        one.roster.flush();
    }

    /// `Here::reborn`.
    fn reborn(&mut self, node: usize, buried: Incarnation) {
        self.lives += 1;
        if let Some(one) = &mut self.nodes[node]
            && one.me == buried
            && self.broken != Broken::NobodyIsReborn
        {
            one.me = Incarnation(uuid::Uuid::from_u64_pair(node as u64, self.lives));
        }
    }

    /// `heartbeat::beat`, then `heartbeat::bury` for all there are.
    fn beat(&mut self, node: usize) {
        let Some(me) = self.nodes[node].as_ref().map(|one| one.me) else { return };
        let beats = self.cluster.beat(me);
        self.take_beats(node, beats);
    }

    fn take_beats(&mut self, node: usize, beats: Option<Vec<(Incarnation, Beat)>>) {
        let Some(one) = &mut self.nodes[node] else { return };
        one.beaten = true;
        let Some(beats) = beats else {
            let me = one.me;
            return self.reborn(node, me);
        };
        one.observe(self.now, &beats);
        while let Some(who) = one.leases.next_unburied() {
            if self.broken != Broken::NobodyIsBuried {
                one.roster.bury(who);
                one.roster.flush();
                self.cluster.reap(who);
            }
        }
    }

    /// One round of the pump: it reads if there is something to read, then tells. Two changes of one
    /// node are never under way at once.
    fn pump(&mut self, node: usize, answer_lost: bool) {
        let (now, broken) = (self.now, self.broken);
        let Some(one) = &mut self.nodes[node] else { return };
        one.settle(now);
        let known = one.roster.sets_version();
        if self.cluster.version() != known && broken != Broken::NobodyReads {
            let sets = self.cluster.sets();
            one.take_sets(now, broken, known, &sets);
        }
        if let Some((me, change)) = one.next_change() {
            let answer = self.cluster.change(me, &change);
            if answer_lost {
                one.wanted.lost(ROOM, change.left);
            } else {
                self.told(node, me, change, answer);
            }
        }
    }

    /// `presence_pump::tell`, from the answer on.
    fn told(&mut self, node: usize, me: Incarnation, change: Difference, answer: Answer) {
        let Some(one) = &mut self.nodes[node] else { return };
        match answer {
            Some(Some(version)) => {
                // If something was missed, the next reading finds it.
                let _: Knowledge = one.roster.own_change_told(version);
                let bell = SetChange { version, joined: change.joined, left: change.left };
                for other in self.nodes.iter_mut().flatten().filter(|other| other.me != me) {
                    other.bell = Some((me, bell.clone()));
                }
            }
            Some(None) => {}
            None => {
                one.wanted.lost(ROOM, change.left);
                self.reborn(node, me);
            }
        }
    }

    /// A step of time passes.
    fn pass(&mut self) {
        self.now += STEP;
        self.nodes.iter_mut().flatten().for_each(|one| one.beaten = false);
    }
}
