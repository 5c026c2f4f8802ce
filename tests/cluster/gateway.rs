//! Three nodes behind this project's nginx, and everybody comes through it, a page of the predecessor
//! too: nodes die and stop beneath live sockets, nginx takes over new configurations, people go round
//! without any stickiness. The checker judges the same rules as without nginx.

use std::time::{Duration, Instant};

use crate::{
    NODES,
    common::{web::Web, within},
    harness::{
        crowd::Crowd,
        person::{Order, Plan},
        proxy::Proxy,
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

/// Everybody who is there when all lines break.
const ALL: usize = 200;
/// FAULTS: so soon all are back.
const BACK: Duration = Duration::from_secs(30);
/// How long somebody new may have to wait at the door meanwhile.
const LET_IN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn all_who_lose_their_sockets_at_once_are_back_in_time_and_others_get_in() {
    let cluster = Setup::of(NODES).undisturbed().start().await;
    let mut lines = Vec::new();
    for address in cluster.addresses() {
        lines.push(Proxy::to(address).await);
    }
    let addresses: Vec<_> = lines.iter().map(Proxy::address).collect();
    let nginx = Nginx::start(&addresses, &GENEROUS);
    let mut crowd = Crowd::of(cluster.clock, &[nginx.address]);
    for number in 0..ALL {
        // Half of them as programs come, half as browsers do, with a ticket for each socket.
        let plan = Plan::of(&format!("person{number:03}"), &[nginx.address], 0);
        crowd.enter_as(Plan { tickets: number % 2 == 0, ..plan });
    }
    crowd.all_here().await;
    cluster.agrees(&crowd).await;
    let visits = crowd.visits();
    let lost = Instant::now();
    lines.iter().for_each(Proxy::reset);
    let newcomer = async {
        let began = Instant::now();
        let web = Web::anew(nginx.address);
        web.sign_in("newcomer").await;
        began.elapsed()
    };
    let back = within(BACK, "everybody is back", async || {
        crowd.visits() >= visits + ALL && crowd.people.iter().all(|person| person.progress().here)
    });
    let (back, let_in) = tokio::join!(back, newcomer);
    println!("{ALL} were back after {back:.1?}; somebody new was let in within {let_in:.1?}");
    assert!(let_in <= LET_IN, "somebody new waits for {let_in:?}");
    crowd.talk(100 * PACE).await;
    crowd.acked(ALL).await;
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.sockets >= 2 * ALL, "{:?} after {:?}", judged, lost.elapsed());
}
