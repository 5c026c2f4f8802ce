//! The work that comes again and again on every node: reckoning the database's clock, finding out
//! whether the node should be sent people, and deleting what has expired.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, MissedTickBehavior};

use crate::{
    cluster::{Incarnation, Peers},
    http::{Cause, Readiness},
    shutdown::Tasks,
    store::{DbClock, Store, StoreError},
};

/// How often the database's clock is read and the health of what the node stands on is asked.
const TICK: Duration = Duration::from_secs(2);
/// Every so many of these the database is asked whether it can commit, which costs a write when
/// nothing else was written; more often only while it can't.
const CHECK_TICKS: u32 = 5;
/// How often what has expired is deleted.
const SWEEP: Duration = Duration::from_mins(1);
/// So many looks in a row must miss something before it stands against a node of a cluster: together
/// longer than a word counts that another node gave when it was still there for all.
const MISSES: u32 = 4;
/// The longest the other nodes are asked for.
const PEERS: Duration = Duration::from_secs(1);

/// What one look has found of something that the node stands on.
#[derive(Debug, Clone, Copy)]
struct Reach {
    here: bool,
    /// Whether another node says that it reaches it.
    elsewhere: bool,
}

impl Reach {
    /// Whether it stands against sending people here that this can't be reached. What is down for
    /// everybody empties no balancer.
    const fn is_missed(self) -> bool {
        !self.here && self.elsewhere
    }
}

/// What the work is done on.
pub(super) struct Upkeep {
    pub(super) store: Arc<dyn Store>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) alone: bool,
    pub(super) clock: DbClock,
    pub(super) readiness: Readiness,
}

impl Upkeep {
    /// Starts it.
    pub(super) fn start(self, tasks: &Tasks) {
        tasks.spawn("sweep", sweep(Arc::clone(&self.store), tasks.clone()));
        tasks.spawn("health", self.tend(tasks.clone()));
    }

    async fn tend(self, tasks: Tasks) {
        let me = Incarnation::random();
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_check = CHECK_TICKS;
        let mut troubled = false;
        let mut look = async || {
            tick.tick().await;
            since_check += 1;
            let checks = since_check > CHECK_TICKS || troubled;
            if checks {
                since_check = 0;
            }
            let (store, bus) = self.look(me, checks).await;
            troubled = !store.here;
            (store, bus)
        };
        let most = if self.alone { 1 } else { MISSES };
        let mut misses = [(Cause::Database, 0), (Cause::Bus, 0)];
        while let Some((store, bus)) = tasks.stopped().run_until_cancelled(look()).await {
            for ((cause, count), reach) in misses.iter_mut().zip([store, bus]) {
                *count = if reach.is_missed() { most.min(*count + 1) } else { 0 };
                self.readiness.set(*cause, *count == most);
            }
        }
    }

    /// Asks the store and the bus, and tells the other nodes what of them is reached: of the store
    /// over the bus, of the bus in the store.
    async fn look(&self, me: Incarnation, checks: bool) -> (Reach, Reach) {
        let asked = async {
            self.clock.refresh(&*self.store).await?;
            if checks {
                self.store.check().await?;
            }
            Ok::<(), StoreError>(())
        };
        let store_reached = match asked.await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                false
            }
        };
        let over_the_bus = time::timeout(PEERS, self.peers.exchange_health(me, store_reached)).await;
        let over_the_bus = over_the_bus.ok().and_then(|told| {
            told.inspect_err(|error| tracing::warn!(%error, "the bus does not answer")).ok()
        });
        let bus_reached = over_the_bus.is_some();
        let in_the_store =
            if self.alone { None } else { self.store.exchange_health(me.0, bus_reached).await.ok() };
        // A node alone stands for all there are.
        let store = Reach {
            here: store_reached,
            elsewhere: self.alone || over_the_bus.unwrap_or(false),
        };
        (store, Reach { here: bus_reached, elsewhere: in_the_store.unwrap_or(false) })
    }
}

async fn sweep(store: Arc<dyn Store>, tasks: Tasks) {
    let mut tick = time::interval(SWEEP);
    while tasks.stopped().run_until_cancelled(tick.tick()).await.is_some() {
        match store.sweep().await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "expired rows deleted"),
            Err(error) => tracing::warn!(%error, "expired rows could not be deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_reach_is_missed() {
        assert!(Reach { here: false, elsewhere: true }.is_missed());
        assert!(!Reach { here: false, elsewhere: false }.is_missed(), "down for everybody");
        for elsewhere in [false, true] {
            assert!(!Reach { here: true, elsewhere }.is_missed());
        }
    }
}
