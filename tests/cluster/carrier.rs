//! What carries between the nodes fails: Redis goes away, stands still, loses its listeners,
//! tells everything badly, or can't be reached by one node. Chat goes on, and nobody is announced.

use std::time::{Duration, Instant};

use crate::{
    NODES,
    harness::{
        crowd::Crowd,
        gossip::Manners,
        person::{Order, Plan},
        proxy::Direction,
        scene::{Cluster, Expected, Setup},
    },
    talking,
};

/// Somebody new on each node reaches everybody on the others, whatever the state of Redis.
pub(crate) async fn everybody_hears_everybody(crowd: &Crowd) {
    let before = crowd.seen("lobby");
    crowd.acked(100).await;
    crowd.all_see("lobby", before + 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_and_go_while_redis_is_away() {
    let (cluster, mut crowd) = talking(Setup::of(NODES)).await;
    cluster.redis().kill();
    crowd.people[0].tell(Order::Leave).await;
    crowd.people[1].tell(Order::Reload(Some(2))).await;
    crowd.enter_as(Plan::of("newcomer", &cluster.addresses(), 1));
    crowd.people[9].until("being there without Redis", |progress| progress.here).await;
    everybody_hears_everybody(&crowd).await;
    cluster.redis().restart();
    cluster.agrees(&crowd).await;
    cluster.judge(&crowd, Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stands_still_and_chat_goes_on() {
    let (cluster, crowd) = talking(Setup::of(NODES)).await;
    let from = cluster.clock.now();
    cluster.redis().freeze();
    // Longer than a lease: what nobody could renew must not end.
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(8) {
        everybody_hears_everybody(&crowd).await;
    }
    cluster.redis().thaw();
    everybody_hears_everybody(&crowd).await;
    cluster.agrees(&crowd).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    cluster.judge(&crowd, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_are_cut_again_and_again_miss_nothing() {
    let (cluster, crowd) = talking(Setup::of(NODES)).await;
    let from = cluster.clock.now();
    for _ in 0..10 {
        cluster.redis().kill_subscribers();
        crowd.acked(30).await;
    }
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    cluster.judge(&crowd, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_that_come_twice_late_shuffled_or_never_change_nothing() {
    let manners = Manners { lost: 0.1, doubled: 0.3, repeated_late: 0.2 };
    let (cluster, mut crowd) = talking(Setup::of(NODES).gossiping(manners)).await;
    crowd.acked(500).await;
    // What is lost all the time must not pile up: each gap is looked for as it comes.
    let (said, began) = (crowd.seen("lobby"), Instant::now());
    crowd.all_see("lobby", said).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?} behind", began.elapsed());
    for person in 0..3 {
        crowd.people[person].tell(Order::Reload(Some(person + 1))).await;
    }
    crowd.people[3].tell(Order::Leave).await;
    crowd.people[4].tell(Order::SignOut).await;
    crowd.enter_as(Plan::of("newcomer", &cluster.addresses(), 1));
    crowd.acked(500).await;
    cluster.judge(&crowd, Expected::default()).await;
    for node in &cluster.nodes {
        assert!(node.gossip.as_ref().unwrap().told_badly() > 100, "{}", node.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_cannot_reach_redis_is_no_island() {
    let (cluster, crowd) = talking(Setup::of(NODES).proxied()).await;
    let line = cluster.nodes[0].to_redis.as_ref().unwrap();
    island(&cluster, &crowd, || line.cut()).await;
    island(&cluster, &crowd, || line.swallow(Direction::Down)).await;
    island(&cluster, &crowd, || line.stall()).await;
    line.delay(Duration::from_millis(100));
    everybody_hears_everybody(&crowd).await;
    cluster.judge(&crowd, Expected::default()).await;
}

/// The first node's line to Redis fails and heals.
async fn island(cluster: &Cluster, crowd: &Crowd, fail: impl Fn()) {
    fail();
    everybody_hears_everybody(crowd).await;
    cluster.nodes[0].to_redis.as_ref().unwrap().heal();
    everybody_hears_everybody(crowd).await;
}
