//! Sees to it that this node hears: what it wants is asked for again after every trouble, and a
//! subscription that is dead though connected is noticed.
//!
//! Once a second a numbered probe is published on a channel of this node's own. One that Redis took
//! and that is not heard within two seconds says that the subscription is dead. The probe is on one
//! shard of a Redis Cluster, so there all subscriptions are asked for again every two seconds too:
//! they end silently when their slot moves.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::{Client, WithOptions},
    interfaces::{ClientLike, EventInterface, PubsubInterface},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval, timeout},
};

use super::ears::Ears;
use crate::{
    cluster::{Heard, queue::Queue},
    shutdown::Tasks,
};

/// How often a probe is sent.
const EVERY: Duration = Duration::from_secs(1);
/// How long one may be on its way.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so many probes the shards are asked again.
const SHARDS: u64 = 2;
/// How long the client may take to begin a new connection.
const RECONNECT: Duration = Duration::from_secs(2);

/// Tends one node's subscriptions.
pub(super) struct Tender {
    ears: Arc<Ears>,
    bell: WithOptions<Client>,
    queue: Arc<Queue>,
    /// The last probe that was heard.
    heard: Arc<AtomicU64>,
    sharded: bool,
    /// Which are on their way, and since when.
    sent: VecDeque<(u64, Instant)>,
    number: u64,
    /// Whether the server may not know what is wanted.
    doubt: bool,
    /// Whether it is told already that something may be missed.
    told: bool,
}

impl Tender {
    /// `ready` says whether everything was asked for already.
    pub(super) const fn new(
        ears: Arc<Ears>,
        bell: WithOptions<Client>,
        queue: Arc<Queue>,
        heard: Arc<AtomicU64>,
        sharded: bool,
        ready: bool,
    ) -> Self {
        Self {
            ears,
            bell,
            queue,
            heard,
            sharded,
            sent: VecDeque::new(),
            number: 0,
            doubt: !ready,
            told: false,
        }
    }

    /// Until the tasks stop.
    pub(super) async fn run(mut self, events: Events, tasks: Tasks) {
        let Events { mut connected, mut lost, mut moved } = events;
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = tasks.stopped().clone();
        loop {
            tokio::select! {
                event = connected.recv() => {
                    metrics::counter!("chorus_redis_reconnects_total").increment(1);
                    drain(&mut connected, &event);
                    self.restore().await;
                }
                event = moved.recv() => {
                    drain(&mut moved, &event);
                    self.restore().await;
                }
                event = lost.recv() => {
                    drain(&mut lost, &event);
                    self.interrupted();
                }
                _ = tick.tick() => self.look().await,
                () = stopped.cancelled() => return,
            }
        }
    }

    /// Asks for everything again, and only then says that something may have been missed: whoever
    /// reads what it missed then misses nothing more.
    async fn restore(&mut self) {
        self.doubt = true;
        self.sent.clear();
        match self.ears.ask_all().await {
            Ok(()) => {
                (self.doubt, self.told) = (false, false);
                self.queue.put(Heard::Interrupted);
            }
            Err(error) => tracing::debug!(%error, "not subscribed again yet"),
        }
    }

    /// Says that something may be missed; once while the trouble lasts.
    fn interrupted(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            self.queue.put(Heard::Interrupted);
        }
    }

    async fn look(&mut self) {
        if !self.ears.client.is_connected() {
            self.sent.clear();
            return;
        }
        if self.doubt {
            self.restore().await;
        } else if self.sharded
            && self.number.is_multiple_of(SHARDS)
            && let Err(error) = self.ears.ask_all().await
        {
            tracing::debug!(%error, "the shards did not confirm what is subscribed");
            self.interrupted();
            self.doubt = true;
        }
        self.probe().await;
    }

    async fn probe(&mut self) {
        let heard = self.heard.load(Ordering::Relaxed);
        self.sent.retain(|(number, _)| *number > heard);
        if self.sent.front().is_some_and(|(_, at)| at.elapsed() >= PATIENCE) {
            self.revive().await;
            return;
        }
        self.number += 1;
        let (channel, at) = (self.ears.probe().to_owned(), Instant::now());
        let published = if self.sharded {
            self.bell.spublish::<i64, _, _>(channel, self.number.to_string()).await
        } else {
            self.bell.publish::<i64, _, _>(channel, self.number.to_string()).await
        };
        // What was not taken says nothing about hearing.
        if published.is_ok() {
            self.sent.push_back((self.number, at));
        }
    }

    /// Makes the connection anew that hears nothing.
    async fn revive(&mut self) {
        tracing::warn!("Redis takes notices but this node does not hear its own; subscribing anew");
        metrics::counter!("chorus_redis_dead_subscriptions_total").increment(1);
        self.interrupted();
        self.doubt = true;
        self.sent.clear();
        let _ = timeout(RECONNECT, self.ears.client.force_reconnection()).await;
        self.restore().await;
    }
}

/// What the client tells of its connections.
pub(super) struct Events {
    connected: Receiver<fred::types::config::Server>,
    lost: Receiver<(fred::error::Error, Option<fred::types::config::Server>)>,
    moved: Receiver<Vec<fred::types::ClusterStateChange>>,
}

impl Events {
    /// From now on.
    pub(super) fn of(client: &Client) -> Self {
        Self {
            connected: client.reconnect_rx(),
            lost: client.error_rx(),
            moved: client.cluster_change_rx(),
        }
    }
}

/// Several events of one kind are one: a cluster tells each of its servers.
fn drain<T: Clone>(events: &mut Receiver<T>, last: &Result<T, RecvError>) {
    if !matches!(last, Err(RecvError::Closed)) {
        while events.try_recv().is_ok() {}
    }
}
