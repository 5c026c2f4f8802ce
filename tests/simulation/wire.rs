//! One node's line to the cluster: the cluster inside one process, which keeps the same contract as Redis
//! (`tests/cluster_contract.rs`), behind a network that delays and loses what is asked and answered.
//!
//! What one node asks is done in the order in which it asked, as on one connection, and perhaps long after the
//! node gave up waiting. Notices are lost, doubled and late by the cluster's own [`Faults`](chorus::cluster::local::Faults).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chorus::{
    cluster::{
        Beat, Bus, BusError, Envelope, Heard, Incarnation, Peers, Presence, Result, RoomSets, SetsVersion,
        Spoken, local::LocalNode,
    },
    domain::{RoomId, Username},
    shutdown::Tasks,
};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    dice::Dice,
    plan::{Broken, Weather},
};

/// How long a call may take: after that the client of Redis answers by itself (`cluster::redis::connect`).
const GIVES_UP: Duration = Duration::from_secs(1);

pub(crate) struct Wire {
    node: Arc<LocalNode>,
    server: Tasks,
    weather: Arc<Weather>,
    broken: Broken,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    /// When what was asked last is done.
    last: Instant,
}

impl Wire {
    pub(crate) fn new(
        node: Arc<LocalNode>,
        server: Tasks,
        weather: Arc<Weather>,
        broken: Broken,
        dice: Dice,
    ) -> Self {
        let state = State { dice, last: Instant::now() };
        Self { node, server, weather, broken, state: Mutex::new(state) }
    }

    /// Hands something to the server, which does it in its time.
    async fn call<T: Send + 'static>(
        &self,
        effect: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let weather = self.weather.cluster();
        let (at, back, lost, answer_lost) = {
            let mut state = self.state.lock();
            let most = if state.dice.chance(weather.slow) { 1200 } else { 3 };
            let there = state.dice.ms(0, most);
            let lost = state.dice.chance(weather.refused);
            let (back, answer_lost) = (state.dice.ms(0, most), state.dice.chance(weather.answer_lost));
            state.last = state.last.max(Instant::now() + there);
            (state.last, back, lost, answer_lost)
        };
        let (tell, told) = oneshot::channel();
        self.server.spawn("a call of the cluster", async move {
            sleep_until(at).await;
            if !lost {
                let answer = effect.await;
                sleep(back).await;
                if !answer_lost {
                    let _ = tell.send(answer);
                    return;
                }
            }
            // Nobody tells the one who asked, until that one's client gives up.
            sleep(GIVES_UP).await;
        });
        told.await.unwrap_or_else(|_| Err(BusError::Unreachable("the server is gone".into())))
    }
}

#[async_trait]
impl Bus for Wire {
    async fn subscribe(&self, room: RoomId) -> Result<()> {
        let node = Arc::clone(&self.node);
        let subscribing = self.call(async move { node.subscribe(room).await });
        let late = |_| BusError::Unreachable("no answer in time".into());
        timeout(GIVES_UP, subscribing).await.map_err(late)?
    }

    async fn unsubscribe(&self, room: RoomId) {
        // It is done in order with the subscriptions; that it is awaited would promise nothing.
        let node = Arc::clone(&self.node);
        let unsubscribing = self.call(async move {
            node.unsubscribe(room).await;
            Ok(())
        });
        let _ = timeout(GIVES_UP, unsubscribing).await;
    }

    async fn publish(&self, envelope: Envelope) -> Result<()> {
        self.node.publish(envelope).await
    }

    fn listen(&self) -> Option<mpsc::Receiver<Heard>> {
        self.node.listen()
    }
}

#[async_trait]
impl Presence for Wire {
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>> {
        let (node, joined, left) = (Arc::clone(&self.node), joined.to_vec(), left.to_vec());
        self.call(async move { node.change(me, room, &joined, &left).await }).await
    }

    async fn sets(&self, room: RoomId) -> Result<RoomSets> {
        let node = Arc::clone(&self.node);
        self.call(async move { node.sets(room).await }).await
    }

    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>> {
        self.node.counts(rooms, dead).await
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>> {
        let (node, rooms) = (Arc::clone(&self.node), rooms.to_vec());
        self.call(async move { node.versions(&rooms).await }).await
    }

    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>> {
        let node = Arc::clone(&self.node);
        self.call(async move { node.beat(me).await }).await
    }

    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>> {
        if self.broken == Broken::BuriesNobody {
            return Ok(Vec::new());
        }
        let node = Arc::clone(&self.node);
        self.call(async move { node.reap(dead).await }).await
    }

    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()> {
        let node = Arc::clone(&self.node);
        self.call(async move { node.withdraw(me, grace).await }).await
    }
}

#[async_trait]
impl Peers for Wire {
    async fn exchange_health(&self, me: Incarnation, store_reached: bool) -> Result<bool> {
        self.node.exchange_health(me, store_reached).await
    }

    async fn exchange_spoken(
        &self,
        me: Incarnation,
        window: Duration,
        spoken: &[Spoken],
    ) -> Result<Vec<Vec<Duration>>> {
        self.node.exchange_spoken(me, window, spoken).await
    }
}
