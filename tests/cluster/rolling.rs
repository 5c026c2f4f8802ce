//! A release, as people behind nginx live through it: all three nodes are restarted, one after the
//! other, while everybody talks; and then the operator evens out what the restart has left.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::{
    NODES,
    common::{Client, eventually},
    desk,
    harness::{
        beside,
        scene::{Cluster, Expected, Setup},
    },
    nginx::scene::visit,
    servers::nginx::{GENEROUS, Nginx},
};

const PEOPLE: usize = 24;
/// How often each of them says something.
const PACE: Duration = Duration::from_millis(200);
/// What a node has to stop in.
const SHUTDOWN: &str = "5";
/// How long somebody may be without a socket.
const AWAY: Duration = Duration::from_secs(3);

/// Restarts a node as a release does.
async fn restart(cluster: &mut Cluster, nginx: &Nginx, node: usize) {
    assert_eq!(cluster.nodes[node].stop().await, Some(0), "it ends by itself");
    nginx.until_ready(cluster.nodes[node].address(), false);
    cluster.nodes[node].start().await;
    nginx.until_ready(cluster.nodes[node].address(), true);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are for whoever asks")]
async fn a_rolling_restart_behind_nginx_loses_doubles_and_changes_nothing() {
    let setup = Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", SHUTDOWN);
    let mut cluster = setup.undisturbed().start().await;
    let nginx = Nginx::start(&cluster.addresses(), &GENEROUS);
    let crowd = cluster.that_talks(nginx.address, PEOPLE, PACE).await;
    let from = cluster.clock.now();
    for node in 0..NODES {
        restart(&mut cluster, &nginx, node).await;
        crowd.acked(100).await;
    }
    let to = cluster.clock.now();
    let judged = cluster.judge(&crowd, Expected::steady(crowd.everybody(), from, to)).await;
    let (figures, time) = (crowd.figures(), to.saturating_sub(from));
    println!(
        "{NODES} nodes restarted behind nginx in {time:.1?}: {figures}; none lost, none doubled, no list changed"
    );
    assert!(figures.longest <= AWAY, "{figures}");
    assert!(judged.sockets >= 2 * PEOPLE, "everybody had to move at least once: {judged:?}");
}

/// Somebody with a cookie of nginx, who goes when a node asks for it and comes back with it.
async fn live(nginx: SocketAddr, token: String, moves: Arc<AtomicUsize>) {
    let mut cookie = String::new();
    loop {
        match visit(nginx, "/ws", &token, &cookie).await {
            Ok((visitor, given)) => {
                cookie = given.unwrap_or(cookie);
                moves.fetch_add(1, Ordering::Relaxed);
                stay(visitor).await;
            }
            // As a client does that finds no node: a moment later it tries again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Until the socket ends, or the moment comes that its node asked for.
async fn stay(mut visitor: Client) {
    while let Ok(frame) = visitor.try_next().await {
        if frame["type"] == "reconnect" {
            let after = frame["afterMs"].as_u64().unwrap();
            return tokio::time::sleep(Duration::from_millis(after)).await;
        }
    }
}

/// How many sockets each node has.
async fn counts(cluster: &Cluster) -> Vec<u64> {
    let mut counts = Vec::new();
    for node in 0..cluster.nodes.len() {
        let seen = desk::json(cluster, node, &["cluster"]).await;
        counts.push(seen["node"]["state"]["sockets"].as_u64().unwrap());
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are for whoever asks")]
async fn what_a_restart_has_left_uneven_is_evened_out_though_cookies_hold_people() {
    let setup = Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", "2");
    let mut cluster = desk::acquainted(setup).await;
    let nginx = Nginx::start(&cluster.addresses(), &GENEROUS);
    let moves = Arc::new(AtomicUsize::new(0));
    for person in 0..12 {
        let token = cluster.web(0).sign_in(&format!("person{person:02}")).await;
        beside(live(nginx.address, token, moves.clone()));
    }
    let all_there = async || counts(&cluster).await.iter().sum::<u64>() == 12;
    eventually("everybody is there", all_there).await;
    restart(&mut cluster, &nginx, 2).await;
    eventually("everybody is there again", async || {
        counts(&cluster).await.iter().sum::<u64>() == 12
    })
    .await;
    let uneven = counts(&cluster).await;
    assert_eq!(uneven[2], 0, "nobody is moved to a node that is new: {uneven:?}");

    let dry = desk::json(&cluster, 0, &["rebalance", "--dry-run"]).await;
    assert_eq!((&dry["mean"], &dry["dryRun"]), (&json!(4), &json!(true)), "{dry}");
    assert_eq!(counts(&cluster).await, uneven, "it was only asked");
    let mut rounds = 0;
    // What nodes tell each other may be late, and then somebody comes where there are enough: once more.
    while counts(&cluster).await != [4, 4, 4] {
        rounds += 1;
        assert!(rounds <= 3, "it was {uneven:?} and is {:?}", counts(&cluster).await);
        for node in 0..NODES {
            evens_out(&cluster, node).await;
        }
    }
    println!(
        "sockets after the restart {uneven:?}, even after {rounds} rounds, {} visits",
        moves.load(Ordering::Relaxed)
    );
}

/// The operator asks a node to, and those that it has beyond the mean, which is 4, go.
async fn evens_out(cluster: &Cluster, node: usize) {
    let before = counts(cluster).await;
    let told = desk::json(cluster, node, &["rebalance", "--window", "1"]).await;
    assert_eq!(told["moving"].as_u64().unwrap(), before[node].saturating_sub(4), "{told}");
    eventually("they have moved", async || {
        let now = counts(cluster).await;
        now[node] == before[node].min(4) && now.iter().sum::<u64>() == before.iter().sum::<u64>()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are for whoever asks")]
async fn five_nodes_become_even_though_a_balancer_brings_people_to_full_ones_first() {
    let cluster = desk::acquainted(Setup::of(5).undisturbed()).await;
    let nodes = cluster.addresses();
    // At first there are two nodes, as nginx sees it, and everybody is there.
    let nginx = Nginx::start(&nodes[..2], &GENEROUS);
    let moves = Arc::new(AtomicUsize::new(0));
    for person in 0..20 {
        let token = cluster.web(0).sign_in(&format!("person{person:02}")).await;
        beside(live(nginx.address, token, moves.clone()));
    }
    let sum = async || counts(&cluster).await.iter().sum::<u64>();
    eventually("everybody is there", async || sum().await == 20).await;
    let uneven = counts(&cluster).await;
    assert_eq!(uneven[2..], [0, 0, 0], "{uneven:?}");
    nginx.set_nodes(&nodes);
    for node in &nodes {
        nginx.until_ready(*node, true);
    }
    let mut rounds = 0;
    // As above, what nodes tell each other may be late.
    while counts(&cluster).await != [4; 5] {
        rounds += 1;
        assert!(rounds <= 2, "it was {uneven:?} and is {:?}", counts(&cluster).await);
        for node in 0..nodes.len() {
            evens_out(&cluster, node).await;
        }
    }
    println!(
        "sockets on five nodes {uneven:?}, even after {rounds} rounds, {} visits",
        moves.load(Ordering::Relaxed)
    );
}
