//! What carries between the nodes fails: Redis goes away, stands still, loses its listeners,
//! tells everything badly, or can't be reached by one node. Chat goes on, and nobody is announced.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    BUSY, NODES, all_the_while,
    harness::{
        crowd::Crowd,
        gossip::Manners,
        person::{Order, Plan},
        proxy::Direction,
        scene::{Cluster, Expected, NodeProcess, Setup},
        times,
    },
    talking,
};

/// FAULTS: with Redis gone, what is said has reached everybody so soon, 99 times of 100; and what is
/// lost on the way is found again so soon.
const THROUGH_THE_LOG: Duration = Duration::from_secs(1).saturating_add(BUSY);
/// FAULTS: a last message whose notice is lost, after which nothing comes that would show the gap.
const LAST: Duration = Duration::from_millis(2500).saturating_add(BUSY);
/// FAULTS: lists are equal again so soon after Redis is back.
pub(crate) const EQUAL: Duration = Duration::from_secs(5).saturating_add(BUSY);
/// What a busy machine may add to a percentile. A wait for Redis would add at least its commands'
/// limit, 450 ms.
const NOISE: Duration = Duration::from_millis(250);
/// Memory that a node may gain while Redis is gone: its queues for Redis are full long before.
const GAIN: u64 = 32 * 1024 * 1024;

