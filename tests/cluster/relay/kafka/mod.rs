//! What goes on to Kafka. That nodes lead, wait and hand over is the same for every sink and tried with RabbitMQ; here
//! is what Kafka's own ways of failing do.

mod broker;
mod chaos;
mod story;

use std::{
    process::Stdio,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    task::spawn_blocking,
    time::sleep,
};

use super::{consumer, leader_of, told_of};
use crate::{
    harness::{
        proxy::Proxy,
        scene::{Cluster, NodeProcess, Setup},
    },
    servers::kafka::{Kafka, interpreter, script},
};

/// The sink's name.
const NAME: &str = "kafka";
/// Partitions of a topic.
const PARTITIONS: usize = 4;

/// What comes beside an event.
#[derive(Clone)]
pub(crate) struct Record {
    partition: u64,
    timestamp: u64,
    headers: Value,
}

pub(crate) type Consumer = consumer::Consumer<Record>;

/// Where nodes publish, and consumers find it.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) brokers: String,
    pub(crate) topic: String,
}

impl Way {
    /// A topic that nobody else has, of three brokers for all tests that leave them alone.
    async fn shared() -> Self {
        static KAFKA: OnceLock<Kafka> = OnceLock::new();
        static TOPICS: AtomicU32 = AtomicU32::new(1);
        let topic = format!("chorus-{}", TOPICS.fetch_add(1, Ordering::Relaxed));
        let make = move || {
            let kafka = KAFKA.get_or_init(|| Kafka::start(3));
            kafka.topic(&topic, PARTITIONS);
            Self { brokers: kafka.brokers(), topic }
        };
        spawn_blocking(make).await.unwrap()
    }

    /// The topic `chorus` of these brokers.
    pub(crate) fn to(brokers: String) -> Self {
        Self { brokers, topic: "chorus".to_owned() }
    }
}

/// Brokers to do harm to, with a topic and a consumer that takes everything.
async fn own(brokers: usize) -> (Arc<Kafka>, Way, Consumer) {
    let kafka = spawn_blocking(move || Kafka::start(brokers)).await.unwrap();
    kafka.topic("chorus", PARTITIONS);
    let way = Way::to(kafka.brokers());
    let consumer = consume(&way, &[]);
    (Arc::new(kafka), way, consumer)
}

/// The same of one broker, by a line that can be broken.
async fn by_a_line() -> (Arc<Kafka>, Way, Consumer, Proxy) {
    let kafka = spawn_blocking(|| Kafka::start(1)).await.unwrap();
    kafka.topic("chorus", PARTITIONS);
    let line = Proxy::to_port(kafka.port(1)).await;
    kafka.listens(1, line.address().port());
    let way = Way::to(line.address().to_string());
    let consumer = consume(&way, &[]);
    (Arc::new(kafka), way, consumer, line)
}

/// A scene whose nodes relay there.
fn relaying(setup: Setup, way: &Way) -> Setup {
    setup.with("KAFKA_BROKERS", &way.brokers).with("KAFKA_TOPIC", &way.topic)
}

async fn told(node: &NodeProcess, name: &str) -> f64 {
    told_of(NAME, node, name).await
}

async fn leader(cluster: &Cluster) -> usize {
    leader_of(NAME, cluster).await
}

/// librdkafka's consumer, which takes everything from the beginning on. The settings are its own.
pub(crate) fn consume(way: &Way, settings: &[&str]) -> Consumer {
    let mut program = Command::new(interpreter());
    program.arg(script()).args(["consume", &way.brokers, &way.topic]).args(settings);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    Consumer::hearing(|heard| async move {
        let mut running = program.spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let said: Value = serde_json::from_str(&line).unwrap();
            let Some(key) = said["key"].as_str() else { continue };
            let record = Record {
                partition: said["partition"].as_u64().unwrap(),
                timestamp: said["timestamp"].as_u64().unwrap(),
                headers: said["headers"].clone(),
            };
            let event = serde_json::from_str(said["value"].as_str().unwrap()).unwrap();
            heard.lock().unwrap().take(key, record, event);
        }
        // It ends with the test; before that it is a fault that the test shows by what it waits for.
        sleep(Duration::from_hours(1)).await;
    })
}
