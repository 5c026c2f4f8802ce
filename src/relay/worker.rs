//! The relay's loop on one node, for one sink: look which rooms are behind, read, publish, move the cursors.
//!
//! A sink has one line or several, each with one batch under way at a time; a room is on one of them only. Every wait
//! is bounded: calls by the store, publishing by the sink, and both by the end of the node.

mod door;
mod keeping;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::door::Door;
use super::{
    backoff::chance,
    counts::Counts,
    envelope::outgoing,
    nudge::Nudge,
    pace::Pace,
    plan::{Limits, Next, Plan},
    sink::{Outgoing, Published, Sink},
};
use crate::{
    domain::RoomId,
    store::{Among, DbClock, Lead, Log, Relaying, Result},
};

/// How often all rooms are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Most steps of one look; what is left waits for the next one.
const LOOK_STEPS: usize = 20;
/// Most rooms that are looked up at once because somebody named them.
const NAMED: usize = 256;
/// What is read for one batch.
const BYTES: usize = 1 << 20;
/// How long a batch that is under way may take when the node stops, or another one leads.
const DRAIN: Duration = Duration::from_secs(1);
/// Between two tries to ask the database.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What the loop stands on.
pub(super) struct Worker {
    /// How far the sink is.
    pub(super) store: Arc<dyn Relaying>,
    /// What was said.
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: DbClock,
    /// The sink's name.
    pub(super) name: Arc<str>,
    pub(super) limits: Limits,
    /// The lines of the sink that nothing is under way on. The last one is used first.
    pub(super) lines: Vec<Box<dyn Sink>>,
    pub(super) led: watch::Receiver<Option<Lead>>,
    pub(super) nudge: Nudge,
    pub(super) counts: Counts,
    pub(super) stop: CancellationToken,
}

/// What there is as long as a lead lasts.
struct Course {
    lead: Lead,
    plan: Plan,
    door: Door,
    /// Until then nothing is sent.
    rests: Instant,
    /// How often rooms are looked up that somebody has named.
    pace: Pace,
    /// The room up to which all were looked at, when that was not the end.
    after: Option<RoomId>,
    /// It has lasted long enough: what is under way is not waited for.
    over: CancellationToken,
    /// The batches that are under way.
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
}

/// A batch with what became of it, and the line that it went by.
struct Landed {
    line: Box<dyn Sink>,
    batch: Vec<Next>,
    published: Published,
}

