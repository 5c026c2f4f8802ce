//! One node on PostgreSQL with proxies between: what the servers and the lines suffer costs nobody
//! a message.

use std::time::Duration;

use crate::harness::{
    check::Steady,
    crowd::Crowd,
    person::{Order, Plan},
    proxy::{Direction, Proxy},
    scene::{Cluster, Expected, Setup},
};

const PACE: Duration = Duration::from_millis(20);

async fn scene(setup: Setup) -> (Cluster, Crowd) {
    let cluster = setup.proxied().start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(6).await;
    crowd.talk(PACE).await;
    crowd.acked(100).await;
    (cluster, crowd)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_to_postgres_that_stalls_breaks_and_crawls_loses_nothing() {
    let (cluster, crowd) = scene(Setup::alone()).await;
    let line = cluster.nodes[0].to_postgres.as_ref().unwrap();
    assert!(line.bytes(Direction::Up) > 0, "the node goes through it");

    line.stall();
    let someone = &crowd.people[0];
    let refusals = || someone.recorder().look(|all| count_errors(&all.entries));
    crate::common::eventually("a stalled database refuses", async || refusals() > 0).await;
    line.heal();
    crowd.acked(100).await;

    line.cut();
    let before = refusals();
    crate::common::eventually("a cut line refuses", async || refusals() > before).await;
    line.heal();
    crowd.acked(100).await;

    line.delay(Duration::from_millis(30));
    crowd.acked(100).await;
    line.heal();

    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.acks >= 400 && judged.deliveries >= 6 * 300, "{judged:?}");
    assert_eq!(judged.sockets, 6, "nobody lost a socket over it");
}

fn count_errors(entries: &[crate::harness::record::Entry]) -> usize {
    let error = |entry: &&crate::harness::record::Entry| {
        matches!(entry.event, crate::harness::record::Event::Error { .. })
    };
    entries.iter().filter(error).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_whose_line_to_the_node_suffers_come_back_and_miss_nothing() {
    let (cluster, mut crowd) = scene(Setup::alone()).await;
    let line = Proxy::to(cluster.nodes[0].address()).await;
    for number in 0..4 {
        crowd.enter_as(Plan::of(&format!("afar{number}"), &[line.address()], 0));
    }
    crowd.enter_page("oldpage", 0);
    crowd.all_here().await;
    crowd.talk(PACE).await;
    crowd.pages[0].say("a line of the old page").await;
    crowd.acked(100).await;
    let from = cluster.clock.now();

    line.reset();
    crowd.people[6]
        .until("coming back", |progress| progress.here && progress.visits == 2)
        .await;
    line.swallow(Direction::Down);
    crowd.acked(100).await;
    line.heal();
    crowd.people[6]
        .until("coming back again", |progress| progress.here && progress.visits == 3)
        .await;
    let names = crowd.people.iter().map(|person| person.name.clone()).collect();
    let steady = Steady { names, from, to: cluster.clock.now() };

    crowd.people[1].tell(Order::SignOut).await;
    crowd.people[2].tell(Order::Leave).await;
    crowd.people[3].tell(Order::Reload(None)).await;
    let judged = cluster.judge(&crowd, Expected { steady: vec![steady], ..Expected::default() }).await;
    assert!(judged.sockets > 10 + 4 * 2, "{judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_freezes_of_the_node_and_its_database_lose_nothing() {
    let (mut cluster, crowd) = scene(Setup::alone().durable()).await;
    cluster.nodes[0].kill().await;
    cluster.nodes[0].start().await;
    crowd.acked(100).await;

    cluster.postgres.kill();
    cluster.postgres.restart();
    crowd.acked(100).await;

    cluster.nodes[0].freeze().await;
    let someone = &crowd.people[0];
    someone.until("giving up", |progress| !progress.here).await;
    cluster.nodes[0].thaw().await;
    crowd.acked(100).await;

    assert_eq!(cluster.nodes[0].stop().await, Some(0), "a drain ends by itself");
    cluster.nodes[0].start().await;
    crowd.acked(100).await;
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.acks >= 500, "{judged:?}");
}
