//! What a seed decides before anything runs: how many there are of everything, and what may go wrong.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chorus::cluster::local::Faults;

use crate::dice::Dice;

/// A stand-in that breaks a promise on purpose: the checks must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// The log gives a retry a number of its own.
    TakesRetriesAsNew,
    /// The log leaves gaps.
    SkipsNumbers,
    /// The log acknowledges what it does not keep.
    ForgetsCommits,
    /// The log never says that it is longer than what a node knows.
    HidesItsEnd,
    /// The log has nothing of what a node misses.
    RepairsNothing,
    /// Nobody who was declared dead hears of it.
    BuriesNobody,
}

/// How the calls of one server fare. Chances are out of 1,000.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub slow: u64,
    /// Nothing is done: the log says so, the cluster is silent.
    pub refused: u64,
    /// It is done and nobody tells.
    pub answer_lost: u64,
}

/// How all calls fare, until it becomes calm.
#[derive(Debug)]
pub(crate) struct Weather {
    log: Calls,
    cluster: Calls,
    calm: AtomicBool,
}

impl Weather {
    pub(crate) fn log(&self) -> Calls {
        if self.calm.load(Ordering::Relaxed) { Calls::default() } else { self.log }
    }

    pub(crate) fn cluster(&self) -> Calls {
        if self.calm.load(Ordering::Relaxed) { Calls::default() } else { self.cluster }
    }

    pub(crate) fn becomes_calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }
}

/// What can befall a node, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Its process is killed and comes back.
    Killed,
    /// Its process stands still for a while.
    Stalled,
    /// The cluster is out of its reach for a while.
    Cut,
    /// It drains and comes back, as in a release.
    Drained,
    /// The cluster loses its memory.
    MemoryLost,
}

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::Killed,
    Fault::Stalled,
    Fault::Cut,
    Fault::Drained,
    Fault::MemoryLost,
];

/// What one seed decides.
#[derive(Debug)]
pub(crate) struct Plan {
    pub broken: Broken,
    pub nodes: usize,
    pub rooms: usize,
    pub people: usize,
    /// Of some people there are two: the same name in two places.
    pub tabs: usize,
    /// What may happen in this run.
    pub faults: Vec<Fault>,
    /// The chance of one of them in each step, out of 1,000.
    pub trouble: u64,
    /// How long things go wrong, and how long all must stay well after that, in ms. Of both, the longest is longer
    /// than a lease.
    pub troubles: u64,
    pub stays: u64,
    pub bells: Faults,
    pub log: Calls,
    pub cluster: Calls,
    pub dice: Dice,
}

impl Plan {
    pub(crate) fn of(seed: u64, broken: Broken) -> Self {
        let mut dice = Dice::of(seed);
        let mut some = |chances: &[u64]| *dice.pick(chances);
        let calls = |some: &mut dyn FnMut(&[u64]) -> u64| Calls {
            slow: some(&[0, 10, 100]),
            refused: some(&[0, 0, 20, 100]),
            answer_lost: some(&[0, 0, 20, 100]),
        };
        let (log, cluster) = (calls(&mut some), calls(&mut some));
        let trouble = some(&[0, 10, 20, 40]);
        let (troubles, stays) = (some(&[5000, 5000, 12_000]), some(&[500, 500, 7000]));
        let part = |dice: &mut Dice| u8::try_from(*dice.pick(&[0, 0, 20, 60])).unwrap();
        let bells = Faults {
            lost: part(&mut dice),
            doubled: part(&mut dice),
            late: part(&mut dice),
            delay: Duration::from_millis(*dice.pick(&[20, 300, 900])),
            seed: dice.throw(),
        };
        let people = 2 + dice.below(4);
        Self {
            broken,
            nodes: 2 + dice.below(4),
            rooms: 1 + dice.below(2),
            people,
            tabs: people + dice.below(3),
            faults: FAULTS.into_iter().filter(|_| dice.chance(600)).collect(),
            trouble,
            troubles,
            stays,
            bells,
            log,
            cluster,
            dice,
        }
    }

    pub(crate) const fn weather(&self) -> Weather {
        Weather {
            log: self.log,
            cluster: self.cluster,
            calm: AtomicBool::new(false),
        }
    }
}
