//! The work that comes again and again on every node: reckoning the database's clock, finding out
//! whether the node should be sent people, deleting what has expired, and giving back memory.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant, MissedTickBehavior};

use super::{
    ebb::{self, Ebb},
    expiry::Expiry,
};
use crate::{
    admin::Vitals,
    cluster::{BusError, Incarnation, Peers},
    domain::PEER_HEALTH_TTL,
    readiness::{Cause, Readiness},
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
/// The longest the other nodes are asked for.
const PEERS: Duration = Duration::from_secs(1);
/// How long something must be missed before the others' word about it counts. What ends for everybody
/// at once is found out by one node after the other, and until then their last word still stands:
/// for so long, and as long as it may have been under way.
const OUTWAITED: Duration = PEER_HEALTH_TTL.saturating_add(PEERS);

/// What one look has found of something that the node stands on.
#[derive(Debug, Clone, Copy)]
struct Reach {
    here: bool,
    /// Whether another node says that it reaches it.
    elsewhere: bool,
}

/// What one look has found.
struct Found {
    store: Reach,
    bus: Reach,
    /// The bus is another chat's.
    taken: bool,
}

impl Reach {
    /// Whether it stands against sending people here that this can't be reached. What is down for
    /// everybody empties no balancer.
    const fn is_missed(self) -> bool {
        !self.here && self.elsewhere
    }
}

/// Since when something is missed without a break.
#[derive(Debug, Default)]
struct Missed(Option<Instant>);

impl Missed {
    /// Takes what a look at `now` has found. Answers whether it was missed for so long that the
    /// others, who reach it, must have looked as well since it was lost here.
    fn for_longer_than(&mut self, patience: Duration, now: Instant, reach: Reach) -> bool {
        if !reach.is_missed() {
            self.0 = None;
            return false;
        }
        now.saturating_duration_since(*self.0.get_or_insert(now)) >= patience
    }
}

/// What the work is done on.
pub(super) struct Upkeep {
    pub(super) store: Arc<dyn Store>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) alone: bool,
    pub(super) clock: DbClock,
    pub(super) readiness: Readiness,
    pub(super) vitals: Vitals,
    /// How long what was said is kept; `None` for ever.
    pub(super) retention: Option<Duration>,
}

impl Upkeep {
    /// Starts it.
    pub(super) fn start(self, tasks: &Tasks) {
        tasks.spawn("sweep", sweep(Arc::clone(&self.store), tasks.clone()));
        if let Some(kept) = self.retention {
            let expiry = Expiry {
                store: Arc::clone(&self.store),
                clock: self.clock.clone(),
                kept,
            };
            tasks.spawn("expiry", expiry.run(tasks.clone()));
        }
        tasks.spawn("ebb", watch_the_ebb(tasks.clone()));
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
            let found = self.look(me, checks).await;
            troubled = !found.store.here;
            found
        };
        // Who is alone waits for nobody's word.
        let patience = if self.alone { Duration::ZERO } else { OUTWAITED };
        let (mut no_store, mut no_bus) = (Missed::default(), Missed::default());
        let mut had_a_bus = false;
        while let Some(Found { store, bus, taken }) = tasks.stopped().run_until_cancelled(look()).await {
            let now = Instant::now();
            self.readiness.set(Cause::Database, no_store.for_longer_than(patience, now, store));
            self.readiness.set(Cause::Bus, no_bus.for_longer_than(patience, now, bus));
            // Who lost it while it was away serves its people through the log, as all others of its chat.
            had_a_bus |= bus.here;
            self.readiness.set(Cause::BusTaken, taken && !had_a_bus);
        }
    }

    /// Asks the store and the bus, and tells the other nodes what of them is reached: of the store
    /// over the bus, of the bus in the store.
    async fn look(&self, me: Incarnation, checks: bool) -> Found {
        let asked = async {
            self.clock.refresh(&*self.store).await?;
            if checks {
                self.store.check().await?;
            }
            Ok::<(), StoreError>(())
        };
        let began = Instant::now();
        let store_reached = match asked.await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                false
            }
        };
        self.vitals.note_database(store_reached, began.elapsed());
        let began = Instant::now();
        let over_the_bus = time::timeout(PEERS, self.peers.exchange_health(me, store_reached)).await;
        let taken = matches!(over_the_bus, Ok(Err(BusError::AnotherChat)));
        let over_the_bus = over_the_bus.ok().and_then(|told| {
            told.inspect_err(|error| tracing::warn!(%error, "the bus does not answer")).ok()
        });
        let bus_reached = over_the_bus.is_some();
        self.vitals.note_bus(bus_reached, began.elapsed());
        let in_the_store =
            if self.alone { None } else { self.store.exchange_health(me.0, bus_reached).await.ok() };
        // A node alone stands for all there are.
        let store = Reach {
            here: store_reached,
            elsewhere: self.alone || over_the_bus.unwrap_or(false),
        };
        let bus = Reach { here: bus_reached, elsewhere: in_the_store.unwrap_or(false) };
        Found { store, bus, taken }
    }
}

/// Says what is counted here, in words and units.
pub(super) fn describe_metrics() {
    metrics::describe_gauge!(
        "chorus_tasks",
        "Tasks that run: one for each connection, and some of the node's own"
    );
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 tasks")]
async fn watch_the_ebb(tasks: Tasks) {
    let (mut tick, mut ebb) = (time::interval(TICK), Ebb::default());
    while let Some(now) = tasks.stopped().run_until_cancelled(tick.tick()).await {
        let running = tasks.len();
        metrics::gauge!("chorus_tasks").set(running as f64);
        if ebb.look(now.into(), running) {
            // It takes some milliseconds, in which nothing else of this node should wait.
            if let Err(error) = tasks.spawn_thread("ebb", async { ebb::give_back() }) {
                tracing::warn!(%error, "memory that a crowd has left is not given back");
            }
        }
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

    #[test]
    fn an_old_word_of_others_is_outwaited() {
        let (missing, reached) =
            (Reach { here: false, elsewhere: true }, Reach { here: true, elsewhere: true });
        let (began, mut missed) = (Instant::now(), Missed::default());
        let mut at =
            |seconds, reach| missed.for_longer_than(OUTWAITED, began + Duration::from_secs(seconds), reach);
        assert!(!at(0, missing) && !at(4, missing), "their word may be older than the trouble");
        assert!(at(6, missing), "it can't be any more");
        assert!(!at(8, reached));
        assert!(!at(10, missing), "another trouble");
        assert!(!at(14, Reach { here: false, elsewhere: false }), "they have found out");
        assert!(!at(16, missing), "and so nothing was missed in between");
    }

    #[test]
    fn who_is_alone_waits_for_nobody() {
        let missing = Reach { here: false, elsewhere: true };
        assert!(Missed::default().for_longer_than(Duration::ZERO, Instant::now(), missing));
    }
}
