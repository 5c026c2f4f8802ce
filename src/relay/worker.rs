//! The relay's loop on one node, for one sink: look which rooms are behind, read, publish, move the cursors.
//!
//! One batch is under way at a time, of many rooms. Every wait in it is bounded: calls by the store, publishing by
//! the sink, and both by the end of the node.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::{Backoff, chance},
    counts::Counts,
    envelope::outgoing,
    nudge::Nudge,
    plan::{Limits, Next, Plan},
    sink::{Fate, Lost, Published, Sink},
};
use crate::{
    domain::{RoomId, Seq},
    store::{Among, DbClock, Lead, Result, Store},
};

/// How often all rooms are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Most steps of one look; what is left waits for the next one.
const LOOK_STEPS: usize = 20;
/// Most rooms that are looked up at once because somebody named them.
const NAMED: usize = 256;
/// What is read for one batch.
const BYTES: usize = 1 << 20;
/// How long a batch that is under way may take when the node stops.
const DRAIN: Duration = Duration::from_secs(1);
/// Between two tries to move the cursors.
const SAVE_AGAIN: Duration = Duration::from_millis(200);
/// Between two tries to open the sink.
const OPEN_AGAIN: Backoff = Backoff {
    first: Duration::from_millis(250),
    most: Duration::from_secs(10),
};
/// What happens again and again is told no more often.
const TOLD: Duration = Duration::from_mins(1);

/// What the loop stands on.
pub(super) struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: DbClock,
    pub(super) sink: Box<dyn Sink>,
    pub(super) led: watch::Receiver<Option<Lead>>,
    pub(super) nudge: Nudge,
    pub(super) counts: Counts,
    pub(super) stop: CancellationToken,
}

/// Whether the sink can be published to, and when that is tried again if not.
struct Door {
    is_open: bool,
    failures: u32,
    not_before: Instant,
    /// When it was last told that nobody takes something.
    told_returned: Option<Instant>,
}

impl Worker {
    /// Relays whenever this node leads, until it stops.
    pub(super) async fn run(mut self) {
        while let Some(lead) = self.leads().await {
            self.nudge.listens(true);
            self.serve(lead).await;
            self.nudge.listens(false);
            self.sink.close().await;
            self.counts.is_open(false);
            self.counts.lag(0, 0.0);
        }
    }

    /// Waits for the lead; `None` when the node stops.
    async fn leads(&mut self) -> Option<Lead> {
        let stop = self.stop.clone();
        let lead = stop.run_until_cancelled(self.led.wait_for(Option::is_some)).await?;
        lead.ok().and_then(|lead| *lead)
    }

    /// Relays as long as this lead lasts.
    async fn serve(&mut self, lead: Lead) {
        let mut plan = Plan::new(Limits::default());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut door = Door {
            is_open: false,
            failures: 0,
            not_before: Instant::now(),
            told_returned: None,
        };
        let mut due = true;
        while self.goes_on(lead) {
            if let Err(error) = self.look(&mut plan, due).await {
                tracing::debug!(%error, "the relay can't ask the database");
                sleep(SAVE_AGAIN).await;
            }
            self.open(&mut door).await;
            let worked = door.is_open && self.one_batch(lead, &mut plan, &mut door).await;
            due = if worked { looks_due(&mut looks) } else { self.wait(&plan, &door, &mut looks).await };
        }
    }

    fn goes_on(&self, lead: Lead) -> bool {
        !self.stop.is_cancelled() && *self.led.borrow() == Some(lead)
    }

    /// Finds out which rooms are behind: those that were named, and all of them when that is due.
    async fn look(&mut self, plan: &mut Plan, all: bool) -> Result<()> {
        let named = self.nudge.take(NAMED);
        if !named.is_empty() {
            let found = self.store.behind(self.sink.name(), Among::These(&named)).await?;
            found.behind.into_iter().for_each(|behind| plan.found(behind));
        }
        if all {
            let mut after = None;
            for _ in 0..LOOK_STEPS {
                let found = self.store.behind(self.sink.name(), Among::After(after)).await?;
                found.behind.into_iter().for_each(|behind| plan.found(behind));
                after = found.next;
                if after.is_none() {
                    break;
                }
            }
        }
        self.show(plan);
        Ok(())
    }

    fn show(&self, plan: &Plan) {
        let (events, since) = plan.lag();
        let waited = since.map_or(0, |since| self.clock.now().0.saturating_sub(since.0).max(0));
        self.counts.lag(events, Duration::from_millis(waited.unsigned_abs()).as_secs_f64());
    }

