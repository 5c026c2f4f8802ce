//! Three nodes that are one chat, PostgreSQL and Redis behind them, against what it takes the place
//! of: the predecessor's way (one process, no log) and Socket.IO on three processes with its Redis
//! adapter. All of them run at the same time and are measured in turn, by the same clients with the
//! same messages; one process says something and the members of all of them hear it.
//!
//! Two loads: a calm one that none of them is busy with, for the time until the last member's bytes
//! have come, and eight messages in flight, for what a delivery costs. Only Chorus has committed a
//! message before it delivers it, and that is in its figures.

pub(crate) mod chorus;
pub(crate) mod contender;
mod crowd;
mod member;
mod peers;
mod speech;
mod verdict;

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    report::{Table, step},
};
use contender::Contender;
use crowd::{Calm, Crowd, Measured};

/// Processes of a cluster.
const NODES: usize = 3;
/// How many sockets there are, one size after the other, and the calm load if times are taken there.
const SIZES: [(usize, Option<Calm>); 4] = [
    (300, Some(Calm::EACH_50_MS)),
    (1000, None),
    (3000, Some(Calm::EACH_200_MS)),
    (5000, None),
];
const ROUNDS: usize = 3;

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let people = SIZES.iter().map(|(size, _)| *size).max().unwrap_or_default();
    let contenders = [
        chorus::start(runtime, people)?,
        peers::predecessor(people)?,
        peers::socket_io(people)?,
    ];
    let mut crowds = contenders.iter().map(Crowd::of).collect::<Vec<_>>();
    for contender in &contenders {
        tell_memory(contender, 0)?;
    }
    verdict::memory(table, &contenders, 0)?;
    for (size, calm) in SIZES {
        for crowd in &mut crowds {
            step(&format!("{size} members of {}", crowd.contender.name));
            crowd.grow(size)?;
        }
        for contender in &contenders {
            tell_memory(contender, size)?;
        }
        if calm.is_some() {
            verdict::memory(table, &contenders, size)?;
        }
        let rounds = (1..=ROUNDS).map(|round| one_round(&mut crowds, round, calm)).collect::<Outcome<_>>()?;
        verdict::speed(table, &contenders, size, &by_contender(rounds));
    }
    Ok(())
}

/// Every contender once, one right after the other.
fn one_round(crowds: &mut [Crowd<'_>], round: usize, calm: Option<Calm>) -> Outcome<Vec<Measured>> {
    let mut measured = Vec::with_capacity(crowds.len());
    for crowd in crowds {
        let figures = crowd.measure(calm)?;
        step(&format!("round {round} of {ROUNDS}, {}: {figures}", crowd.contender.name));
        measured.push(figures);
    }
    Ok(measured)
}

fn by_contender(rounds: Vec<Vec<Measured>>) -> Vec<Vec<Measured>> {
    let mut turned: Vec<Vec<Measured>> = Vec::new();
    for round in rounds {
        turned.resize_with(round.len(), Vec::new);
        for (all, one) in turned.iter_mut().zip(round) {
            all.push(one);
        }
    }
    turned
}

fn tell_memory(contender: &Contender, sockets: usize) -> Outcome {
    let all = contender.memory()?;
    let all: Vec<String> = all.iter().map(|(name, mib)| format!("{name} {mib:.1}")).collect();
    step(&format!(
        "memory in MiB, {} with {sockets} sockets: {}",
        contender.name,
        all.join(", ")
    ));
    Ok(())
}
