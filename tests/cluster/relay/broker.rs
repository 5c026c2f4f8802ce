//! The broker is killed, stands there with a full disk, is not there at all, or the line to it breaks at the worst
//! moment. Chat goes on, the node is ready, and in the end nothing is missing.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Way, consumer::Consumer, has_all, leader, own, relaying, shared, told, told_of};
use crate::{
    common::eventually,
    harness::{
        crowd::Crowd,
        proxy::{Direction, Proxy},
        scene::{Cluster, Setup},
    },
    nodes::PACE,
    servers::{free_port, rabbitmq::RabbitMq},
};

/// So many people who talk, spread over the nodes.
pub(super) async fn talking(cluster: &Cluster, people: usize) -> Crowd {
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(people).await;
    crowd.talk(PACE).await;
    crowd.acked(20).await;
    crowd
}

/// What a test does to a broker takes seconds, in which everybody else goes on.
pub(super) async fn meanwhile(broker: &Arc<RabbitMq>, deed: impl FnOnce(&RabbitMq) + Send + 'static) {
    let broker = Arc::clone(broker);
    spawn_blocking(move || deed(&broker)).await.unwrap();
}

/// Everybody hears everybody, and balancers send people.
pub(super) async fn is_well(cluster: &Cluster, crowd: &Crowd) {
    crowd.acked(50).await;
    for node in 0..cluster.nodes.len() {
        assert_eq!(cluster.ready(node).await, (200, vec![]), "node {node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_restarted_misses_nothing() {
    let (broker, way, consumer) = own().await;
    let broker = Arc::new(broker);
    let cluster = relaying(Setup::of(2), &way).start().await;
    let crowd = talking(&cluster, 4).await;
    consumer.more(20).await;
    for _ in 0..2 {
        meanwhile(&broker, RabbitMq::kill).await;
        is_well(&cluster, &crowd).await;
        let node = &cluster.nodes[leader(&cluster).await];
        eventually("it is seen to be gone", async || told(node, "connected").await == 0.0).await;
        eventually("something waits", async || told(node, "lag_messages").await > 0.0).await;
        meanwhile(&broker, RabbitMq::restart).await;
        consumer.more(20).await;
    }
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
    let node = &cluster.nodes[leader(&cluster).await];
    eventually("nothing waits", async || told(node, "lag_messages").await == 0.0).await;
    assert!(told(node, "lag_seconds").await == 0.0 && told(node, "confirmed_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_only_later_is_told_everything() {
    let nobody = Way::to(&format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port()));
    let mut cluster = relaying(Setup::alone(), &nobody).start().await;
    let crowd = talking(&cluster, 2).await;
    is_well(&cluster, &crowd).await;
    let said = cluster.nodes[0].said();
    assert!(said.contains("waits for the sink of the relay"), "{said}");
    crowd.fall_silent().await;
    let (way, consumer) = shared().await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0), "it ends in time, too");
    cluster.nodes[0].set("AMQP_URL", &way.url);
    cluster.nodes[0].set("AMQP_EXCHANGE", &way.exchange);
    cluster.nodes[0].start().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_room_is_waited_for() {
    let (broker, way, consumer) = own().await;
    let broker = Arc::new(broker);
    let cluster = relaying(Setup::alone(), &way).start().await;
    let crowd = talking(&cluster, 2).await;
    consumer.more(10).await;
    meanwhile(&broker, RabbitMq::disk_is_full).await;
    let node = &cluster.nodes[0];
    eventually("it says so", async || told(node, "blocked").await > 0.0).await;
    is_well(&cluster, &crowd).await;
    eventually("something waits", async || told(node, "lag_messages").await > 0.0).await;
    meanwhile(&broker, RabbitMq::disk_has_room).await;
    eventually("it takes them", async || told(node, "blocked").await == 0.0).await;
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
    assert!(node.said().contains("RabbitMQ takes no messages"), "{}", node.said());
}

/// Several times the broker gets what is published, and that it has it nobody hears.
pub(super) async fn bears_lost_words<P: Clone + Send + 'static>(
    sink: &str,
    cluster: &Cluster,
    consumer: &Consumer<P>,
    (line, times): (&Proxy, usize),
) {
    let (crowd, node) = (talking(cluster, 3).await, &cluster.nodes[0]);
    for _ in 0..times {
        consumer.more(20).await;
        line.swallow(Direction::Down);
        eventually("it waits no longer", async || told_of(sink, node, "connected").await == 0.0).await;
        line.reset();
        line.heal();
    }
    crowd.fall_silent().await;
    has_all(consumer, cluster, &crowd.rooms()).await;
    let doubled = consumer.came().iter().filter(|one| !one.taken).count();
    assert!(doubled > 0, "what was not confirmed came again");
    assert!(told_of(sink, node, "retries_total").await > 0.0);
}

/// The line stands still; the node ends and comes back.
pub(super) async fn bears_a_still_line<P: Clone + Send + 'static>(
    sink: &str,
    cluster: &mut Cluster,
    consumer: &Consumer<P>,
    line: &Proxy,
) {
    let crowd = talking(cluster, 2).await;
    consumer.more(10).await;
    line.stall();
    let node = &cluster.nodes[0];
    eventually("it gives it up", async || told_of(sink, node, "connected").await == 0.0).await;
    is_well(cluster, &crowd).await;
    crowd.fall_silent().await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0), "{}", "it ends in time");
    line.reset();
    line.heal();
    cluster.nodes[0].start().await;
    has_all(consumer, cluster, &crowd.rooms()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_lost_on_its_way_back_doubles_events_for_nobody() {
    let (way, consumer) = shared().await;
    let (way, line) = way.by_a_line().await;
    let cluster = relaying(Setup::alone(), &way).start().await;
    bears_lost_words("rabbitmq", &cluster, &consumer, (&line, 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_stands_still_is_given_up_and_the_node_ends_in_time_all_the_same() {
    let (way, consumer) = shared().await;
    let (way, line) = way.by_a_line().await;
    let mut cluster = relaying(Setup::alone(), &way).start().await;
    bears_a_still_line("rabbitmq", &mut cluster, &consumer, &line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stays_away_finds_everything_in_its_queue() {
    let (way, consumer) = shared().await;
    let cluster = relaying(Setup::alone(), &way).start().await;
    let crowd = talking(&cluster, 2).await;
    drop(consumer);
    crowd.acked(100).await;
    crowd.fall_silent().await;
    let node = &cluster.nodes[0];
    let said = cluster.log("lobby").len();
    #[allow(clippy::cast_precision_loss, reason = "some hundred")]
    let all = said as f64;
    eventually("all is in the queue", async || told(node, "confirmed_total").await >= all).await;
    // What came while the first one was there it has taken along.
    let consumer = Consumer::resume(&way);
    eventually("the rest comes", async || {
        consumer.seen("lobby").last().is_some_and(|(seq, _)| *seq == said as u64)
    })
    .await;
}