    /// Opens the sink, if that is due.
    async fn open(&mut self, door: &mut Door) {
        if door.is_open || door.not_before > Instant::now() {
            return;
        }
        let Some(opened) = self.stop.clone().run_until_cancelled(self.sink.open()).await else {
            return;
        };
        match opened {
            Ok(()) => {
                tracing::info!(sink = self.sink.name(), "the sink of the relay is open");
                (door.is_open, door.failures) = (true, 0);
                self.counts.is_open(true);
            }
            Err(error) => self.lost(door, &error).await,
        }
    }

    /// The sink is opened again a little later.
    async fn lost(&mut self, door: &mut Door, error: &Lost) {
        let name = self.sink.name();
        door.failures = door.failures.saturating_add(1);
        let wait = OPEN_AGAIN.wait(door.failures, chance());
        tracing::warn!(sink = name, %error, again_in = ?wait, "what was said waits for the sink of the relay");
        door.is_open = false;
        door.not_before = Instant::now() + wait;
        self.counts.is_open(false);
        self.sink.close().await;
    }

    /// Reads, publishes and settles one batch. Whether there was one.
    async fn one_batch(&mut self, lead: Lead, plan: &mut Plan, door: &mut Door) -> bool {
        let ranges = plan.ranges(Instant::now());
        if ranges.is_empty() {
            return false;
        }
        let read = match self.store.missing(&ranges, BYTES).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "the relay can't read the log");
                return false;
            }
        };
        let batch = plan.batch(&ranges, read, Instant::now(), chance());
        if batch.is_empty() {
            return true;
        }
        let published = self.publish(lead, &batch).await;
        let settled = plan.settle(&batch, &published.fates, Instant::now(), chance);
        self.counts.count(settled.tally, &published.fates);
        self.tell_returned(door, &published.fates);
        self.save(lead, &settled.moves).await;
        self.show(plan);
        if let Some(error) = published.lost {
            self.lost(door, &error).await;
        }
        true
    }

    async fn publish(&mut self, lead: Lead, batch: &[Next]) -> Published {
        let out: Vec<_> = batch.iter().map(|next| outgoing(next, lead)).collect();
        let stop = self.stop.clone();
        let late = async {
            stop.cancelled().await;
            sleep(DRAIN).await;
        };
        tokio::select! {
            biased;
            published = self.sink.publish(&out) => published,
            () = late => Published::unknown(out.len(), None),
        }
    }

    /// Moves the cursors, or tries to as long as this node leads: what the sink has is not published again because
    /// the database is away for a moment.
    async fn save(&mut self, lead: Lead, moves: &[(RoomId, Seq)]) {
        while !moves.is_empty() {
            match self.store.move_cursors(self.sink.name(), lead.fence, moves).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(
                        sink = self.sink.name(),
                        "the relay moves no cursor: another node leads by now, or the log is elsewhere"
                    );
                    let mut known = self.led.clone();
                    // The next asking for the lead finds out.
                    let other = known.wait_for(|now| *now != Some(lead));
                    let _ = self.stop.clone().run_until_cancelled(other).await;
                    return;
                }
                Err(error) => tracing::debug!(%error, "the cursors of the relay can't be moved"),
            }
            if !self.goes_on(lead) {
                return;
            }
            sleep(SAVE_AGAIN).await;
        }
    }

    /// That nobody has asked for something is told, but not for each event.
    fn tell_returned(&self, door: &mut Door, fates: &[Fate]) {
        let is_new = door.told_returned.is_none_or(|moment| moment.elapsed() >= TOLD);
        if is_new && fates.contains(&Fate::Returned) {
            door.told_returned = Some(Instant::now());
            tracing::warn!(
                sink = self.sink.name(),
                "nobody takes what is published of some rooms: no queue is bound; it is published again"
            );
        }
    }

    /// Waits until there may be something to do. Whether all rooms are to be looked at.
    async fn wait(&mut self, plan: &Plan, door: &Door, looks: &mut Interval) -> bool {
        let soon = if door.is_open { plan.next_due() } else { Some(door.not_before) };
        let soon = soon.unwrap_or_else(|| Instant::now() + LOOK);
        tokio::select! {
            () = self.stop.cancelled() => false,
            _ = self.led.changed() => false,
            () = self.nudge.heard(), if door.is_open => false,
            () = sleep_until(soon) => false,
            _ = looks.tick() => true,
        }
    }
}

/// Whether all rooms are to be looked at, though there is something to do without that.
fn looks_due(looks: &mut Interval) -> bool {
    use futures_util::FutureExt;
    looks.tick().now_or_never().is_some()
}
