//! What a small room feels of a large one that is flooded: the time from saying something until
//! all ten have heard it, while a thousand others hear as much as the node can deliver, against the
//! same with a quiet lobby. Both rooms belong to one shard of the hub, the worst case; the clients
//! of both share the machine with the node.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    client::InTurn,
    fanout::{MEMBERS, Said},
    report::{Table, percentile, step},
    town::Town,
};

const FEW: usize = 10;
/// Messages in flight in the lobby.
const FLOOD: usize = 8;
/// What is said in the small room, and how often.
const TIMES: usize = 300;
const EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Town::of(runtime, MEMBERS + FEW)?;
    let node = town.node(&[("PING_SECONDS", "600")])?;
    step("they come in");
    let (mut many, mut few) = runtime.block_on(async {
        // The lobby is the first room; the third is its neighbour on a machine of two cores.
        town.make_room(&node, "second").await?;
        town.make_room(&node, "third").await?;
        let many = town.members(&node, "lobby", 0..MEMBERS).await?;
        let few = town.members(&node, "third", MEMBERS..MEMBERS + FEW).await?;
        Outcome::Ok((many, few))
    })?;
    let mut said = Said::to("third");
    step("a quiet lobby");
    let quiet = times(&mut said, &mut few)?;
    step("a flooded lobby");
    let over = AtomicBool::new(false);
    let flooded = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&mut many, &over));
        let flooded = times(&mut said, &mut few);
        over.store(true, Ordering::Relaxed);
        let delivered = flood.join().map_err(|_| "the flood failed")??;
        step(&format!("{delivered} deliveries in the lobby meanwhile"));
        flooded
    })?;
    for (percent, target) in [(50, ""), (99, "≤ 5 ms")] {
        table.ratio(
            &format!("a room of {FEW} beside a flooded one of {MEMBERS}, p{percent}"),
            (percentile(&flooded, percent), "ms"),
            (percentile(&quiet, percent), "a quiet lobby"),
            target,
        );
    }
    Ok(())
}

/// Milliseconds until all have heard, each time.
fn times(said: &mut Said, few: &mut [InTurn]) -> Outcome<Vec<f64>> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        said.all_hear(few, 1, 1)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        thread::sleep(EVERY.saturating_sub(began.elapsed()));
    }
    Ok(times)
}

fn flood(many: &mut [InTurn], over: &AtomicBool) -> Outcome<usize> {
    let (mut said, mut delivered) = (Said::to("lobby"), 0);
    while !over.load(Ordering::Relaxed) {
        said.all_hear(many, 1, FLOOD)?;
        delivered += FLOOD * many.len();
    }
    Ok(delivered)
}
