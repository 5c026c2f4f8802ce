//! What a node and a cluster cost, as ratios between things that run in the same minute on the same machine:
//! an absolute figure says more about the machine than about Chorus.
//!
//! `./bench/run` runs all parts, `./bench/run memory start` some. Every part stands in a file of
//! its own and says there what it compares. The node is the built binary in a process of its own,
//! with a fresh data directory and only loopback addresses.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to a terminal"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tasks here are clients, and the settings are those of the benchmark"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are printed with three digits")]
#![allow(missing_docs, reason = "a program, not a library")]

mod client;
mod cluster;
mod commit;
mod felt;
mod frames;
mod kernel;
mod logins;
mod memory;
mod neighbours;
mod node;
mod presence;
mod report;
mod said;
mod start;
mod town;
mod welcome;

use std::{error::Error, time::Duration};

use report::Table;
use tokio::runtime::Runtime;

/// What everything here answers; a benchmark that fails says why and ends.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The limit of every single wait.
const LIMIT: Duration = Duration::from_secs(30);

/// A part of the benchmark.
type Part = fn(&Runtime, &mut Table) -> Outcome;

const PARTS: [(&str, Part); 8] = [
    ("commit", commit::run),
    ("memory", memory::run),
    ("neighbours", neighbours::run),
    ("logins", logins::run),
    ("start", start::run),
    ("welcome", welcome::run),
    ("presence", presence::run),
    ("cluster", cluster::run),
];

fn main() -> Outcome {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds this one.
    asked.retain(|argument| argument != "--bench");
    if let Some(unknown) = asked.iter().find(|asked| !PARTS.iter().any(|(name, _)| name == asked)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        return Err(format!("no such part: {unknown} ({names})").into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::new();
    for (name, part) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            report::step(name);
            part(&runtime, &mut table)?;
        }
    }
    table.print();
    Ok(())
}
