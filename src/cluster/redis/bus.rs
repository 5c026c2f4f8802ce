//! The doorbell: one channel for each room, one for what belongs to no room. With Redis Cluster they
//! are sharded, so that a notice costs one shard and not the whole cluster.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use fred::{
    clients::Client,
    interfaces::{EventInterface, PubsubInterface},
    types::{Message, Value},
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        mpsc,
    },
    time::{sleep, timeout},
};

use super::{
    RedisCluster,
    claim::Claim,
    ears::Ears,
    envelope,
    failure::{failed, late},
    keys::Keys,
};
use crate::{
    cluster::{Bus, Envelope, Heard, Result, queue::Queue},
    domain::RoomId,
    shutdown::Tasks,
    tally::Dropped,
};

/// How long a subscription may take, with its confirmation.
const SUBSCRIBE: Duration = Duration::from_secs(1);

#[async_trait]
impl Bus for RedisCluster {
    async fn subscribe(&self, room: RoomId) -> Result<()> {
        match timeout(SUBSCRIBE, self.ears.want(room)).await {
            Ok(asked) => asked.map_err(|error| failed(&error)),
            Err(_) => Err(late()),
        }
    }

    async fn unsubscribe(&self, room: RoomId) {
        match timeout(SUBSCRIBE, self.ears.leave(room)).await {
            Ok(Ok(())) => {}
            // Then it goes on hearing what nobody wants, until the next connection.
            Ok(Err(error)) => tracing::debug!(%error, "not unsubscribed"),
            Err(_) => tracing::debug!("not unsubscribed in time"),
        }
    }

    async fn publish(&self, envelope: Envelope) -> Result<()> {
        self.claim.admit()?;
        let channel = self.keys.bell(envelope.notice.room());
        let Some(text) = envelope::write(&self.node, &envelope) else {
            // The log has it, and the others look there.
            Dropped::BusEnvelopeSize.count(1);
            return Ok(());
        };
        let rung = if self.sharded {
            self.bell.spublish::<i64, _, _>(channel, text).await
        } else {
            self.bell.publish::<i64, _, _>(channel, text).await
        };
        rung.map(drop).map_err(|error| failed(&error))
    }

    fn listen(&self) -> Option<mpsc::Receiver<Heard>> {
        self.heard.lock().take()
    }
}

/// Takes from the client what it hears.
pub(super) struct Pump {
    pub(super) claim: Arc<Claim>,
    pub(super) ears: Arc<Ears>,
    pub(super) keys: Keys,
    pub(super) queue: Arc<Queue>,
    /// The last probe that was heard.
    pub(super) probed: Arc<AtomicU64>,
    /// What this node's own envelopes begin with.
    pub(super) own: String,
}

impl Pump {
    /// Until the tasks stop.
    pub(super) async fn run(self, client: Client, mut messages: Receiver<Message>, tasks: Tasks) {
        let stopped = tasks.stopped().clone();
        while let Some(message) = stopped.run_until_cancelled(messages.recv()).await {
            match message {
                Ok(message) => self.take(&message),
                Err(RecvError::Lagged(missed)) => {
                    Dropped::BusLag.count(missed);
                    self.queue.put(Heard::Interrupted);
                }
                Err(RecvError::Closed) => {
                    stopped.run_until_cancelled(sleep(SUBSCRIBE)).await;
                    messages = client.message_rx();
                    self.queue.put(Heard::Interrupted);
                }
            }
        }
    }

    fn take(&self, message: &Message) {
        let bytes = match &message.value {
            Value::Bytes(bytes) => &bytes[..],
            Value::String(text) => text.as_bytes(),
            _ => &[],
        };
        if *message.channel == *self.ears.probe() {
            let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            self.probed.fetch_max(number.unwrap_or_default(), Ordering::Relaxed);
            return;
        }
        // Its own are known here, and another chat's mean nothing.
        if bytes.starts_with(self.own.as_bytes()) || !self.claim.believes() {
            return;
        }
        let envelope = envelope::read(bytes)
            .filter(|envelope| *message.channel == *self.keys.bell(envelope.notice.room()));
        match envelope {
            Some(envelope) => self.queue.put(Heard::Said(envelope)),
            None => Dropped::BusEnvelope.count(1),
        }
    }
}
