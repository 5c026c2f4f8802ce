//! RabbitMQ as a sink: a durable topic exchange, persistent messages, and a broker that confirms each of them.
//!
//! The routing key is `room.NAME`. A room's name has letters, digits, `_` and `-` only, so it is one word of the key
//! and none of it is a pattern: bind `room.lobby` for one room, `room.*` or `#` for all. Messages are mandatory: what
//! no queue is bound for comes back, is not confirmed and so is published again later.
//!
//! One connection and one channel. After anything odd (no word in time, a line that broke) both are given up, and
//! the next ones begin with a clean sheet: a word that comes late can't be taken for another one's.

mod confirms;
mod line;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::DropGuard;

use self::{
    confirms::{Outcome, fates},
    line::Dial,
};
use super::{
    envelope::{MEDIA_TYPE, MESSAGE},
    sink::{Lost, Outgoing, Published, Sink},
};

/// Its name in metrics and in the store.
pub const NAME: &str = "rabbitmq";
/// How long connecting may take, the exchange included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the word about a batch may take.
const CONFIRM: Duration = Duration::from_secs(5);
/// How much longer while the broker has stopped to read, because its memory or disk is short.
const BLOCKED: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// How long the broker may be silent, unless the URL says another time. Half of it passes between two signs of life.
const HEARTBEAT_SECONDS: u16 = 10;
/// How long saying goodbye may take.
const CLOSE: Duration = Duration::from_millis(500);
/// AMQP's word for a message that the broker keeps on disk.
const PERSISTENT: u8 = 2;
/// The longest name that AMQP has.
const SHORT: usize = 255;
/// AMQP's word for an end without an error.
const GOODBYE: u16 = 200;

/// A RabbitMQ.
pub struct RabbitMq {
    uri: AMQPUri,
    dial: Dial,
    exchange: String,
    open: Option<Open>,
}

/// A connection that can be published on.
struct Open {
    connection: Connection,
    channel: Channel,
    /// Dropped, it cuts the line, whatever the client would still wait for.
    _cut: DropGuard,
}

/// A message under way: which of the batch, and what came of it.
type UnderWay<'a> = BoxFuture<'a, (usize, lapin::Result<Confirmation>)>;

impl RabbitMq {
    /// The broker at this URL (`amqp://` or `amqps://`), and an exchange of it.
    ///
    /// # Errors
    /// When the URL can't be used. The words don't repeat it.
    pub fn new(url: &SecretString, exchange: &str) -> Result<Self, String> {
        let parsed = url.expose_secret().parse::<AMQPUri>();
        let mut uri = parsed.map_err(|_| "is not an AMQP URL that can be read".to_owned())?;
        if uri.vhost.len() > SHORT {
            return Err("names a virtual host that is too long".to_owned());
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let dial = Dial::to(&uri)?;
        Ok(Self { uri, dial, exchange: exchange.to_owned(), open: None })
    }

    async fn connect(&self) -> lapin::Result<Open> {
        let (dial, cut) = self.dial.anew();
        let properties = ConnectionProperties::default().with_connection_name("chorus".into());
        let (uri, runtime) = (self.uri.clone(), dial.runtime());
        let connection =
            Connection::connector(uri, runtime, async move |_, _| Ok(dial.line().await?), properties).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = self.exchange.as_str().into();
        channel
            .exchange_declare(exchange, ExchangeKind::Topic, durable, FieldTable::default())
            .await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Open { connection, channel, _cut: cut })
    }
}

#[async_trait]
impl Sink for RabbitMq {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn open(&mut self) -> Result<(), Lost> {
        self.open = None;
        shows_blocked(false);
        match timeout(CONNECT, self.connect()).await {
            Ok(Ok(open)) => {
                self.open = Some(open);
                Ok(())
            }
            Ok(Err(error)) => Err(Lost(error.to_string())),
            Err(_) => Err(Lost("no answer in time".to_owned())),
        }
    }

