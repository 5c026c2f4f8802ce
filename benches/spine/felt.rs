//! What ten who chat feel of something: how long it takes from saying something until all of them have their bytes, in
//! turn without it and with it. The node has one core and those who talk the other; when bytes came is the kernel's word,
//! so that their own waiting is not in it.
//!
//! A host that takes its cores away from a virtual machine does so in bursts of some milliseconds: they are the p99 of a
//! run in which they happen. So there are rounds, of which the median counts, and each says how much was taken.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    Outcome,
    client::InTurn,
    kernel::Stolen,
    report::{Table, percentile, step},
    said::Said,
};

pub(crate) const FEW: usize = 10;
pub(crate) const NODES_CORE: usize = 0;
pub(crate) const CLIENTS_CORE: usize = 1;
/// How often both are measured in turn.
pub(crate) const ROUNDS: usize = 5;
/// What is said each time, and how often.
const TIMES: usize = 400;
const EVERY: Duration = Duration::from_millis(10);

/// Milliseconds until all have heard, of each round.
#[derive(Default)]
pub(crate) struct Felt {
    without: Vec<Vec<f64>>,
    with: Vec<Vec<f64>>,
}

impl Felt {
    /// A round without it.
    pub(crate) fn without(&mut self, said: &mut Said, few: &mut [InTurn]) -> Outcome {
        self.without.push(times(said, few)?);
        Ok(())
    }

    /// A round with it.
    pub(crate) fn with(&mut self, said: &mut Said, few: &mut [InTurn]) -> Outcome {
        self.with.push(times(said, few)?);
        Ok(())
    }

    /// Rows for the table: the median, and what one in a hundred takes.
    pub(crate) fn tell(&self, table: &mut Table, beside: &str, without: &str, target: &'static str) {
        for (percent, target) in [(50, ""), (99, target)] {
            let each =
                |rounds: &[Vec<f64>]| rounds.iter().map(|it| percentile(it, percent)).collect::<Vec<_>>();
            table.pairs(
                &format!("a room of {FEW} {beside}, p{percent}"),
                (&each(&self.with), "ms"),
                (&each(&self.without), without),
                target,
            );
        }
    }
}

/// Milliseconds until all have heard, each time.
fn times(said: &mut Said, few: &mut [InTurn]) -> Outcome<Vec<f64>> {
    let before = Stolen::now()?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let sent = SystemTime::now();
        said.all_hear(few, 1, 1)?;
        let heard = few.iter().map(InTurn::came).max().unwrap_or(sent);
        let took = heard.duration_since(sent).unwrap_or_default();
        times.push(took.as_secs_f64() * 1e3);
        thread::sleep(EVERY.saturating_sub(sent.elapsed().unwrap_or_default()));
    }
    step(&format!(
        "p50 {:.2} ms, p99 {:.2} ms; the host took {:.1} % of the time",
        percentile(&times, 50),
        percentile(&times, 99),
        Stolen::now()?.since(&before)
    ));
    Ok(times)
}
