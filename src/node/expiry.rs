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
    tally::closed_set,
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

closed_set! {
    /// How a round has ended.
    enum Outcome {
        /// Nothing was left that is old enough.
        Finished = "finished",
        /// There is more than one round may delete.
        Unfinished = "unfinished",
        /// A step failed.
        Failed = "failed",
    }
    counted as "chorus_expiry_rounds_total" by "outcome":
        "Rounds in which messages older than RETENTION_DAYS are looked for, by outcome"
}

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
            match self.round(&mut after).await {
                Ok(None) => {}
                Ok(Some(outcome)) => outcome.count(1),
                Err(error) => {
                    tracing::warn!(%error, "old messages could not be deleted; that is tried again");
                    Outcome::Failed.count(1);
                }
            }
        };
        while tasks.stopped().run_until_cancelled(round()).await.is_some() {}
    }

    /// One round, if it is this node's turn; how it has ended.
    async fn round(&self, after: &mut Option<RoomId>) -> Result<Option<Outcome>, StoreError> {
        if !self.store.claim_expiry(CLAIM).await? {
            return Ok(None);
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
        Ok(Some(if after.is_none() { Outcome::Finished } else { Outcome::Unfinished }))
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

/// Tells what its metrics mean. Called once, after the recorder is there.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        "chorus_expired_events_total",
        "Events deleted because they were older than RETENTION_DAYS"
    );
    metrics::counter!("chorus_expired_events_total").increment(0);
    Outcome::describe();
}
