//! The node that relays dies, sleeps or goes: another one takes over, and never do two of them move a cursor.

use std::time::{Duration, Instant};

use super::{broker::talking, has_all, leader, relaying, shared, told};
use crate::{
    BUSY,
    common::{eventually, within},
    harness::scene::{Cluster, Setup},
};

/// A lease and the next question for it take five seconds; questions that a busy database does not answer in time
/// are asked again.
const TAKEN_OVER: Duration = Duration::from_secs(10).saturating_add(BUSY);

/// The number of the lead.
fn fence(cluster: &Cluster) -> u64 {
    cluster.postgres.sql(&cluster.database, "SELECT fence FROM relay_sinks").parse().unwrap()
}

/// Up to where the queue has the lobby.
fn cursor(cluster: &Cluster) -> u64 {
    let sql = "SELECT coalesce(max(seq), 0) FROM relay_cursors JOIN rooms ON rooms.id = room_id WHERE name = 'lobby'";
    cluster.postgres.sql(&cluster.database, sql).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_over_from_one_that_is_killed() {
    let (way, consumer) = shared().await;
    let mut cluster = relaying(Setup::of(3), &way).start().await;
    let crowd = talking(&cluster, 6).await;
    for _ in 0..2 {
        let place = leader(&cluster).await;
        let before = fence(&cluster);
        cluster.nodes[place].kill().await;
        let began = Instant::now();
        let next = leader(&cluster).await;
        let took = began.elapsed();
        println!("taken over after {took:.1?}");
        assert!(next != place && took < TAKEN_OVER, "{took:?}");
        assert!(fence(&cluster) > before);
        consumer.more(20).await;
        cluster.nodes[place].start().await;
    }
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stops_hands_over_at_once() {
    let (way, consumer) = shared().await;
    let mut cluster = relaying(Setup::of(2), &way).start().await;
    let crowd = talking(&cluster, 4).await;
    let place = leader(&cluster).await;
    assert_eq!(cluster.nodes[place].stop().await, Some(0));
    let other = &cluster.nodes[1 - place];
    let limit = Duration::from_secs(2).saturating_add(BUSY);
    let took = within(limit, "the other relays", async || told(other, "leading").await > 0.0).await;
    println!("handed over {took:.1?} after its end");
    consumer.more(20).await;
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_frozen_moves_no_cursor_when_it_wakes() {
    let (way, consumer) = shared().await;
    let cluster = relaying(Setup::of(2), &way).start().await;
    let crowd = talking(&cluster, 4).await;
    for _ in 0..2 {
        let place = leader(&cluster).await;
        cluster.nodes[place].freeze().await;
        let other = &cluster.nodes[1 - place];
        let took = within(TAKEN_OVER, "the other relays", async || told(other, "leading").await > 0.0).await;
        println!("taken over after {took:.1?}");
        let (led, far) = (fence(&cluster), cursor(&cluster));
        cluster.nodes[place].thaw().await;
        eventually("it steps down", async || told(&cluster.nodes[place], "leading").await == 0.0).await;
        eventually("the other goes on", async || cursor(&cluster) > far).await;
        assert_eq!(fence(&cluster), led, "nobody took the lead from it");
        assert!(told(other, "leading").await > 0.0);
        consumer.more(20).await;
    }
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_moves_nothing_and_loses_nothing() {
    let (way, consumer) = shared().await;
    let cluster = relaying(Setup::of(2).durable(), &way).start().await;
    let crowd = talking(&cluster, 4).await;
    consumer.more(20).await;
    cluster.postgres.kill();
    tokio::task::block_in_place(|| cluster.postgres.restart());
    crowd.acked(50).await;
    consumer.more(20).await;
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
}
