//! The cluster on Redis: pub/sub for the doorbell, scripts for presence, keys that expire for what
//! nodes tell each other.
//!
//! It keeps the promises of the seam on one server, with Sentinel, and on a Redis Cluster. Redis may
//! go, freeze, fail over or come back empty at any time: calls fail within their limits, nothing is
//! queued for later, and once it is back everything works again by itself.
//!
//! Three connections: what is asked can't delay what is rung, and what is heard has its own.

mod bus;
mod claim;
mod connect;
mod ears;
mod envelope;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod keys;
mod peers;
mod presence;
mod probe;
mod scripts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use fred::{
    clients::{Client, WithOptions},
    interfaces::{ClientLike, EventInterface},
};
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use uuid::Uuid;

pub use connect::OpenError;

use self::{
    bus::Pump,
    claim::Claim,
    connect::Target,
    ears::Ears,
    keys::Keys,
    presence::Indexed,
    probe::{Events, Tender},
};
use super::{BusError, Heard, queue::Queue};
use crate::shutdown::Tasks;

/// How long opening waits for Redis. A node starts without it.
const WAIT: Duration = Duration::from_secs(1);
/// How often it looks, when a connection failed.
const LOOK: Duration = Duration::from_millis(20);

/// How a cluster on Redis is opened.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis-cluster://host:port?node=host:port`,
    /// `redis-sentinel://host:26379?sentinelServiceName=name&node=host:port`.
    pub url: SecretString,
    /// What all keys and channels begin with: chats with different ones know nothing of each other.
    pub space: String,
    /// Which chat this is, by something that no other has: of two with one space, the second keeps out.
    pub chat: String,
}

impl RedisOptions {
    /// The usual ones for a URL and a chat.
    pub fn new(url: SecretString, chat: String) -> Self {
        Self { url, space: "chorus".to_owned(), chat }
    }
}

/// One node's handle on the cluster: its [`Bus`](super::Bus), its [`Presence`](super::Presence) and
/// its [`Peers`](super::Peers).
pub struct RedisCluster {
    sharded: bool,
    keys: Keys,
    /// This node, by a name of its own: an incarnation may change.
    node: String,
    calls: WithOptions<Client>,
    bell: WithOptions<Client>,
    claim: Arc<Claim>,
    ears: Arc<Ears>,
    heard: Mutex<Option<mpsc::Receiver<Heard>>>,
    indexed: Indexed,
    /// The last beat was not answered.
    deaf: AtomicBool,
}

impl RedisCluster {
    /// Connects, for at most about a second; what is not connected then goes on trying, and ends with
    /// the tasks.
    ///
    /// # Errors
    /// When the URL can't be used. That Redis can't be reached is none.
    pub async fn open(options: &RedisOptions, tasks: &Tasks) -> Result<Self, OpenError> {
        let target = Target::parse(&options.url)?;
        let keys = Keys::new(&options.space, target.database());
        let node = format!("{:016x}", Uuid::new_v4().as_u64_pair().1);
        let (calls, bell, ear) = (target.client(tasks), target.client(tasks), target.listener(tasks));
        let (queue, heard) = Queue::new();
        let (queue, probed) = (Arc::new(queue), Arc::new(AtomicU64::new(0)));
        let (messages, listener) = (ear.message_rx(), Client::clone(&ear));
        let ears = Arc::new(Ears::new(ear, target.is_cluster(), keys.clone(), &node));
        let claim = Claim::new(calls.clone(), keys.chat(), options.chat.clone(), queue.clone());
        let pump = Pump {
            claim: claim.clone(),
            ears: ears.clone(),
            keys: keys.clone(),
            queue: queue.clone(),
            probed: probed.clone(),
            own: envelope::prefix(&node),
        };
        tasks.spawn("redis pump", pump.run(listener.clone(), messages, tasks.clone()));
        let cluster = Self {
            sharded: target.is_cluster(),
            keys,
            node,
            calls,
            bell: bell.clone(),
            claim,
            ears: ears.clone(),
            heard: Mutex::new(Some(heard)),
            indexed: Indexed::default(),
            deaf: AtomicBool::new(false),
        };
        let limit = Instant::now() + WAIT;
        let connected = timeout_at(limit, cluster.connected()).await.is_ok();
        // From here on no new connection is missed.
        let events = Events::of(&listener);
        let asked =
            async { connected && cluster.claim.ask().await.is_ok() && cluster.ears.ask_all().await.is_ok() };
        let ready = timeout_at(limit, asked).await.unwrap_or(false);
        if !ready {
            tracing::warn!("Redis does not answer yet; this node starts without it and goes on trying");
        }
        let tender = Tender::new(ears, bell, queue, probed, cluster.sharded, ready);
        tasks.spawn("redis tender", tender.run(events, tasks.clone()));
        tasks.spawn("redis claim", cluster.claim.clone().keep(tasks.clone()));
        Ok(cluster)
    }

    /// Whether this Redis is another chat's.
    pub fn is_anothers(&self) -> bool {
        matches!(self.claim.admit(), Err(BusError::AnotherChat))
    }

    /// Waits until everything is connected.
    async fn connected(&self) {
        for client in [&self.calls, &self.bell, &self.ears.client] {
            while !client.is_connected() {
                if client.wait_for_connect().await.is_err() {
                    sleep(LOOK).await;
                }
            }
        }
    }
}

/// What is counted here, in words.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "chorus_redis_reconnects_total",
        "Times that the connection which hears notices was made anew"
    );
    metrics::describe_counter!(
        "chorus_redis_command_failures_total",
        "Calls to Redis that failed or came too late"
    );
    metrics::describe_counter!(
        "chorus_redis_dead_subscriptions_total",
        "Times that a connected subscription heard nothing and was made anew"
    );
    metrics::counter!("chorus_redis_reconnects_total").increment(0);
    metrics::counter!("chorus_redis_command_failures_total").increment(0);
    metrics::counter!("chorus_redis_dead_subscriptions_total").increment(0);
}
