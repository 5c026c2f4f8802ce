//! Deletes what is older than `RETENTION_DAYS`, little by little: in steps of some hundred events, with a pause
//! after each, so that nobody who talks meanwhile notices. Of several nodes one at a time does it. Whether it
//! works says nothing about whether the node is ready: a step that fails is logged, and a minute later it goes on.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{self, MissedTickBehavior};

use crate::{
    domain::{RoomId, Timestamp},
    shutdown::Tasks,
    store::{DbClock, Store, StoreError},
};

/// How often a round begins.
const ROUND: Duration = Duration::from_mins(1);
/// For so long after one has begun no other node begins one: a little less, or whose round it was would miss
/// every second one.
const CLAIM: Duration = Duration::from_secs(54);
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(50);
/// Most steps of a round; the next one goes on where it ended.
const STEPS: usize = 500;

/// What is deleted from, by whose clock, and how old it must be.
pub(super) struct Expiry {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: DbClock,
    pub(super) kept: Duration,
}

impl Expiry {
    /// Goes on until the node stops.
    pub(super) async fn run(self, tasks: Tasks) {
        let mut tick = time::interval(ROUND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Where the last round ended.
        let mut after = None;
        let mut round = async || {
            tick.tick().await;
            if let Err(error) = self.round(&mut after).await {
                tracing::warn!(%error, "old messages could not be deleted; that is tried again");
            }
        };
        while tasks.stopped().run_until_cancelled(round()).await.is_some() {}
    }

    /// One round, if it is this node's turn.
    async fn round(&self, after: &mut Option<RoomId>) -> Result<(), StoreError> {
        if !self.store.claim_expiry(CLAIM).await? {
            return Ok(());
        }
        let mut events = 0;
        for _ in 0..STEPS {
            let step = self.store.expire(self.before(), *after).await?;
            metrics::counter!("chorus_expired_events_total").increment(step.events);
            events += step.events;
            *after = step.next;
            if after.is_none() {
                break;
            }
            time::sleep(PAUSE).await;
        }
        if events > 0 {
            tracing::debug!(events, days = self.kept.as_secs() / 86_400, "old messages deleted");
        }
        Ok(())
    }

    /// What was said before this goes. It has to be old by the clocks of the database and of this machine: what
    /// one clock that runs years ahead would delete is gone for ever.
    fn before(&self) -> Timestamp {
        let kept = i64::try_from(self.kept.as_millis()).unwrap_or(i64::MAX);
        let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let here = i64::try_from(here.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.clock.now().0.min(here).saturating_sub(kept))
    }
}

/// Tells what its metric means. Called once, after the recorder is there.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        "chorus_expired_events_total",
        "Events deleted because they were older than RETENTION_DAYS"
    );
    metrics::counter!("chorus_expired_events_total").increment(0);
}
