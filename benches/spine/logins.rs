//! What a chat feels of a flood of sign-ins: ten say something, while many callers at once guess passwords, against
//! the same in peace. Hashes cost what they cost in production here: that of the one whose password they guess is made
//! anew before, for a kept hash costs what it cost when it was made. The node has one core, which the hashes would fill.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    runtime::Runtime,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    LIMIT, Outcome,
    felt::{CLIENTS_CORE, FEW, Felt, NODES_CORE, ROUNDS},
    kernel,
    node::Node,
    report::{Table, step},
    said::Said,
    town::{Calls, Town},
};

/// Callers who guess, each again as soon as it is answered.
const CALLERS: usize = 100;
/// Who was told to come back does so after this.
const PAUSE: Duration = Duration::from_millis(100);
/// The flood runs for so long before it is measured.
const RISE: Duration = Duration::from_secs(2);

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Town::of(runtime, FEW)?;
    let node = town.node_on_core(NODES_CORE, &[("PING_SECONDS", "600"), ("BCRYPT_COST", "10")])?;
    let mut few = runtime.block_on(town.members(&node, "lobby", 0..FEW))?;
    let (mut felt, mut said) = (Felt::default(), Said::to("lobby"));
    for round in 1..=ROUNDS {
        step(&format!("round {round}: in peace"));
        on_their_core(|| felt.without(&mut said, &mut few))?;
        step(&format!("round {round}: a flood of sign-ins"));
        let flood = runtime.block_on(Flood::begin(&node))?;
        on_their_core(|| felt.with(&mut said, &mut few))?;
        let (hashed, refused) = runtime.block_on(flood.end())?;
        step(&format!(
            "{hashed} passwords compared meanwhile, {refused} callers told to come back"
        ));
    }
    felt.tell(table, "in a flood of sign-ins", "in peace", "≤ 2 ×");
    Ok(())
}

fn on_their_core(measure: impl FnOnce() -> Outcome + Send) -> Outcome {
    thread::scope(|scope| {
        let measured = scope.spawn(|| {
            kernel::stay_on(CLIENTS_CORE)?;
            measure()
        });
        measured.join().map_err(|_| "a client failed")?
    })
}

struct Flood {
    over: watch::Sender<bool>,
    callers: JoinSet<Outcome<(usize, usize)>>,
}

impl Flood {
    async fn begin(node: &Node) -> Outcome<Self> {
        let (over, watched) = watch::channel(false);
        let calls = Arc::new(Calls::to(node.address));
        calls.login(0).await?;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(guess(calls.clone(), watched.clone()));
        }
        sleep(RISE).await;
        Ok(Self { over, callers })
    }

    /// How many guesses were compared, and how many refused.
    async fn end(mut self) -> Outcome<(usize, usize)> {
        self.over.send_replace(true);
        let mut sum = (0, 0);
        while let Some(one) = timeout(LIMIT, self.callers.join_next()).await? {
            let (hashed, refused) = one??;
            sum = (sum.0 + hashed, sum.1 + refused);
        }
        Ok(sum)
    }
}

async fn guess(calls: Arc<Calls>, over: watch::Receiver<bool>) -> Outcome<(usize, usize)> {
    let (mut hashed, mut refused) = (0, 0);
    while !*over.borrow() {
        if calls.guess(0).await? {
            hashed += 1;
        } else {
            refused += 1;
            sleep(PAUSE).await;
        }
    }
    Ok((hashed, refused))
}