    async fn publish(&mut self, batch: &[Outgoing]) -> Published {
        let Some(open) = &self.open else {
            return Published::unknown(batch.len(), Some(Lost("it is not open".to_owned())));
        };
        let mut flight = FuturesUnordered::new();
        for (place, message) in batch.iter().enumerate() {
            let mut one: UnderWay<'_> = open.send(&self.exchange, place, message);
            // Asked once, it is in the line, before the next one.
            match one.as_mut().now_or_never() {
                Some(done) => flight.push(async move { done }.boxed()),
                None => flight.push(one),
            }
        }
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        let lost = open.collect(&mut flight, &mut outcomes).await;
        let late_return = returns_something(&mut flight);
        let ids: Vec<&str> = batch.iter().map(|message| message.id.as_str()).collect();
        Published { fates: fates(&ids, &outcomes, late_return), lost }
    }

    async fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        shows_blocked(false);
        let _ = timeout(CLOSE, open.connection.close(GOODBYE, "the relay ends".into())).await;
    }
}

impl Open {
    fn send<'a>(&'a self, exchange: &str, place: usize, message: &'a Outgoing) -> UnderWay<'a> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let key = format!("room.{}", message.name);
        let properties = BasicProperties::default()
            .with_content_type(MEDIA_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(message.id.as_str().into())
            .with_type(MESSAGE.into())
            .with_timestamp(u64::try_from(message.timestamp.seconds()).unwrap_or_default())
            .with_app_id("chorus".into());
        let sent =
            self.channel
                .basic_publish(exchange.into(), key.into(), options, &message.body, properties);
        async move {
            let confirmed = match sent.await {
                Ok(confirm) => confirm.await,
                Err(error) => Err(error),
            };
            (place, confirmed)
        }
        .boxed()
    }

    /// Takes what comes of each message, until all have come or it has waited long enough. Why the connection is to
    /// be given up, if it is.
    async fn collect(
        &self,
        flight: &mut FuturesUnordered<UnderWay<'_>>,
        outcomes: &mut [Option<Outcome>],
    ) -> Option<Lost> {
        let (mut patience, mut ticks, mut lost) = (Patience::default(), interval(LOOK), None);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                next = flight.next() => match next {
                    None => break,
                    Some((place, Ok(confirmation))) => outcomes[place] = Some(outcome(confirmation)),
                    Some((_, Err(error))) => lost = lost.or_else(|| Some(Lost(error.to_string()))),
                },
                gave_up = patience.wait(&mut ticks, &self.connection) => {
                    lost = lost.or(Some(gave_up));
                    break;
                }
            }
        }
        shows_blocked(false);
        lost
    }
}

/// How long a batch was waited for.
#[derive(Default)]
struct Patience {
    waited: Duration,
    blocked: Duration,
}

impl Patience {
    /// Ends when it has waited long enough, and says for what. It may be dropped and waited for again.
    async fn wait(&mut self, ticks: &mut Interval, connection: &Connection) -> Lost {
        loop {
            ticks.tick().await;
            if connection.status().blocked() {
                if self.blocked.is_zero() {
                    shows_blocked(true);
                    tracing::warn!("RabbitMQ takes no messages: its memory or disk is short");
                }
                self.blocked += LOOK;
            } else {
                self.waited += LOOK;
            }
            if self.waited > CONFIRM {
                return Lost("no confirmation in time".to_owned());
            }
            if self.blocked > BLOCKED {
                return Lost("it takes no messages: its memory or disk is short".to_owned());
            }
        }
    }
}

fn outcome(confirmation: Confirmation) -> Outcome {
    let acked = confirmation.is_ack();
    let returned = confirmation.take_message().map(|message| {
        message
            .delivery
            .properties
            .message_id()
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    });
    Outcome { acked, returned }
}

/// Whether among what has come since somebody stopped to wait is a message that the broker gave back.
fn returns_something(flight: &mut FuturesUnordered<UnderWay<'_>>) -> bool {
    while let Some(Some((_, confirmed))) = flight.next().now_or_never() {
        if confirmed.is_ok_and(|confirmation| confirmation.take_message().is_some()) {
            return true;
        }
    }
    false
}

fn shows_blocked(blocked: bool) {
    metrics::gauge!("chorus_relay_blocked", "sink" => NAME).set(f64::from(u8::from(blocked)));
}

/// Tells what the metrics of this sink mean. Called once, after the recorder is there.
pub fn describe_metrics() {
    metrics::describe_gauge!(
        "chorus_relay_blocked",
        "1 while RabbitMQ takes no messages, because its memory or disk is short"
    );
}
