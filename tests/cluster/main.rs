//! A cluster as it is run: nodes as processes of their own on a private PostgreSQL and Redis, nginx
//! before some of them, people who talk all the time, and something that happens to them. Whatever it
//! is, the checker judges the same rules: nothing acknowledged is lost, nothing is shown twice, one
//! order, one list of people.
//!
//! What breaks: a node (`nodes`, `comeback`), Redis (`carrier`, `memory`) or the way there (`island`),
//! PostgreSQL (`database`) or what it holds (`lost_log`), clocks (`clocks`), people's own lines (`slow`).
//! What is part of life: restarts (`restart`), people who come and go by the thousand (`churn`,
//! `reloads`, `storm`), a person on several nodes (`sign_ins`, `window`), a balancer that asks
//! (`readiness`), what an operator does (`desk`), or does wrong (`chats`), messages that are no longer
//! kept (`retention`), backups (`restore`), a new secret (`rotation`), all of it behind nginx
//! (`rolling`), all of it by chance (`soak`). What goes on to a queue (`relay`). And nginx (`gateway`, `nginx`), the smallest cluster (`pair`),
//! `./scripts/cluster` (`script`), traces, what is refused at the doors (`attacks`), and the harness by itself
//! (`harness_works`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

#[path = "../common/mod.rs"]
mod common;
mod harness;
#[path = "../servers/mod.rs"]
mod servers;

mod attacks;
mod carrier;
mod chats;
mod churn;
mod clocks;
mod comeback;
mod database;
mod dead_line;
mod desk;
mod gateway;
mod guest;
mod harness_works;
mod island;
mod lost_log;
mod memory;
mod nginx;
mod nodes;
mod pair;
mod readiness;
mod relay;
mod reloads;
mod restart;
mod restore;
mod retention;
mod rolling;
mod rotation;
mod script;
mod sign_ins;
mod slow;
mod soak;
mod storm;
mod traces;
mod window;

use std::time::{Duration, Instant};

use harness::{
    crowd::Crowd,
    scene::{Cluster, Setup},
};

const NODES: usize = 3;
/// How many come through nginx, where there is one.
const AT_THE_EDGE: usize = 4;
/// Longer than a lease: what is wrong only when one has run out shows within it.
const BEYOND_A_LEASE: Duration = Duration::from_secs(7);
/// What a machine may add to the program's promises that runs other towns beside this one.
const BUSY: Duration = Duration::from_secs(1);
/// DESIGN: userLists are identical so soon after a `kill -9`.
const NO_GHOSTS: Duration = Duration::from_secs(10);

/// So many people, spread over the nodes, and a page of the predecessor; nobody says anything yet. Where
/// there is nginx, [`AT_THE_EDGE`] more come through it, one of them with a page.
async fn inhabited(setup: Setup, people: usize) -> (Cluster, Crowd) {
    let cluster = setup.start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter_page("oldpage", 1);
    crowd.enter(people).await;
    if let Some(nginx) = cluster.edge() {
        crowd.enter_through(nginx, AT_THE_EDGE).await;
    }
    cluster.agrees(&crowd).await;
    (cluster, crowd)
}

/// Nine people who talk, three on each node, and the page; and who comes through nginx, where there is one.
async fn talking(setup: Setup) -> (Cluster, Crowd) {
    let (cluster, crowd) = inhabited(setup, 9).await;
    crowd.talk(nodes::PACE).await;
    crowd.acked(100).await;
    (cluster, crowd)
}

/// Looks again and again for so long that something stays as it is.
async fn all_the_while(time: Duration, look: impl AsyncFn()) {
    let began = Instant::now();
    while began.elapsed() < time {
        look().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
