//! RFC 6455 by the cases of Autobahn's test suite: its fuzzing client speaks to an endpoint that is made of
//! the program's own sockets and answers every text with itself.
//!
//! `WSTEST` names Autobahn's program; `./scripts/autobahn` installs it and runs this.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and the table is for whoever asks"
)]

mod case;
mod echo;
mod expected;
mod table;

use std::{
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::json;
use tokio::{process::Command, time::timeout};

use crate::case::{AGENT, Case};

/// How many cases this version of Autobahn has: fewer would be a run that broke off.
const CASES: usize = 517;
/// It takes half a minute.
const LIMIT: Duration = Duration::from_mins(10);

#[expect(clippy::disallowed_methods, reason = "it is told to the test, not to a node")]
fn told(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Lets Autobahn ask this endpoint everything it knows; its reports are in `folder` then.
async fn ask(address: SocketAddr, folder: &Path) {
    let specification = json!({
        "outdir": folder,
        "servers": [{ "agent": AGENT, "url": format!("ws://{address}") }],
        "cases": ["*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let (file, log) = (folder.join("cases.json"), folder.join("wstest.log"));
    fs::write(&file, specification.to_string()).unwrap();
    let output = File::create(&log).unwrap();
    let mut client = Command::new(told("WSTEST").expect("WSTEST names Autobahn; run ./scripts/autobahn"))
        .args(["--mode", "fuzzingclient", "--spec"])
        .arg(&file)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .kill_on_drop(true)
        .spawn()
        .expect("WSTEST is a program");
    let ended = timeout(LIMIT, client.wait()).await.expect("in time").unwrap();
    assert!(ended.success(), "{}", fs::read_to_string(&log).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_ends_as_it_should() {
    let endpoint = echo::start();
    let temporary = tempfile::tempdir().unwrap();
    let folder = told("REPORTS").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    ask(endpoint.address, &folder).await;
    let cases = Case::read_all(&folder);
    println!("\n{}", table::of(&cases));
    let unexpected = cases.iter().filter(|case| case.verdict().is_err()).count();
    assert_eq!(
        (cases.len(), unexpected),
        (CASES, 0),
        "cases, and those that ended otherwise than expected"
    );
    endpoint.end().await;
}
