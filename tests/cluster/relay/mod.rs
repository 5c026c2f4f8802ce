//! What was said goes on to RabbitMQ and to Kafka: each event at least once and in the order of its room, whatever dies.
//! A consumer that keeps the rule of `docs/events.md` sees each once. The RabbitMQ is real; what the Kafka is,
//! [`servers::kafka`](crate::servers::kafka) says.

mod broker;
mod chaos;
pub(crate) mod consumer;
pub(crate) mod kafka;
mod nodes;
mod story;
mod webhooks;

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use tokio::task::spawn_blocking;

use self::consumer::Consumer;
use crate::{
    common::eventually,
    harness::{
        proxy::Proxy,
        scene::{Cluster, NodeProcess, Setup},
    },
    servers::rabbitmq::RabbitMq,
};

/// Where nodes publish, and consumers find it.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) url: String,
    pub(crate) exchange: String,
}

impl Way {
    /// To a broker of one's own.
    pub(crate) fn to(url: &str) -> Self {
        Self { url: url.to_owned(), exchange: "chorus".to_owned() }
    }

    /// An exchange that nobody else has, of a broker for all tests that leave it alone.
    async fn shared() -> Self {
        static BROKER: OnceLock<RabbitMq> = OnceLock::new();
        static EXCHANGES: AtomicU32 = AtomicU32::new(1);
        let url = spawn_blocking(|| BROKER.get_or_init(RabbitMq::start).url()).await.unwrap();
        let exchange = format!("chorus-{}", EXCHANGES.fetch_add(1, Ordering::Relaxed));
        Self { url, exchange }
    }

    /// The same by a line that can be broken.
    async fn by_a_line(&self) -> (Self, Proxy) {
        let (before, after) = self.url.split_once('@').unwrap();
        let (address, host) = after.split_once('/').unwrap();
        let line = Proxy::to(address.parse().unwrap()).await;
        let url = format!("{before}@{}/{host}", line.address());
        (Self { url, ..self.clone() }, line)
    }
}

/// A scene whose nodes relay there.
fn relaying(setup: Setup, way: &Way) -> Setup {
    setup.with("AMQP_URL", &way.url).with("AMQP_EXCHANGE", &way.exchange)
}

/// The value of a gauge or counter of the relay on a node.
async fn told(node: &NodeProcess, name: &str) -> f64 {
    told_of("rabbitmq", node, name).await
}

/// The same of this sink.
async fn told_of(sink: &str, node: &NodeProcess, name: &str) -> f64 {
    node.metric(&format!("chorus_relay_{name}{{sink=\"{sink}\"}}")).await
}

/// The place of the node that relays, when there is one.
async fn leader(cluster: &Cluster) -> usize {
    leader_of("rabbitmq", cluster).await
}

/// The same of this sink.
async fn leader_of(sink: &str, cluster: &Cluster) -> usize {
    let found = Mutex::new(None);
    eventually("a node relays", async || {
        for (place, node) in cluster.nodes.iter().enumerate().filter(|(_, node)| node.runs()) {
            if told_of(sink, node, "leading").await > 0.0 {
                *found.lock().unwrap() = Some(place);
                return true;
            }
        }
        false
    })
    .await;
    let place = *found.lock().unwrap();
    place.expect("just found")
}

/// Waits until the consumer has seen all that is in the log of these rooms, and judges that it saw each once and in
/// order.
async fn has_all<P: Clone + Send + 'static>(consumer: &Consumer<P>, cluster: &Cluster, rooms: &[String]) {
    for room in rooms {
        let log = cluster.log(room);
        // What has gathered comes at its own pace.
        while consumer.count(room) < log.len() {
            let count = consumer.count(room);
            let what = format!("the consumer sees more than {count} of {} in {room}", log.len());
            eventually(&what, async || consumer.count(room) > count).await;
        }
        let seen = consumer.seen(room);
        let expected: Vec<(u64, String)> = log.into_iter().map(|said| (said.seq, said.text)).collect();
        assert_eq!(seen, expected, "{room}: each once and in order");
    }
}

/// An exchange of a broker that all share, with a consumer that takes everything.
async fn shared() -> (Way, Consumer) {
    let way = Way::shared().await;
    let consumer = Consumer::of(&way, "#").await;
    (way, consumer)
}

/// A broker to do harm to, with a consumer that takes everything.
async fn own() -> (RabbitMq, Way, Consumer) {
    let broker = spawn_blocking(RabbitMq::start).await.unwrap();
    let way = Way::to(&broker.url());
    let consumer = Consumer::of(&way, "#").await;
    (broker, way, consumer)
}
