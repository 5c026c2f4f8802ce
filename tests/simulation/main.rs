//! Many nodes in one thread, on a network and a clock that a seed decides: the real chat (rooms, sequencers,
//! rosters, joining, log writer, presence pump, heartbeats, hub) between a log, a cluster and clients that are
//! simulated. A run of ten to twenty seconds costs about 80 ms of a processor, unoptimised, and the same seed is the same run.
//!
//!     cargo test --test simulation                          150 seeds
//!     CHORUS_SEEDS=20000 cargo test --release --test simulation seeds   more of them: 14,000 a minute on two cores,
//!                                                           optimised (2026-11-29; 1,560 unoptimised)
//!     CHORUS_SEED=7 cargo test --test simulation seeds          that one alone, with its whole trace
//!
//! What it does not have: sockets that are slow or refuse bytes (`tests/hub`), a log that is restored or forgets,
//! a cluster that is set back. Those are with real servers, in `tests/cluster`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells its seed"
)]

mod client;
mod dice;
mod log;
mod node;
mod plan;
mod seat;
mod socket;
mod wire;
mod world;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use self::{
    plan::{Broken, FAULTS, Plan},
    world::{Outcome, run},
};

/// How many seeds a run of the suite takes.
const SEEDS: u64 = 150;
/// How many lines of a failing run are shown; all of them when it is replayed.
const LAST: usize = 60;
/// How many seeds a broken promise may take to be found.
const FOUND_WITHIN: u64 = 200;

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn tell(seed: u64, outcome: &Outcome, lines: usize) -> String {
    let skipped = outcome.trace.len().saturating_sub(lines);
    let trace = outcome.trace[skipped..].join("\n");
    let wrong = outcome.wrong.as_deref().unwrap_or("nothing");
    format!(
        "seed {seed}: {wrong}\n{trace}\nCHORUS_SEED={seed} cargo test --test simulation seeds -- --nocapture"
    )
}

/// Runs seeds from `base` on, on as many threads as there are processors, until one fails.
fn run_all(base: u64, count: u64) -> Vec<(u64, Outcome)> {
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let work = || {
        let mut outcomes = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && at < count
            && failed.load(Ordering::Relaxed) == u64::MAX
        {
            let outcome = run(Plan::of(base + at, Broken::Nothing));
            if outcome.wrong.is_some() {
                failed.store(base + at, Ordering::Relaxed);
            }
            outcomes.push((base + at, outcome));
        }
        outcomes
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn seeds_break_no_promise() {
    if let Some(seed) = setting("CHORUS_SEED") {
        let outcome = run(Plan::of(seed, Broken::Nothing));
        println!("{}", tell(seed, &outcome, usize::MAX));
        assert_eq!(outcome.wrong, None);
        return;
    }
    // The suite takes the same seeds each time; who asks for more gets new ones.
    let more = setting("CHORUS_SEEDS");
    let drawn = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1_000_000;
    let base = setting("CHORUS_BASE_SEED").unwrap_or(if more.is_some() { drawn } else { 0 });
    let count = more.unwrap_or(SEEDS);
    println!("{count} seeds from {base} on");
    let began = Instant::now();
    let outcomes = run_all(base, count);
    for (seed, outcome) in &outcomes {
        assert!(outcome.wrong.is_none(), "{}", tell(*seed, outcome, LAST));
    }
    let counts = || outcomes.iter().map(|(_, outcome)| &outcome.counts);
    let per_minute = count * 60_000 / u64::try_from(began.elapsed().as_millis()).unwrap().max(1);
    let messages: u64 = counts().map(|counts| counts.messages).sum();
    let reborn: usize = counts().map(|counts| counts.reborn).sum();
    let longest = counts().map(|counts| counts.settled).max();
    println!(
        "{per_minute} seeds a minute; {messages} messages, {reborn} nodes reborn, calm after {longest:?} ms at most"
    );
}

#[test]
fn everything_goes_wrong_in_some_run() {
    let (mut faults, mut reborn) = (BTreeSet::new(), 0);
    for seed in 0..FOUND_WITHIN {
        let Outcome { counts, .. } = run(Plan::of(seed, Broken::Nothing));
        faults.extend(counts.faults);
        reborn += counts.reborn;
        if faults == FAULTS.into() && reborn > 0 {
            return;
        }
    }
    panic!("only {faults:?} went wrong, and {reborn} nodes were declared dead");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let [one, other] = [(), ()].map(|()| run(Plan::of(seed, Broken::Nothing)));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.print, other.print, "seed {seed}: what was heard");
    }
}

/// The number of the first seed at which the checks notice.
fn found(broken: Broken) -> Option<(u64, String)> {
    (0..FOUND_WITHIN).find_map(|seed| Some((seed, run(Plan::of(seed, broken)).wrong?)))
}

macro_rules! noticed {
    ($($test:ident: $broken:ident;)+) => {
        $(
            #[test]
            fn $test() {
                let (seed, wrong) = found(Broken::$broken).expect("nobody noticed");
                println!("seed {seed}: {wrong}");
            }
        )+
    };
}

noticed! {
    a_log_that_takes_retries_as_new_is_noticed: TakesRetriesAsNew;
    a_log_that_skips_numbers_is_noticed: SkipsNumbers;
    a_log_that_forgets_commits_is_noticed: ForgetsCommits;
    a_log_that_hides_its_end_is_noticed: HidesItsEnd;
    a_log_that_repairs_nothing_is_noticed: RepairsNothing;
    a_cluster_that_buries_nobody_is_noticed: BuriesNobody;
}
