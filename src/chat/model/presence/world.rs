//! What may happen to it, what must hold, and the tests.

use std::{collections::BTreeSet, hash::Hash};

use super::{
    Broken, Size, World,
    node::{Held, Node, UnderWay},
};
use crate::{
    chat::model::explorer::{self, Tape, explore},
    domain::Username,
};

const NOTHING: Size = Size {
    nodes: 2,
    stalls: 0,
    kills: 0,
    moves: 0,
    lost_answers: 0,
    lost_memories: 0,
};
const SMALL: [Size; 3] = [
    Size { stalls: 1, ..NOTHING },
    Size { kills: 1, ..NOTHING },
    Size { moves: 1, lost_answers: 1, ..NOTHING },
];
const LARGE: [Size; 5] = [
    Size { lost_memories: 1, ..NOTHING },
    Size { kills: 1, moves: 1, ..NOTHING },
    Size { stalls: 1, moves: 1, ..NOTHING },
    Size { stalls: 1, kills: 1, ..NOTHING },
    Size { nodes: 3, kills: 1, ..NOTHING },
];

#[derive(Debug, Clone)]
pub(super) enum Act {
    Beat(usize),
    Pump(usize),
    /// The pump's change is made and its answer is lost.
    PumpUnheard(usize),
    Ring(usize),
    Stall(usize, UnderWay),
    /// What a node that stands still had asked for is done now.
    Late(usize),
    Resume(usize),
    Kill(usize),
    Start(usize),
    /// Somebody comes, or goes.
    Move {
        person: usize,
        node: usize,
    },
    ForgetAll,
    /// Two seconds pass. Everybody who runs has beaten.
    Pass,
}

impl explorer::World for World {
    type Act = Act;
    const ROUNDS: u8 = 5;

    fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            match node {
                None => acts.push(Act::Start(at)),
                Some(node) => self.acts_of(at, node, &mut acts),
            }
        }
        acts.extend((self.left.lost_memories > 0).then_some(Act::ForgetAll));
        if self.running().all(|(_, node)| node.beaten) {
            acts.push(Act::Pass);
        }
        acts
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match *act {
            Act::Beat(node) => self.beat(node),
            Act::Pump(node) => self.pump(node, false),
            Act::PumpUnheard(node) => {
                self.left.lost_answers -= 1;
                self.pump(node, true);
            }
            Act::Ring(node) => self.ring(node),
            Act::Stall(node, what) => {
                self.left.stalls -= 1;
                self.stall(node, what);
            }
            Act::Late(node) => self.late(node),
            Act::Resume(node) => self.resume(node),
            Act::Kill(node) => {
                self.left.kills -= 1;
                self.nodes[node] = None;
                self.people.retain(|_, at| *at != node);
            }
            Act::Start(node) => self.start(node),
            Act::Move { person, node } => {
                self.left.moves -= 1;
                if self.people.contains_key(&super::names(&[person])[0]) {
                    self.depart(person);
                } else {
                    self.arrive(person, node);
                }
            }
            Act::ForgetAll => {
                self.left.lost_memories -= 1;
                self.cluster.forget();
                // A counter that begins anew may come by the number that was seen last. In steps as long as these that
                // can look like a death, which must do no lasting harm.
                self.nodes.iter_mut().flatten().for_each(|node| node.stood = true);
            }
            Act::Pass => self.pass(),
        }
        self.check()
    }

    fn rest(&mut self) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            self.resume(node);
            if let Some(one) = &mut self.nodes[node] {
                one.bell = None;
            }
        }
        for node in 0..self.nodes.len() {
            self.beat(node);
            self.check()?;
        }
        // As many looks as it takes a change to be made and read go into a step, and more.
        for _ in 0..2 {
            (0..self.nodes.len()).for_each(|node| self.pump(node, false));
            self.check()?;
        }
        self.nodes.iter_mut().flatten().for_each(|one| one.bell = None);
        self.pass();
        Ok(())
    }

    fn unsettled(&self) -> Option<String> {
        let here: BTreeSet<Username> = self.people.keys().cloned().collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if node.held.is_some() {
                return Some(format!("node {at} stands still"));
            }
            if node.shown() != here {
                return Some(format!("node {at} lists {:?} and not {here:?}", node.shown()));
            }
        }
        let lives = |who| self.nodes.iter().flatten().any(|node| node.me == who);
        self.cluster
            .holders()
            .find(|who| !lives(*who))
            .map(|who| format!("the cluster holds a set of {who}"))
    }

    fn distinguish(&self, hasher: &mut Tape) {
        (&self.left, &self.people).hash(hasher);
        self.cluster.distinguish(hasher);
        for node in &self.nodes {
            node.is_some().hash(hasher);
            if let Some(node) = node {
                node.distinguish(self.now, &self.cluster, hasher);
            }
        }
    }
}

