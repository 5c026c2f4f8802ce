//! CPU of the whole node per delivery (parsing, commit, sync, order, metrics, acknowledgement and
//! all writes) against the floor, which only writes the same bytes to as many sockets.
//!
//! The clients read from the last socket to the first: when the last has its message all have, so
//! nobody sleeps in a read that each single write would have to end.

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    client::InTurn,
    floor::Floor,
    node::Process,
    report::{Table, step},
    town::Town,
};

const MEMBERS: usize = 1000;
/// Bytes of a message's text.
const TEXT: usize = 128;
const ROUNDS: usize = 9;

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Town::of(runtime, MEMBERS)?;
    let node = town.node(&[("PING_SECONDS", "600")])?;
    step(&format!("{MEMBERS} members come in"));
    let mut members = runtime.block_on(town.members(&node, "lobby", 0..MEMBERS))?;
    let mut floor = Floor::start(MEMBERS)?;
    let mut said = Said::to("lobby");
    // The first messages warm both up, and show the floor which bytes a member is sent.
    let sample = said.all_hear(&mut members, 10, 1)?;
    let sample = String::from_utf8(sample.to_vec())?;
    floor_repeats(&mut floor.sockets, &sample, 10, 1)?;
    for (flight, bursts) in [(1, 100), (8, 25)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            step(&format!("{flight} in flight, round {round} of {ROUNDS}"));
            let deliveries = bursts * flight * MEMBERS;
            ours.push(cost(&node.process, deliveries, || said.all_hear(&mut members, bursts, flight))?);
            theirs.push(cost(&floor.process, deliveries, || {
                floor_repeats(&mut floor.sockets, &sample, bursts, flight)
            })?);
        }
        step(&format!("node {ours:.2?}, floor {theirs:.2?} µs"));
        table.pairs(
            &format!("CPU per delivery, {MEMBERS} members, {TEXT} bytes, {flight} in flight"),
            (&ours, "µs"),
            (&theirs, "a loop of send(2)"),
            if flight == 1 { "≤ 1.3 × now, ≤ 1.1 × in the end" } else { "" },
        );
    }
    Ok(())
}

/// Microseconds of CPU per delivery.
fn cost<T>(process: &Process, deliveries: usize, work: impl FnOnce() -> Outcome<T>) -> Outcome<f64> {
    let before = process.cpu()?;
    work()?;
    let used = process.cpu()?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e6 / deliveries as f64)
}

/// What is said in a room; numbers the messages, so that each has an id of its own.
pub(crate) struct Said {
    room: &'static str,
    count: u64,
}

impl Said {
    pub(crate) const fn to(room: &'static str) -> Self {
        Self { room, count: 0 }
    }

    /// So many times `flight` members say something, and everybody hears it before the next time.
    pub(crate) fn all_hear(
        &mut self,
        members: &mut [InTurn],
        bursts: usize,
        flight: usize,
    ) -> Outcome<bytes::Bytes> {
        let text = "x".repeat(TEXT);
        let mut last = bytes::Bytes::new();
        for _ in 0..bursts {
            for sender in &mut members[..flight] {
                self.count += 1;
                let (room, id) = (self.room, self.count);
                sender.send(&format!(
                    r#"{{"type":"message","room":"{room}","id":"said-{id:012}","message":"{text}"}}"#
                ))?;
            }
            last = heard(members, flight)?;
        }
        Ok(last)
    }
}

fn floor_repeats(sockets: &mut [InTurn], sample: &str, bursts: usize, flight: usize) -> Outcome {
    for _ in 0..bursts {
        for _ in 0..flight {
            sockets[0].send(sample)?;
        }
        heard(sockets, flight)?;
    }
    Ok(())
}

fn heard(sockets: &mut [InTurn], count: usize) -> Outcome<bytes::Bytes> {
    let mut last = bytes::Bytes::new();
    for socket in sockets.iter_mut().rev() {
        last = socket.messages(count)?;
    }
    Ok(last)
}
