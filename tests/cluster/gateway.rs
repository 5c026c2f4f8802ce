//! Three nodes behind this project's nginx, and everybody comes through it, a page of the predecessor
//! too: nodes die and stop beneath live sockets, nginx takes over new configurations, people go round
//! without any stickiness. The checker judges the same rules as without nginx.

use std::time::Duration;

use crate::{
    NODES,
    harness::{
        crowd::Crowd,
        person::Order,
        scene::{Cluster, Expected, Setup},
    },
    servers::nginx::{GENEROUS, Nginx},
};

const PEOPLE: usize = 9;
/// How often each of the people says something.
const PACE: Duration = Duration::from_millis(60);
/// Nine people and a page who talk through nginx.
async fn scene(settings: &[(&str, &str)]) -> (Cluster, Nginx, Crowd) {
    let cluster = Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", "4").start().await;
    let nginx = Nginx::start(&cluster.addresses(), &[&GENEROUS, settings].concat());
    let crowd = cluster.that_talks(nginx.address, PEOPLE, PACE).await;
    (cluster, nginx, crowd)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_killed_and_stopped_beneath_live_sockets_and_nothing_is_lost() {
    let (mut cluster, _nginx, crowd) = scene(&[]).await;
    cluster.nodes[0].kill().await;
    crowd.acked(150).await;
    cluster.nodes[0].start().await;
    crowd.acked(50).await;
    let from = cluster.clock.now();
    assert_eq!(cluster.nodes[1].stop().await, Some(0), "it ends by itself");
    crowd.acked(100).await;
    cluster.nodes[1].start().await;
    let to = cluster.clock.now();
    crowd.acked(50).await;
    let expected = Expected::steady(crowd.names(), from, to);
    let judged = cluster.judge(&crowd, expected).await;
    assert!(judged.sockets > PEOPLE + 1, "somebody had to move: {judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn correctness_needs_no_stickiness() {
    let (cluster, nginx, crowd) = scene(&[("STICKY", "off")]).await;
    for round in 0..3 {
        for person in &crowd.people {
            person.tell(Order::Reload(None)).await;
        }
        crowd.all_here().await;
        crowd.acked(40).await;
        assert!(!nginx.said().contains("chorus_node"), "round {round}");
    }
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.sockets > 3 * PEOPLE, "{judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_of_nginx_drop_nobody() {
    let (cluster, nginx, crowd) = scene(&[]).await;
    for _ in 0..20 {
        nginx.reload();
        crowd.acked(5).await;
    }
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert_eq!(judged.sockets, PEOPLE + 1, "each has the socket it came with: {judged:?}");
}