impl World {
    fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(at, node)| Some((at, node.as_ref().filter(|node| node.held.is_none())?)))
    }

    fn acts_of(&self, at: usize, node: &Node, acts: &mut Vec<Act>) {
        let Size { stalls, kills, moves, lost_answers, .. } = self.left;
        acts.extend((kills > 0).then_some(Act::Kill(at)));
        if let Some(held) = &node.held {
            acts.push(Act::Resume(at));
            acts.extend(matches!(held, Held::Change(_, _, None)).then_some(Act::Late(at)));
            return;
        }
        acts.extend((!node.beaten).then_some(Act::Beat(at)));
        acts.push(Act::Pump(at));
        acts.extend((lost_answers > 0).then_some(Act::PumpUnheard(at)));
        acts.extend(node.bell.is_some().then_some(Act::Ring(at)));
        acts.extend((moves > 0).then_some(Act::Move { person: 0, node: at }));
        if stalls > 0 {
            let kinds = [
                UnderWay::Nothing,
                UnderWay::Change,
                UnderWay::Sets,
                UnderWay::Beats,
            ];
            acts.extend(kinds.map(|what| Act::Stall(at, what)));
        }
    }

    fn ring(&mut self, node: usize) {
        let broken = self.broken;
        if let Some(one) = &mut self.nodes[node] {
            one.hear(broken);
        }
    }

    fn stall(&mut self, node: usize, what: UnderWay) {
        let Some(one) = &mut self.nodes[node] else { return };
        one.stood = true;
        one.held = Some(match what {
            UnderWay::Nothing => Held::Nothing,
            UnderWay::Change => match one.next_change() {
                Some((me, change)) => Held::Change(me, change, None),
                None => Held::Nothing,
            },
            UnderWay::Sets => Held::Sets(one.roster.sets_version(), self.cluster.sets()),
            UnderWay::Beats => Held::Beats(self.cluster.beat(one.me)),
        });
    }

    fn late(&mut self, node: usize) {
        let held = self.nodes[node].as_mut().and_then(|one| one.held.as_mut());
        if let Some(Held::Change(me, change, answer @ None)) = held {
            *answer = Some(self.cluster.change(*me, change));
        }
    }

    /// It goes on, with what was under way.
    fn resume(&mut self, node: usize) {
        self.late(node);
        let (now, broken) = (self.now, self.broken);
        let Some(one) = &mut self.nodes[node] else { return };
        match one.held.take() {
            Some(Held::Change(me, change, Some(answer))) => self.told(node, me, change, answer),
            Some(Held::Sets(known, sets)) => one.take_sets(now, broken, known, &sets),
            Some(Held::Beats(beats)) => self.take_beats(node, beats),
            _ => {}
        }
    }

    /// What must hold at every moment.
    fn check(&self) -> Result<(), String> {
        if let Some(ghost) = self.cluster.ghost() {
            return Err(format!("{ghost} was reaped and has a set again"));
        }
        for (at, node) in self.running() {
            if let Some(dead) = node.roster.foreign().find(|who| node.leases.is_dead(*who)) {
                return Err(format!("node {at} lists people of {dead}, which is dead for it"));
            }
            for (other, its) in self.running().filter(|(_, its)| !its.stood) {
                if node.leases.is_dead(its.me) {
                    return Err(format!("node {at} declared node {other} dead, which never stood still"));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn presence_keeps_every_promise_in_every_order() {
    let sizes = if super::super::is_large() { &LARGE[..] } else { &SMALL[..] };
    for size in sizes {
        let explored = explore(World::new(*size, Broken::Nothing)).unwrap();
        super::super::tell(&format!("presence, {size:?}"), &explored);
    }
}

/// The promise that breaks when a step is done wrong and this befalls the world.
fn broken(broken: Broken, size: Size) -> String {
    let found = explore(World::new(size, broken)).expect_err("nothing breaks");
    super::super::tell(&format!("{broken:?}"), &format!("{found:?}"));
    found.wrong
}

const A_STALL: Size = SMALL[0];
const A_KILL: Size = SMALL[1];

#[test]
fn if_the_reaped_may_return_living_people_are_lost() {
    assert!(broken(Broken::TheReapedMayReturn, A_STALL).contains("and not"));
}

#[test]
fn if_the_dead_are_heard_there_are_ghosts() {
    assert!(broken(Broken::TheDeadAreHeard, A_KILL).contains("which is dead for it"));
}

#[test]
fn if_nobody_is_reborn_living_people_are_lost() {
    assert!(broken(Broken::NobodyIsReborn, A_STALL).contains("and not"));
}

#[test]
fn if_nobody_is_buried_there_are_ghosts() {
    assert!(broken(Broken::NobodyIsBuried, A_KILL).contains("which is dead for it"));
}

#[test]
fn if_nobody_reads_a_lost_bell_is_never_made_good() {
    assert!(broken(Broken::NobodyReads, NOTHING).contains("and not"));
}
