//! A consumer as `docs/events.md` asks for: it remembers of each room, and run of the log, the last number that it
//! took, and takes an event only if `prevseq <= last < seq`. It comes back whatever happens to its broker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use serde_json::Value;
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::Way;
use crate::{common::eventually, harness::beside};

/// What it has taken and met; `P` is what comes beside an event.
pub(super) struct Memory<P> {
    /// By room and run of the log: the last number.
    last: BTreeMap<(String, String), u64>,
    /// By room: what was taken, number and text.
    seen: BTreeMap<String, Vec<(u64, String)>>,
    /// Everything that came, taken or not, with its routing key and properties.
    came: Vec<Came<P>>,
}

/// One delivery.
#[derive(Clone)]
pub(crate) struct Came<P = BasicProperties> {
    pub(crate) key: String,
    pub(crate) properties: P,
    pub(crate) event: Value,
    pub(crate) taken: bool,
}

pub(crate) struct Consumer<P = BasicProperties> {
    memory: Arc<Mutex<Memory<P>>>,
    task: AbortHandle,
}

impl Consumer {
    /// One with a durable queue that is bound by this pattern; it is there when this answers.
    pub(crate) async fn of(way: &Way, pattern: &str) -> Self {
        declare(way, pattern).await.unwrap();
        Self::resume(way)
    }

    /// One that takes what is in the queue.
    pub(crate) fn resume(way: &Way) -> Self {
        let way = way.clone();
        Self::hearing(|heard| async move {
            loop {
                // A broker that is gone comes back.
                let _ = consume(&way, &heard).await;
                sleep(Duration::from_millis(100)).await;
            }
        })
    }
}

impl<P: Clone + Send + 'static> Consumer<P> {
    /// One that goes on hearing so.
    pub(super) fn hearing<F: Future<Output = ()> + Send + 'static>(
        hear: impl FnOnce(Arc<Mutex<Memory<P>>>) -> F,
    ) -> Self {
        let memory: Arc<Mutex<Memory<P>>> = Arc::default();
        let task = beside(hear(Arc::clone(&memory)));
        Self { memory, task: task.abort_handle() }
    }

    /// How much it has taken of a room.
    pub(crate) fn count(&self, room: &str) -> usize {
        self.memory.lock().unwrap().seen.get(room).map_or(0, Vec::len)
    }

    /// What it has taken of a room.
    pub(crate) fn seen(&self, room: &str) -> Vec<(u64, String)> {
        self.memory.lock().unwrap().seen.get(room).cloned().unwrap_or_default()
    }

    /// All that came.
    pub(crate) fn came(&self) -> Vec<Came<P>> {
        self.memory.lock().unwrap().came.clone()
    }

    /// Waits until so much more has come, taken or not.
    pub(crate) async fn more(&self, count: usize) {
        let so_far = self.came().len();
        eventually("more comes", async || self.came().len() >= so_far + count).await;
    }
}

impl<P> Drop for Consumer<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn queue(way: &Way) -> String {
    format!("{}-archive", way.exchange)
}

/// Makes the queue, and the exchange that it is bound to.
pub(crate) async fn declare(way: &Way, pattern: &str) -> lapin::Result<()> {
    let connection = Connection::connect(&way.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let nothing = FieldTable::default;
    channel
        .exchange_declare(way.exchange.as_str().into(), ExchangeKind::Topic, durable, nothing())
        .await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue(way).into(), durable, nothing()).await?;
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(queue(way).into(), way.exchange.as_str().into(), pattern.into(), bind, nothing())
        .await?;
    connection.close(200, "declared".into()).await
}

/// A broker that was killed may answer nothing, to who calls and to who listens: after so long another call is made.
const SILENT: Duration = Duration::from_secs(10);

/// The connection ends with what is answered.
async fn listen(way: &Way) -> lapin::Result<(Connection, lapin::Consumer)> {
    let connection = Connection::connect(&way.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(100, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume(queue(way).into(), "".into(), options, FieldTable::default())
        .await?;
    Ok((connection, consumer))
}

async fn consume(way: &Way, memory: &Mutex<Memory<BasicProperties>>) -> lapin::Result<()> {
    let Ok(listens) = timeout(SILENT, listen(way)).await else { return Ok(()) };
    let (_connection, mut consumer) = listens?;
    while let Ok(Some(delivery)) = timeout(SILENT, consumer.next()).await {
        let delivery = delivery?;
        let event: Value = serde_json::from_slice(&delivery.data).unwrap();
        memory
            .lock()
            .unwrap()
            .take(&delivery.routing_key.to_string(), delivery.properties.clone(), event);
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

impl<P> Default for Memory<P> {
    fn default() -> Self {
        Self {
            last: BTreeMap::new(),
            seen: BTreeMap::new(),
            came: Vec::new(),
        }
    }
}

impl<P> Memory<P> {
    pub(super) fn take(&mut self, key: &str, properties: P, event: Value) {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
        let number = |value: &Value| text(value).parse::<u64>().unwrap();
        let (room, epoch) = (text(&event["subject"]), text(&event["epoch"]));
        let (prev, seq) = (number(&event["prevseq"]), number(&event["seq"]));
        let last = self.last.entry((room.clone(), epoch)).or_insert(prev);
        let taken = prev <= *last && *last < seq;
        if taken {
            *last = seq;
            self.seen.entry(room).or_default().push((seq, text(&event["data"]["message"])));
        }
        self.came.push(Came { key: key.to_owned(), properties, event, taken });
    }
}
