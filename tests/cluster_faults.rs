//! Three nodes as processes of their own on a private PostgreSQL and Redis, people who talk all the
//! time, and something that breaks under them. Whatever it is, the checker judges the same rules:
//! nothing acknowledged is lost, nothing is shown twice, one order, one list of people.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod harness;

#[path = "cluster_faults/carrier.rs"]
mod carrier;
#[path = "cluster_faults/churn.rs"]
mod churn;
#[path = "cluster_faults/database.rs"]
mod database;
#[path = "cluster_faults/nodes.rs"]
mod nodes;

use std::time::Duration;

use harness::{
    check::Steady,
    crowd::Crowd,
    scene::{Cluster, Expected, Setup},
};

const NODES: usize = 3;
/// How often each of the people says something.
const PACE: Duration = Duration::from_millis(40);

/// Three nodes and nine people who talk, three on each node, with a page of the predecessor.
async fn scene(setup: Setup) -> (Cluster, Crowd) {
    let cluster = setup.start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter_page("oldpage", 1);
    crowd.enter(9).await;
    cluster.agrees(&crowd).await;
    crowd.talk(PACE).await;
    crowd.acked(100).await;
    (cluster, crowd)
}

/// Everybody who is there now stays, from now until `to`.
fn steady(crowd: &Crowd, from: Duration, to: Duration) -> Expected {
    let pages = crowd.pages.iter().map(|page| page.name.clone());
    let names = crowd.people.iter().map(|person| person.name.clone()).chain(pages).collect();
    Expected {
        steady: vec![Steady { names, from, to }],
        ..Expected::default()
    }
}
