//! The system clocks of two nodes are wrong by five minutes, one ahead and one behind. Nodes go by the
//! database's clock, so nobody notices: not in the order, not in the times, not in who is there, and
//! not at a door where a token or a ticket of another node is shown.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chorus::domain::Timestamp;

use crate::{
    NODES,
    common::Client,
    harness::{
        person::Order,
        scene::{Cluster, Expected, Setup},
    },
    talking,
};

/// How wrong they are.
const WRONG: [(usize, &str, i64); 2] = [(0, "+300s", 300_000), (1, "-300s", -300_000)];
/// Asking takes some time, and the machine does much else.
const NEARLY: i64 = 20_000;

/// The library that tells a program another time: Debian's package `libfaketime`.
fn another_time() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let library =
        |folder: PathBuf| Some(folder.join("faketime/libfaketime.so.1")).filter(|file| file.exists());
    let found = folders.map(|folder| folder.path()).find_map(library);
    found.expect("libfaketime is installed").display().to_string()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn clock_of(cluster: &Cluster, node: usize) -> i64 {
    let answer = cluster.web(node).get("/health", "").await;
    let told = answer.body["timeStamp"].as_str().or(answer.body["timestamp"].as_str());
    Timestamp::parse(told.unwrap_or_else(|| panic!("{answer:?}"))).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_system_clocks_change_neither_the_order_nor_who_is_there() {
    let library = another_time();
    let setup = WRONG.iter().fold(Setup::of(NODES), |setup, (node, by, _)| {
        // What is measured from a moment on must not jump, as no clock that is set makes it jump.
        [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", by),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
        .into_iter()
        .fold(setup, |setup, (name, value)| setup.on(*node, name, value))
    });
    let (cluster, crowd) = talking(setup).await;
    for (node, _, by) in WRONG {
        let wrong = clock_of(&cluster, node).await - now();
        assert!((wrong - by).abs() < NEARLY, "node {node} is wrong by {wrong} ms");
    }
    let from = cluster.clock.now();
    // Each goes on with the token of its first node, at another one.
    for (number, person) in crowd.people.iter().enumerate() {
        person.tell(Order::Reload(Some(number + 1))).await;
    }
    crowd.all_here().await;
    // Longer than a lease.
    crate::all_the_while(Duration::from_secs(7), async || crowd.acked(20).await).await;
    tickets_are_good_everywhere(&cluster).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    cluster.judge(&crowd, expected).await;
    let wrong = format!(
        "SELECT count(*) FROM (SELECT ts < lag(ts) OVER (ORDER BY seq) OR abs(ts - {}) > 60000 AS wrong
         FROM messages) times WHERE wrong",
        now()
    );
    assert_eq!(cluster.postgres.sql(&cluster.database, &wrong), "0", "times in the log");
}

/// A ticket of each node opens a socket at each other one.
async fn tickets_are_good_everywhere(cluster: &Cluster) {
    for from in 0..NODES {
        let token = cluster.web(from).sign_in("traveller").await;
        for to in (0..NODES).filter(|to| *to != from) {
            let ticket = cluster.web(from).ticket(&token, "").await;
            let address = cluster.nodes[to].address();
            let opened = Client::knock(address, &format!("/ws?ticket={ticket}"), &[]).await;
            assert!(opened.is_ok(), "of node {from} at node {to}: {:?}", opened.err());
        }
    }
}