/// How long Redis is gone; the figure of FAULTS, a minute, by `REDIS_GONE_SECONDS=60`.
#[allow(clippy::disallowed_methods, reason = "a test, not the program")]
fn gone() -> Duration {
    let seconds = std::env::var("REDIS_GONE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// Acknowledgements took at most twice as long as in a calm time before.
fn acks_are_unaffected(crowd: &Crowd, calm: &Range<Duration>, fault: &Range<Duration>) {
    let recordings = crowd.recordings();
    let (calm, fault) = (times::acks(&recordings, calm), times::acks(&recordings, fault));
    println!("acks before: {calm}; under the fault: {fault}");
    let most = 2 * calm.percentile(99) + NOISE;
    assert!(fault.percentile(99) <= most, "{calm}; under the fault: {fault}");
}

/// What was said in this time was delivered in time.
fn is_delivered(crowd: &Crowd, during: &Range<Duration>) {
    let delivered = times::deliveries(&crowd.recordings(), during);
    println!("deliveries under the fault: {delivered}");
    assert!(delivered.percentile(99) <= THROUGH_THE_LOG, "{delivered}");
}

/// All nodes live and may be sent people.
pub(crate) async fn all_are_green(cluster: &Cluster) {
    for node in 0..cluster.nodes.len() {
        assert_eq!(cluster.web(node).get("/health", "").await.status, 200, "node {node}");
        assert_eq!(cluster.ready(node).await, (200, vec![]), "node {node}");
    }
}

/// Somebody new on each node reaches everybody on the others, whatever the state of Redis.
pub(crate) async fn everybody_hears_everybody(crowd: &Crowd) {
    let before = crowd.seen("lobby");
    crowd.acked(100).await;
    crowd.all_see("lobby", before + 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_and_go_while_redis_is_away() {
    let (cluster, mut crowd) = talking(Setup::of(NODES).behind_nginx().undisturbed()).await;
    cluster.redis().kill();
    crowd.people[0].tell(Order::Leave).await;
    crowd.people[1].tell(Order::Reload(Some(2))).await;
    let newcomer = crowd.enter_as(Plan::of("newcomer", &cluster.addresses(), 1));
    newcomer.until("being there without Redis", |progress| progress.here).await;
    let memory: Vec<u64> = cluster.nodes.iter().map(NodeProcess::memory).collect();
    let from = cluster.clock.now();
    all_the_while(gone(), async || everybody_hears_everybody(&crowd).await).await;
    let gone = from..cluster.clock.now();
    for (node, before) in cluster.nodes.iter().zip(memory) {
        let gained = node.memory().saturating_sub(before);
        println!("{} gained {} KiB", node.name(), gained / 1024);
        assert!(gained < GAIN, "{} gained {gained} bytes", node.name());
    }
    cluster.redis().restart();
    let agreed = cluster.agrees_within(EQUAL, &crowd).await;
    println!("lists are equal {agreed:.1?} after its return");
    cluster.judge(&crowd, Expected::default()).await;
    is_delivered(&crowd, &gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stands_still_and_chat_goes_on() {
    let (cluster, crowd) = talking(Setup::of(NODES).behind_nginx().undisturbed()).await;
    let calm = cluster.clock.now()..calm_until(&cluster, &crowd).await;
    cluster.redis().freeze();
    // Longer than a lease: what nobody could renew must not end.
    all_the_while(Duration::from_secs(8), async || {
        everybody_hears_everybody(&crowd).await;
        all_are_green(&cluster).await;
    })
    .await;
    let frozen = calm.end..cluster.clock.now();
    cluster.redis().thaw();
    everybody_hears_everybody(&crowd).await;
    cluster.agrees(&crowd).await;
    let expected = Expected::steady(crowd.everybody(), frozen.start, cluster.clock.now());
    cluster.judge(&crowd, expected).await;
    acks_are_unaffected(&crowd, &calm, &frozen);
    is_delivered(&crowd, &frozen);
}

/// Half a second added to every exchange is more than a command's limit: every command fails, and
/// Redis is as good as gone. Chat does not notice, and no node says that it alone misses something.
#[tokio::test(flavor = "multi_thread")]
async fn redis_answers_half_a_second_late_and_acknowledgements_do_not() {
    let (cluster, crowd) = talking(Setup::of(NODES).proxied().undisturbed()).await;
    let calm = cluster.clock.now()..calm_until(&cluster, &crowd).await;
    for node in &cluster.nodes {
        node.to_redis.as_ref().unwrap().delay(Duration::from_millis(250));
    }
    all_the_while(Duration::from_secs(8), async || {
        everybody_hears_everybody(&crowd).await;
        all_are_green(&cluster).await;
    })
    .await;
    let slow = calm.end..cluster.clock.now();
    for node in &cluster.nodes {
        node.to_redis.as_ref().unwrap().heal();
    }
    cluster.agrees_within(EQUAL, &crowd).await;
    let expected = Expected::steady(crowd.everybody(), slow.start, cluster.clock.now());
    cluster.judge(&crowd, expected).await;
    acks_are_unaffected(&crowd, &calm, &slow);
    is_delivered(&crowd, &slow);
}

/// Enough is said for a percentile; answers when that was.
async fn calm_until(cluster: &Cluster, crowd: &Crowd) -> Duration {
    crowd.acked(500).await;
    cluster.clock.now()
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
    let manners = Manners { lost: 0.1, doubled: 0.3, repeated_late: 0.2, shuffled: true };
    let (cluster, mut crowd) = talking(Setup::of(NODES).gossiping(manners)).await;
    let from = cluster.clock.now();
    crowd.acked(500).await;
    let told_badly = from..cluster.clock.now();
    // What is lost all the time must not pile up: each gap is looked for as it comes.
    let (said, began) = (crowd.seen("lobby"), Instant::now());
    crowd.all_see("lobby", said).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?} behind", began.elapsed());
    is_delivered(&crowd, &told_badly);
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

/// Its notice is lost and nobody knows: no other notice follows that would show the gap, and the line is
/// fine otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_message_whose_notice_is_lost_comes_all_the_same() {
    let cluster = Setup::of(NODES).gossiping(Manners::GOOD).start().await;
    let mut alice = cluster.guest(0, "alice").await;
    let (mut bob, mut carol) = (cluster.guest(1, "bob").await, cluster.guest(2, "carol").await);
    let silence = |silent| {
        for node in &cluster.nodes {
            node.gossip.as_ref().unwrap().be_silent(silent);
        }
    };
    for seq in 1..=3 {
        silence(true);
        alice.say_acked("lobby", &format!("a{seq}"), "the last word").await;
        let said = Instant::now();
        all_the_while(Duration::from_millis(300), async || {}).await;
        silence(false);
        tokio::join!(bob.until_seq("lobby", seq), carol.until_seq("lobby", seq));
        println!("a last word came after {:.1?}", said.elapsed());
        assert!(said.elapsed() <= LAST, "{:?}", said.elapsed());
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
    assert_eq!(cluster.web(0).get("/health", "").await.status, 200, "it lives");
    cluster.nodes[0].to_redis.as_ref().unwrap().heal();
    everybody_hears_everybody(crowd).await;
}
