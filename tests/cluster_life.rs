//! What a cluster lives through without an accident of its servers' making: restarts, people who
//! come and go by the thousand, a memory that begins anew, lines that only one node misses, and
//! what must hold of a person on all nodes together. Three nodes as processes of their own on a
//! private PostgreSQL and Redis.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod harness;

#[path = "cluster_life/churn.rs"]
mod churn;
#[path = "cluster_life/comeback.rs"]
mod comeback;
#[path = "cluster_life/guest.rs"]
mod guest;
#[path = "cluster_life/memory.rs"]
mod memory;
#[path = "cluster_life/readiness.rs"]
mod readiness;
#[path = "cluster_life/restart.rs"]
mod restart;
#[path = "cluster_life/sign_ins.rs"]
mod sign_ins;
#[path = "cluster_life/window.rs"]
mod window;

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use harness::{
    check::Steady,
    crowd::Crowd,
    scene::{Cluster, Expected},
};

const NODES: usize = 3;
/// Longer than a lease: what is wrong only when one has run out shows within it.
const BEYOND_A_LEASE: Duration = Duration::from_secs(7);
/// How much of this file runs at once: each test is a dozen processes, and what it measures would
/// be the others' load.
static ROOM: Semaphore = Semaphore::const_new(3);

/// A test's turn, for as long as the answer is kept. Most of its time it waits.
async fn turn() -> SemaphorePermit<'static> {
    ROOM.acquire().await.unwrap()
}

/// What a node answers to whoever asks whether to send people: the status and the causes.
async fn ready(cluster: &Cluster, node: usize) -> (u16, Vec<String>) {
    let answer = cluster.web(node).get("/ready", "").await;
    (answer.status, harness::record::words(&answer.body["causes"]))
}

/// Everybody who is there now stays, from `from` until `to`.
fn steady(crowd: &Crowd, from: Duration, to: Duration) -> Expected {
    let pages = crowd.pages.iter().map(|page| page.name.clone());
    let names = crowd.people.iter().map(|person| person.name.clone()).chain(pages).collect();
    Expected {
        steady: vec![Steady { names, from, to }],
        ..Expected::default()
    }
}

/// Looks again and again for so long that something stays as it is.
async fn all_the_while(time: Duration, look: impl AsyncFn()) {
    let began = Instant::now();
    while began.elapsed() < time {
        look().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
