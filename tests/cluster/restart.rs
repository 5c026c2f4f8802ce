//! All nodes are restarted, one after the other, and one of them dies besides, while people talk:
//! nobody notices more than a socket that was opened again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    BEYOND_A_LEASE, NODES, all_the_while,
    common::eventually,
    harness::{
        crowd::Crowd,
        record::{Event, Recording},
        scene::{Cluster, Expected, Setup},
    },
    inhabited,
};

const PEOPLE: usize = 12;
/// How often each of the people says something.
const PACE: Duration = Duration::from_millis(100);
/// What a node has to stop in. Two thirds of it go to sending its people away.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How long somebody may be without a socket.
const AWAY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_all_nodes_is_noticed_by_nobody() {
    let seconds = SHUTDOWN.as_secs().to_string();
    let setup = Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", &seconds);
    let (mut cluster, crowd) = inhabited(setup, PEOPLE).await;
    crowd.talk(PACE).await;
    crowd.acked(50).await;
    let from = cluster.clock.now();
    for node in 0..NODES {
        drains(&mut cluster, &crowd, node).await;
        cluster.nodes[node].start().await;
        crowd.acked(50).await;
    }
    // And once without a word: the same people come back before anybody misses them.
    cluster.nodes[0].kill().await;
    cluster.nodes[0].start().await;
    crowd.all_here().await;
    all_the_while(BEYOND_A_LEASE, async || crowd.acked(10).await).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert!(judged.sockets >= PEOPLE + 1 + PEOPLE, "most moved: {judged:?}");
    for recording in crowd.recordings() {
        for away in recording.absences() {
            assert!(away <= AWAY, "{} is away for {away:?}", recording.client);
        }
    }
}

/// A node is told to stop: it says so first, serves on, sends its people away and ends in time.
async fn drains(cluster: &mut Cluster, crowd: &Crowd, node: usize) {
    let address = cluster.nodes[node].address();
    // Somebody must be there to be served on.
    eventually("it has people", async || crowd.recordings().iter().any(|of| is_on(of, address))).await;
    let (told, asked_since) = (Instant::now(), cluster.clock.now());
    cluster.nodes[node].terminate().await;
    let draining = (503, vec!["draining".to_owned()]);
    eventually("it says that it drains", async || cluster.ready(node).await == draining).await;
    let since = cluster.clock.now();
    eventually("it serves on", async || {
        crowd
            .people
            .iter()
            .any(|person| person.recorder().look(|of| was_served(of, address, since)))
    })
    .await;
    assert_eq!(cluster.nodes[node].ended().await, Some(0), "it ends by itself");
    assert!(told.elapsed() <= SHUTDOWN, "{:?}", told.elapsed());
    are_sent_away_one_by_one(crowd, asked_since);
}

/// Who was asked to leave then was asked for a moment of its own, spread over the drain.
fn are_sent_away_one_by_one(crowd: &Crowd, since: Duration) {
    let of = |recording: &Recording| -> Vec<u64> {
        let recent = recording.entries.iter().filter(|entry| entry.at >= since);
        recent
            .filter_map(
                |entry| if let Event::Reconnect { after_ms } = entry.event { Some(after_ms) } else { None },
            )
            .collect()
    };
    let mut asked: Vec<u64> = crowd.recordings().iter().flat_map(of).collect();
    asked.sort_unstable();
    let drain = SHUTDOWN.as_secs() * 1000 * 2 / 3;
    println!("asked to leave after {asked:?} of {drain} ms");
    let even = drain / (asked.len() as u64 + 2);
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= even / 2), "{asked:?}");
    assert!(asked.len() < 2 || asked[asked.len() - 1] >= drain / 3, "{asked:?}");
}

/// Whether the socket that is open leads to this node.
fn is_on(recording: &Recording, node: SocketAddr) -> bool {
    let last = recording.entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Connected { node } => Some(Some(node)),
        Event::Closed { .. } => Some(None),
        _ => None,
    });
    last.flatten().is_some_and(|at| *at == node.to_string())
}

/// Whether this node has acknowledged something after that time.
fn was_served(recording: &Recording, node: SocketAddr, since: Duration) -> bool {
    let mut here = false;
    for entry in &recording.entries {
        match &entry.event {
            Event::Connected { node: at } => here = *at == node.to_string(),
            Event::Ack { .. } if here && entry.at > since => return true,
            _ => {}
        }
    }
    false
}
