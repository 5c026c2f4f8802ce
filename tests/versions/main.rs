//! This version beside the one before it, as in every release: three nodes behind nginx become the new
//! program one after the other while people talk, and one of them goes back.
//!
//! `CHORUS_PREVIOUS_BIN` names the program of before; `./scripts/rolling` builds it.

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
#[path = "../servers/mod.rs"]
mod servers;

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{
    common::program::{built, run},
    harness::scene::{Cluster, Expected, Setup},
    servers::nginx::{GENEROUS, Nginx},
};

const NODES: usize = 3;
const PEOPLE: usize = 18;
/// How often each of them says something.
const PACE: Duration = Duration::from_millis(200);
/// How long somebody may be without a socket.
const AWAY: Duration = Duration::from_secs(3);
const ADMIN_TOKEN: &str = "an operator's token of more than 32 bytes";

/// The program of before.
#[expect(clippy::disallowed_methods, reason = "it is told to the test, not to a node")]
fn previous() -> PathBuf {
    let given = std::env::var_os("CHORUS_PREVIOUS_BIN");
    let path = PathBuf::from(given.expect("CHORUS_PREVIOUS_BIN names it; run ./scripts/rolling"));
    let program = std::fs::read(&path).expect("CHORUS_PREVIOUS_BIN is a program");
    assert!(program != std::fs::read(built()).unwrap(), "it is this version itself");
    path
}

/// A node becomes another program.
async fn replace(cluster: &mut Cluster, nginx: &Nginx, node: usize, by: &std::path::Path) {
    assert_eq!(cluster.nodes[node].stop().await, Some(0), "it ends by itself");
    nginx.until_ready(cluster.nodes[node].address(), false);
    cluster.nodes[node].becomes(by);
    cluster.nodes[node].start().await;
    nginx.until_ready(cluster.nodes[node].address(), true);
}

/// What holds of sign-ins whichever of both versions begins and ends them.
async fn a_sign_in_ends_on_both(cluster: &Cluster, here: usize, there: usize) {
    let token = cluster.web(here).sign_in("mover").await;
    let mut elsewhere = cluster.web(there).guest(&token).await;
    let out = cluster.web(here).post("/logout", "", json!({ "token": token })).await;
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(elsewhere.closed().await, 4001);
}

/// The operator of a new node sees all three, whether they understand its question or not.
async fn the_operator_sees(cluster: &Cluster, node: usize) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{}", cluster.nodes[node].metrics());
    let settings = [("ADMIN_TOKEN", ADMIN_TOKEN)];
    let told = run(dir.path(), &settings, &["admin", "cluster", "--json", "--node", &url], "").await;
    assert!(told.status.success(), "{told:?}");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["node"]["state"]["version"], env!("CARGO_PKG_VERSION"), "{told}");
    let peers = told["peers"].as_array().unwrap();
    let alive = peers.iter().filter(|peer| peer["dead"] == false);
    // A node that has just left is still under its last lease.
    assert!(alive.count() >= NODES - 1, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_both_versions_are_one_chat_forth_and_back() {
    let old = previous();
    let setup = Setup::of(NODES).built_as(&old).with("SHUTDOWN_TIMEOUT_SECONDS", "5");
    let mut cluster = setup.with("ADMIN_TOKEN", ADMIN_TOKEN).undisturbed().start().await;
    let nginx = Nginx::start(&cluster.addresses(), &GENEROUS);
    let crowd = cluster.that_talks(nginx.address, PEOPLE, PACE).await;
    let from = cluster.clock.now();
    for node in 0..NODES {
        replace(&mut cluster, &nginx, node, built()).await;
        crowd.acked(100).await;
        if node + 1 < NODES {
            a_sign_in_ends_on_both(&cluster, node, node + 1).await;
            a_sign_in_ends_on_both(&cluster, node + 1, node).await;
            the_operator_sees(&cluster, node).await;
        }
    }
    // A release that is taken back: the program of before, on a database that the new one has migrated.
    replace(&mut cluster, &nginx, 0, &old).await;
    crowd.acked(100).await;
    let to = cluster.clock.now();
    let judged = cluster.judge(&crowd, Expected::steady(crowd.everybody(), from, to)).await;
    let (figures, time) = (crowd.figures(), to.saturating_sub(from));
    println!("two versions for {time:.1?}: {figures}; none lost, none doubled, no list changed");
    assert!(figures.longest <= AWAY, "{figures}");
    assert!(judged.sockets >= 2 * PEOPLE, "everybody had to move at least once: {judged:?}");
}
