//! What the nodes of one process tell each other that belongs to no room.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::LocalNode;
use crate::{
    cluster::{Incarnation, Peers, Result, Spoken},
    domain::PEER_HEALTH_TTL,
};

#[async_trait]
impl Peers for LocalNode {
    async fn exchange_health(&self, me: Incarnation, store_reached: bool) -> Result<bool> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let now = Instant::now();
        shared.healthy.retain(|_, at| now.saturating_duration_since(*at) < PEER_HEALTH_TTL);
        let other = shared.healthy.keys().any(|who| *who != me);
        if store_reached {
            shared.healthy.insert(me, now);
        } else {
            shared.healthy.remove(&me);
        }
        Ok(other)
    }

    async fn exchange_spoken(
        &self,
        me: Incarnation,
        window: Duration,
        spoken: &[Spoken],
    ) -> Result<Vec<Vec<Duration>>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let now = Instant::now();
        let age = |at: &Instant| Some(now.saturating_duration_since(*at)).filter(|age| *age < window);
        let mut others = Vec::with_capacity(spoken.len());
        for (user, ages) in spoken {
            let nodes = shared.spoken.entry(*user).or_default();
            nodes.insert(me, ages.iter().filter_map(|age| now.checked_sub(*age)).collect());
            nodes.retain(|_, times| times.iter().any(|at| age(at).is_some()));
            let theirs = nodes.iter().filter(|(who, _)| **who != me);
            others.push(theirs.flat_map(|(_, times)| times).filter_map(age).collect());
        }
        shared.spoken.retain(|_, nodes| !nodes.is_empty());
        Ok(others)
    }
}
