//! The long run: three nodes behind nginx, people who talk, and one fault after the other, for as long as is
//! asked for (`run`).
//!
//! `./scripts/soak 30m` builds the optimised program and runs this. It is told by the environment:
//! `SOAK_SECONDS`, `CHORUS_SEED`, the folder for its summary `SOAK_FOLDER`, and the program `CHORUS_BIN`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and the figures are for whoever asks"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../cluster/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests of clusters use the rest of it"
)]
mod harness;
mod run;
#[path = "../servers/mod.rs"]
mod servers;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use run::{Wish, soak};

#[expect(clippy::disallowed_methods, reason = "it is told to the test, not to a node")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<u64> {
    told(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_live_through_all_faults_and_nothing_grows() {
    let drawn = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 1_000_000;
    let seed = number("CHORUS_SEED").unwrap_or_else(drawn);
    let seconds = number("SOAK_SECONDS").unwrap_or(1_800);
    let length = if seconds.is_multiple_of(60) {
        format!("{}m", seconds / 60)
    } else {
        format!("{seconds}s")
    };
    let command = format!("CHORUS_SEED={seed} ./scripts/soak {length}");
    println!("{command}");
    let wish = Wish {
        seed,
        length: Duration::from_secs(seconds),
        program: told("CHORUS_BIN").map(PathBuf::from),
        command: command.clone(),
    };
    let summary = soak(wish).await;
    if let Some(folder) = told("SOAK_FOLDER") {
        summary.write(folder.as_ref());
    }
    for finding in summary.findings() {
        println!("{}: {:.2} (at most {:.2})", finding.what, finding.found, finding.most);
    }
    let wrong = summary.wrong();
    assert!(wrong.is_empty(), "{command}\n{}", wrong.join("\n"));
}
