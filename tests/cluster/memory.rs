//! Redis comes back with nothing in it, under a cluster that goes on: no list changes and nobody is
//! told of anybody, and after that people are announced as ever. Or it has no memory left: it still
//! carries, and who is there is known as it was.

use std::time::Duration;

use crate::{
    AT_THE_EDGE, BEYOND_A_LEASE, NODES, all_the_while,
    carrier::{EQUAL, all_are_green, everybody_hears_everybody},
    common::eventually,
    harness::{
        crowd::Crowd,
        page::Page,
        person::{Order, Person, Plan},
        record::{Event, Recording},
        scene::{Cluster, Expected, Setup},
    },
    inhabited, talking,
};

const PEOPLE: usize = 30;
/// FAULTS: so long it is away before it is back with nothing.
const AWAY: Duration = Duration::from_secs(3);
/// How often each of them says something.
const PACE: Duration = Duration::from_millis(200);

/// Every node names all people, and nobody else.
async fn all_are_listed(cluster: &Cluster) {
    for list in cluster.lists("lobby").await {
        assert_eq!(list.users.len(), PEOPLE + 1 + AT_THE_EDGE, "{list:?}");
    }
}

/// What makes the memory empty: with the server, which is back before anybody could notice, or between
/// two commands of a server that stays.
enum Loss {
    Restarted,
    Flushed,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_redis_changes_no_list_and_announces_nobody() {
    let (cluster, mut crowd) = inhabited(Setup::of(NODES).behind_nginx(), PEOPLE).await;
    crowd.talk(PACE).await;
    let from = cluster.clock.now();
    // First it is away for a while.
    cluster.redis().kill();
    all_the_while(AWAY, async || everybody_hears_everybody(&crowd).await).await;
    cluster.redis().restart();
    everybody_hears_everybody(&crowd).await;
    for loss in [Loss::Restarted, Loss::Flushed] {
        match loss {
            Loss::Restarted => {
                cluster.redis().kill();
                cluster.redis().restart();
            }
            Loss::Flushed => drop(cluster.redis().cli(&["FLUSHALL"])),
        }
        everybody_hears_everybody(&crowd).await;
        all_the_while(BEYOND_A_LEASE, async || all_are_listed(&cluster).await).await;
        cluster.agrees(&crowd).await;
    }
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());

    // Somebody new is told to everybody, once, and is told again when leaving.
    crowd.enter_as(Plan::of("newcomer", &cluster.addresses(), 2));
    crowd.all_here().await;
    everybody_is_told(&cluster, &crowd, "joined").await;
    crowd.people.last().expect("who came last").tell(Order::Leave).await;
    everybody_is_told(&cluster, &crowd, "left").await;
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, PEOPLE + 2 + AT_THE_EDGE, "nobody lost a socket over it");
    for recording in crowd.recordings().iter().filter(|of| of.name != "newcomer") {
        for moved in ["joined", "left"] {
            assert_eq!(told(recording, moved), 1, "{} is told once that it {moved}", recording.name);
        }
    }
}

/// How often somebody was told that the newcomer has come, or has gone.
fn told(recording: &Recording, moved: &str) -> usize {
    let tells = |event: &&Event| match event {
        Event::Presence { joined, left, .. } => {
            let names = if moved == "joined" { joined } else { left };
            names.iter().any(|name| name == "newcomer")
        }
        Event::Announced { text } => text.contains(moved) && text.contains("newcomer"),
        _ => false,
    };
    recording.entries.iter().map(|entry| &entry.event).filter(tells).count()
}

async fn everybody_is_told(cluster: &Cluster, crowd: &Crowd, moved: &str) {
    let what = format!("everybody on {} nodes is told that somebody {moved}", cluster.nodes.len());
    eventually(&what, async || {
        let people = crowd.people[..PEOPLE].iter().map(Person::recorder);
        let mut all = people.chain(crowd.pages.iter().map(Page::recorder));
        all.all(|recorder| recorder.look(|recording| told(recording, moved) > 0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_left_keeps_no_presence_which_is_said_and_chat_works() {
    let (cluster, mut crowd) = talking(Setup::of(NODES).behind_nginx().undisturbed()).await;
    let (from, everybody) = (cluster.clock.now(), crowd.everybody());
    cluster.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]);
    eventually("each node says that it can't keep who is there", async || {
        let mut current = 0.0;
        for node in &cluster.nodes {
            current += node.metric("chorus_presence_current").await;
        }
        current == 0.0
    })
    .await;
    crowd.enter_as(Plan::of("newcomer", &cluster.addresses(), 1));
    crowd.all_here().await;
    assert!(
        cluster.lists("lobby").await[1].users.contains(&"newcomer".to_owned()),
        "known where they are"
    );
    all_the_while(BEYOND_A_LEASE, async || {
        everybody_hears_everybody(&crowd).await;
        all_are_green(&cluster).await;
    })
    .await;
    cluster.redis().cli(&["CONFIG", "SET", "maxmemory", "0"]);
    let agreed = cluster.agrees_within(EQUAL, &crowd).await;
    println!("lists are equal {agreed:.1?} after there is memory again");
    let expected = Expected::steady(everybody, from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 11 + AT_THE_EDGE, "nobody lost a socket over it");
}
