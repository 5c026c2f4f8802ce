//! What a small room feels of a large one that is flooded: ten say something, while five thousand others hear as much
//! as the node can deliver, against the same with a quiet lobby. Both rooms belong to one shard of the hub, the worst case.

use std::thread;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    Outcome,
    client::InTurn,
    felt::{CLIENTS_CORE, FEW, Felt, NODES_CORE, ROUNDS},
    kernel,
    report::{Table, step},
    said::Said,
    town::Town,
};

/// Members of the lobby.
const MANY: usize = 5000;
/// Messages in flight in the lobby.
const FLOOD: usize = 8;

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
    let felt = thread::scope(|scope| {
        scope.spawn(|| felt(&mut few, &mut many)).join().map_err(|_| "a client failed")?
    })?;
    let beside = format!("beside a flooded one of {MANY}");
    felt.tell(table, &beside, "a quiet lobby", "≤ 5 ms");
    Ok(())
}

/// In turn beside a quiet lobby and beside a flooded one.
fn felt(few: &mut [InTurn], many: &mut [InTurn]) -> Outcome<Felt> {
    kernel::stay_on(CLIENTS_CORE)?;
    let (mut felt, mut in_room, mut in_lobby) = (Felt::default(), Said::to("neighbour"), Said::to("lobby"));
    for round in 1..=ROUNDS {
        step(&format!("round {round}: a quiet lobby"));
        felt.without(&mut in_room, few)?;
        step(&format!("round {round}: a flooded lobby"));
        let over = CancellationToken::new();
        let delivered = thread::scope(|scope| {
            let flood = scope.spawn(|| flood(&mut in_lobby, many, &over));
            // However that ends, the flood ends with it.
            let ends = over.clone().drop_guard();
            let with = felt.with(&mut in_room, few);
            drop(ends);
            let delivered = flood.join().map_err(|_| "the flood failed")??;
            with.map(|()| delivered)
        })?;
        step(&format!("{delivered} deliveries in the lobby meanwhile"));
    }
    Ok(felt)
}

fn flood(said: &mut Said, many: &mut [InTurn], over: &CancellationToken) -> Outcome<usize> {
    let mut delivered = 0;
    while !over.is_cancelled() {
        said.all_hear(many, 1, FLOOD)?;
        delivered += FLOOD * many.len();
    }
    Ok(delivered)
}