impl Worker {
    /// Relays whenever this node leads, until it stops.
    pub(super) async fn run(mut self) {
        while let Some(lead) = self.leads().await {
            self.nudge.listens(true);
            self.serve(lead).await;
            self.nudge.listens(false);
            self.close().await;
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
        let mut course = Course {
            lead,
            plan: Plan::new(self.limits),
            door: Door::new(),
            rests: Instant::now(),
            pace: Pace::new(),
            after: None,
            over: self.stop.child_token(),
            flights: FuturesUnordered::new(),
        };
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = true;
        while self.goes_on(lead) {
            if due {
                self.lines.iter_mut().for_each(|line| line.tidy());
            }
            if let Err(error) = self.look(&mut course, due).await {
                tracing::debug!(%error, "the relay can't ask the database");
                sleep(ASK_AGAIN).await;
            }
            self.open(&mut course.door).await;
            due = if self.send(&mut course).await {
                looks_due(&mut looks)
            } else {
                self.wait(&mut course, &mut looks).await
            };
        }
        course.over.cancel();
        while let Some(landed) = course.flights.next().await {
            self.landed(&mut course, landed).await;
        }
    }

    fn goes_on(&self, lead: Lead) -> bool {
        !self.stop.is_cancelled() && *self.led.borrow() == Some(lead)
    }

    /// Finds out which rooms are behind: those that were named, and all of them when that is due.
    async fn look(&mut self, course: &mut Course, all: bool) -> Result<()> {
        let (plan, now) = (&mut course.plan, Instant::now());
        let named = if now >= course.pace.next() { self.nudge.take(NAMED) } else { Vec::new() };
        if !named.is_empty() {
            // When there are more of them nothing is gained by waiting.
            if named.len() < NAMED {
                course.pace.done(now);
            }
            let found = self.store.behind(&self.name, Among::These(&named)).await?;
            found.behind.into_iter().for_each(|behind| plan.found(behind));
        }
        if all {
            for _ in 0..LOOK_STEPS {
                let found = self.store.behind(&self.name, Among::After(course.after)).await?;
                found.behind.into_iter().for_each(|behind| plan.found(behind));
                course.after = found.next;
                if course.after.is_none() {
                    break;
                }
            }
        }
        self.show(&course.plan);
        Ok(())
    }

    fn show(&self, plan: &Plan) {
        let (events, since) = plan.lag();
        let waited = since.map_or(0, |since| self.clock.now().0.saturating_sub(since.0).max(0));
        self.counts.lag(events, Duration::from_millis(waited.unsigned_abs()).as_secs_f64());
    }

    /// Whether a batch could be sent, if there is one.
    const fn can_send(&self, door: &Door) -> bool {
        door.is_open && !self.lines.is_empty()
    }

    /// Reads one batch and sends it on its way. Whether there was one.
    async fn send(&mut self, course: &mut Course) -> bool {
        let (plan, now) = (&mut course.plan, Instant::now());
        let may_send = self.can_send(&course.door) && now >= course.rests;
        let ranges = if may_send { plan.ranges(now) } else { Vec::new() };
        if ranges.is_empty() {
            return false;
        }
        let read = match self.log.missing(&ranges, BYTES).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "the relay can't read the log");
                course.rests = Instant::now() + ASK_AGAIN;
                return false;
            }
        };
        let batch = plan.batch(&ranges, read, Instant::now(), chance());
        if let Some(line) = self.lines.pop_if(|_| !batch.is_empty()) {
            let out = batch.iter().map(|next| outgoing(next, course.lead.log)).collect();
            course.flights.push(fly(line, batch, out, course.over.clone()).boxed());
        }
        true
    }

    /// Settles a batch of which words have come.
    async fn landed(&mut self, course: &mut Course, landed: Landed) {
        let Landed { mut line, batch, published } = landed;
        let settled = course.plan.settle(&batch, &published.fates, Instant::now(), chance);
        self.counts.count(settled.tally, &published.fates);
        course.door.tell(&self.name, &published.fates, &settled.given_up);
        self.save(course.lead, &settled.moves).await;
        self.put_aside(course.lead, &settled.given_up).await;
        self.show(&course.plan);
        if let Some(error) = published.lost {
            self.lost(&mut course.door, &error).await;
        }
        if !course.door.is_open {
            line.close().await;
        }
        self.lines.push(line);
    }

    /// Waits until there may be something to do. Whether all rooms are to be looked at.
    async fn wait(&mut self, course: &mut Course, looks: &mut Interval) -> bool {
        let can_send = self.can_send(&course.door);
        let can_open = !course.door.is_open && !self.lines.is_empty();
        let soon = if can_send { course.plan.next_due() } else { Some(course.door.not_before) };
        let soon = soon.unwrap_or_else(|| Instant::now() + LOOK).max(course.rests);
        let quiet = course.rests.max(course.pace.next());
        let nudged = async {
            sleep_until(quiet).await;
            self.nudge.heard().await;
        };
        let landed = tokio::select! {
            () = self.stop.cancelled() => None,
            _ = self.led.changed() => None,
            landed = course.flights.next(), if !course.flights.is_empty() => landed,
            () = nudged, if can_send => None,
            () = sleep_until(soon), if can_send || can_open => None,
            _ = looks.tick() => return true,
        };
        if let Some(landed) = landed {
            self.landed(course, landed).await;
        }
        false
    }
}

/// Publishes a batch; given up a little after the node has begun to stop, or leads no more.
async fn fly(
    mut line: Box<dyn Sink>,
    batch: Vec<Next>,
    out: Vec<Outgoing>,
    over: CancellationToken,
) -> Landed {
    let late = async {
        over.cancelled().await;
        sleep(DRAIN).await;
    };
    let published = tokio::select! {
        biased;
        published = line.publish(&out) => published,
        () = late => Published::unknown(out.len(), None),
    };
    Landed { line, batch, published }
}

/// Whether all rooms are to be looked at, though there is something to do without that.
fn looks_due(looks: &mut Interval) -> bool {
    looks.tick().now_or_never().is_some()
}
