//! What this node hears: which channels it wants, and that the server agrees.
//!
//! The client library answers SUBSCRIBE before the server has, and drops the server's word that a
//! subscription ended. So a subscription is believed only when a later answer on the same connection
//! has come, and with Redis Cluster when SSUBSCRIBE itself was answered.

use std::collections::HashSet;

use fred::{
    clients::{Client, WithOptions},
    error::{Error, ErrorKind},
    interfaces::{ClientLike, PubsubInterface},
    types::{ClusterHash, CustomCommand, Value},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use super::keys::Keys;
use crate::domain::RoomId;

/// How many channels one SUBSCRIBE names.
const PART: usize = 500;
/// How many SSUBSCRIBE may be unanswered at once.
const AT_ONCE: usize = 64;
/// With shards, so many rooms are asked for or left at once: one slow shard must not hold up the others.
const LANES: usize = 256;

/// The subscriber's end of the bus.
pub(super) struct Ears {
    pub(super) client: WithOptions<Client>,
    sharded: bool,
    keys: Keys,
    probe: String,
    rooms: Mutex<HashSet<RoomId>>,
    /// Held while a room of its lane is asked for or left, so that of two wishes the later one wins.
    order: Vec<tokio::sync::Mutex<()>>,
}

impl Ears {
    pub(super) fn new(client: WithOptions<Client>, sharded: bool, keys: Keys, node: &str) -> Self {
        let probe = keys.probe(node);
        Self {
            client,
            sharded,
            keys,
            probe,
            rooms: Mutex::default(),
            order: (0..if sharded { LANES } else { 1 }).map(|_| tokio::sync::Mutex::default()).collect(),
        }
    }

    /// The channel of this node's own probes.
    pub(super) fn probe(&self) -> &str {
        &self.probe
    }

    /// Wants a room from now on, whatever the answer, and asks the server.
    pub(super) async fn want(&self, room: RoomId) -> Result<(), Error> {
        {
            let _order = self.turn(room).await;
            self.rooms.lock().insert(room);
            self.ask(vec![self.keys.bell(Some(room))]).await?;
        }
        self.confirm().await
    }

    /// Wants a room no more.
    pub(super) async fn leave(&self, room: RoomId) -> Result<(), Error> {
        let _order = self.turn(room).await;
        if !self.rooms.lock().remove(&room) {
            return Ok(());
        }
        let channel = self.keys.bell(Some(room));
        if self.sharded {
            self.client.sunsubscribe(channel).await
        } else {
            self.client.unsubscribe(channel).await
        }
    }

    /// Asks for everything that is wanted, again.
    pub(super) async fn ask_all(&self) -> Result<(), Error> {
        self.ask(vec![self.probe.clone(), self.keys.bell(None)]).await?;
        if self.sharded {
            let wanted: Vec<RoomId> = self.rooms.lock().iter().copied().collect();
            let asked = wanted.into_iter().map(|room| self.ask_again(room));
            return stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await;
        }
        {
            let _order = self.order[0].lock().await;
            let channels = self.rooms.lock().iter().map(|room| self.keys.bell(Some(*room))).collect();
            self.ask(channels).await?;
        }
        self.confirm().await
    }

    /// Asks for a room, unless it was left meanwhile.
    async fn ask_again(&self, room: RoomId) -> Result<(), Error> {
        let _order = self.turn(room).await;
        if self.rooms.lock().contains(&room) {
            self.ask_shard(self.keys.bell(Some(room))).await?;
        }
        Ok(())
    }

    /// The turn of one room's lane.
    async fn turn(&self, room: RoomId) -> tokio::sync::MutexGuard<'_, ()> {
        let lane = usize::try_from(room.0.unsigned_abs()).unwrap_or_default() % self.order.len();
        self.order[lane].lock().await
    }

    async fn ask(&self, channels: Vec<String>) -> Result<(), Error> {
        if self.sharded {
            for channel in channels {
                self.ask_shard(channel).await?;
            }
            return Ok(());
        }
        for part in channels.chunks(PART) {
            self.client.subscribe(part.to_vec()).await?;
        }
        Ok(())
    }

    /// Each channel by itself: the shards are many, and the answer names the channel.
    async fn ask_shard(&self, channel: String) -> Result<(), Error> {
        let command = CustomCommand::new_static("SSUBSCRIBE", ClusterHash::FirstKey, false);
        let answer: Value = self.client.custom(command, vec![channel.clone()]).await?;
        let named = answer.into_array().get(1).and_then(Value::as_string);
        if named.as_deref() == Some(channel.as_str()) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Protocol, "SSUBSCRIBE was not answered"))
        }
    }

    /// Commands of one connection are answered in their order.
    async fn confirm(&self) -> Result<(), Error> {
        if self.sharded { Ok(()) } else { self.client.ping(None).await }
    }
}
