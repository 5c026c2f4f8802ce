//! What a small room feels of a large one that is flooded: the time from saying something until
//! all ten have their bytes, while five thousand others hear as much as the node can deliver,
//! against the same with a quiet lobby. Both rooms belong to one shard of the hub, the worst case.
//! The node has one core and the clients the other; when bytes came is the kernel's word, so that
//! the clients' own waiting is not in it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    client::InTurn,
    kernel,
    report::{Table, percentile, step},
    said::Said,
    town::Town,
};

/// Members of the lobby.
const MANY: usize = 5000;
pub(crate) const NODES_CORE: usize = 0;
pub(crate) const CLIENTS_CORE: usize = 1;
const FEW: usize = 10;
/// Messages in flight in the lobby.
const FLOOD: usize = 8;
/// What is said in the small room, and how often.
const TIMES: usize = 2_000;
const EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Town::of(runtime, MANY + FEW)?;
    let node = town.node_on_core(NODES_CORE, &[("PING_SECONDS", "600")])?;
    step("they come in");
    let (mut many, mut few) = runtime.block_on(async {
        town.make_room(&node, "neighbour").await?;
        let many = town.members(&node, "lobby", 0..MANY).await?;
        let few = town.members(&node, "neighbour", MANY..MANY + FEW).await?;
        Outcome::Ok((many, few))
    })?;
    let mut said = Said::to("neighbour");
    let (quiet, flooded) = thread::scope(|scope| {
        scope
            .spawn(|| both(&mut said, &mut few, &mut many))
            .join()
            .map_err(|_| "a client failed")?
    })?;
    for (percent, target) in [(50, ""), (99, "≤ 5 ms")] {
        table.ratio(
            &format!("a room of {FEW} beside a flooded one of {MANY}, p{percent}"),
            (percentile(&flooded, percent), "ms"),
            (percentile(&quiet, percent), "a quiet lobby"),
            target,
        );
    }
    Ok(())
}

/// Milliseconds until all of the few have heard, beside a quiet lobby and beside a flooded one.
fn both(said: &mut Said, few: &mut [InTurn], many: &mut [InTurn]) -> Outcome<(Vec<f64>, Vec<f64>)> {
    kernel::stay_on(CLIENTS_CORE)?;
    step("a quiet lobby");
    let quiet = times(said, few)?;
    step("a flooded lobby");
    let over = AtomicBool::new(false);
    let flooded = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(many, &over));
        let flooded = times(said, few);
        over.store(true, Ordering::Relaxed);
        let delivered = flood.join().map_err(|_| "the flood failed")??;
        step(&format!("{delivered} deliveries in the lobby meanwhile"));
        flooded
    })?;
    Ok((quiet, flooded))
}

/// Milliseconds until all have heard, each time.
pub(crate) fn times(said: &mut Said, few: &mut [InTurn]) -> Outcome<Vec<f64>> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let sent = SystemTime::now();
        said.all_hear(few, 1, 1)?;
        let heard = few.iter().map(InTurn::came).max().unwrap_or(sent);
        let took = heard.duration_since(sent).unwrap_or_default();
        times.push(took.as_secs_f64() * 1e3);
        thread::sleep(EVERY.saturating_sub(sent.elapsed().unwrap_or_default()));
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
