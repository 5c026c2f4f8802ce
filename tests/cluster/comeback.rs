//! A node that is killed and comes back on the same port at once is another node: nobody returns
//! with it who did not connect again. And one that comes while Redis is away is a node all the
//! same.

use std::time::Instant;

use serde_json::json;

use crate::{
    BEYOND_A_LEASE, NO_GHOSTS, NODES, all_the_while,
    common::eventually,
    harness::{
        crowd::Crowd,
        person::{Order, Plan},
        record::Event,
        scene::{Cluster, Expected, Setup},
    },
};

fn is_ghost(name: &str) -> bool {
    name.starts_with("ghost")
}

/// Who is on the lists of all nodes though their sockets died with their node.
async fn ghosts(cluster: &Cluster) -> Vec<String> {
    let lists = cluster.lists("lobby").await;
    assert_eq!(lists.len(), NODES);
    lists.into_iter().flat_map(|list| list.users).filter(|name| is_ghost(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_that_is_back_at_once_brings_nobody_with_it() {
    let mut cluster = Setup::of(NODES).undisturbed().start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(6).await;
    let mut lost = Vec::new();
    for number in 0..5 {
        let web = cluster.web(1);
        lost.push(web.guest(&web.sign_in(&format!("ghost{number}")).await).await);
    }
    eventually("all are on all lists", async || ghosts(&cluster).await.len() == 5 * NODES).await;

    let from = cluster.clock.now();
    cluster.nodes[1].kill().await;
    let killed = Instant::now();
    cluster.nodes[1].start().await;
    // Those who only knew this node and did not come back.
    drop(lost);
    eventually("nobody is left of them", async || ghosts(&cluster).await.is_empty()).await;
    assert!(killed.elapsed() <= NO_GHOSTS, "{:?}", killed.elapsed());
    all_the_while(BEYOND_A_LEASE, async || assert_eq!(ghosts(&cluster).await, [""; 0])).await;

    let expected = Expected::steady(crowd.names(), from, cluster.clock.now());
    // Who connects again is there again, told once.
    crowd.enter_as(Plan::of("ghost0", &cluster.addresses(), 1));
    crowd.all_here().await;
    cluster.judge(&crowd, expected).await;
    for person in &crowd.people[..6] {
        person.recorder().look(|recording| {
            let came = recording.entries.iter().filter(|entry| entry.at > from).flat_map(|entry| {
                let Event::Presence { joined, .. } = &entry.event else { return &[][..] };
                joined
            });
            assert_eq!(came.collect::<Vec<_>>(), ["ghost0"], "{}", person.name);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_while_redis_is_away_is_ready_and_joins_the_others_when_it_comes() {
    let mut cluster = Setup::of(NODES).start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(6).await;
    cluster.redis().kill();
    assert_eq!(cluster.nodes[2].stop().await, Some(0));
    cluster.nodes[2].start().await;
    let mut late = cluster.guest(2, "late").await;
    assert_eq!(cluster.ready(2).await, (200, vec![]));
    // Both ways through the log.
    late.say_acked("lobby", "l1", "is anybody there?").await;
    crowd.all_see("lobby", 1).await;
    let text = "through the log".to_owned();
    crowd.people[0].tell(Order::Say { room: "lobby".to_owned(), text }).await;
    late.until_seq("lobby", 2).await;
    assert_eq!(cluster.ready(2).await, (200, vec![]));

    cluster.redis().restart();
    let names: Vec<String> = (0..6).map(|number| format!("person{number:03}")).collect();
    let all: Vec<&str> = ["late"].into_iter().chain(names.iter().map(String::as_str)).collect();
    late.until_people("lobby", &all).await;
    eventually("all nodes have all people", async || {
        cluster.lists("lobby").await.iter().all(|list| list.users == all)
    })
    .await;
    // What only the bus carries arrives, too.
    let mut far = cluster.guest(0, "far").await;
    late.send(json!({ "type": "typing", "room": "lobby" })).await;
    assert_eq!(far.expect("typing").await["username"], "late");
}
