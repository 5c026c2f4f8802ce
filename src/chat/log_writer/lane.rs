//! One lane: it commits what has gathered, answers the senders, and passes on what is new.

use std::{sync::Arc, time::Duration};

use metrics::Gauge;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Answer, BATCH, Entry, LIMIT, Outlet, PAUSE, Place};
use crate::{
    chat::{clock, trace},
    cluster::Committed,
    domain::{Event, Seq, Timestamp},
    error::{Code, Refusal},
    store::{Appended, Log, NewEvent, StoreError},
    tally::Limit,
};

/// How long a call that is under way when the node stops may still take; a commit takes some milliseconds.
const LAST: Duration = Duration::from_millis(300);

/// The least that is left for a try of what is known not to be done: with less, a busy machine would turn
/// `unavailable` into `outcome_unknown`, which leaves its sender in doubt.
const TRY: Duration = Duration::from_millis(250);

/// Where a lane commits and whom it tells.
pub(super) struct Lane {
    pub(super) log: Arc<dyn Log>,
    pub(super) outlet: Arc<dyn Outlet>,
    /// How many wait, in all lanes.
    pub(super) queued: Gauge,
    /// The node stops.
    pub(super) stopped: CancellationToken,
}

impl Lane {
    /// Commits what waits until the node stops, and then what still waits.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = waiting.recv_many(&mut batch, BATCH) => {}
                () = self.stopped.cancelled(), if !waiting.is_closed() => waiting.close(),
            }
            if batch.is_empty() {
                if waiting.is_closed() && waiting.is_empty() {
                    return;
                }
                continue;
            }
            self.queued.decrement(count(batch.len()));
            self.commit(std::mem::take(&mut batch)).await;
        }
    }

    /// Commits one batch and answers everybody in it. Halves it while the data is refused, so
    /// that only the bad row is.
    async fn commit(&self, batch: Vec<Entry>) {
        let mut parts = vec![refuse_the_late(batch)];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.append(&part).await {
                Ok(outcomes) => self.tell(part, &outcomes).await,
                Err(StoreError::Rejected(_)) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(error) => refuse(part, error),
            }
        }
    }

    /// One append, measured, and traced as each message's part of it.
    async fn append(&self, part: &[Entry]) -> Result<Vec<Appended>, StoreError> {
        let began = clock::now();
        let spans: Vec<Span> = part.iter().map(|entry| trace::commit(&entry.span, part.len())).collect();
        let appended = self.append_in_time(part).await?;
        drop(spans);
        metrics::histogram!("chorus_commit_batch_events").record(count(part.len()));
        metrics::histogram!("chorus_commit_seconds").record((clock::now() - began).as_secs_f64());
        Ok(appended)
    }

    /// Tried again with the same ids while there is time: for the oldest entry, and until the node stops (then who
    /// has said it is told soon enough to say it elsewhere).
    async fn append_in_time(&self, part: &[Entry]) -> Result<Vec<Appended>, StoreError> {
        let events: Vec<NewEvent> = part.iter().map(|entry| entry.event.clone()).collect();
        let oldest = part.iter().map(|entry| entry.since).min().unwrap_or_else(clock::now);
        let left = || LIMIT.saturating_sub(clock::now() - oldest);
        let mut error = StoreError::Unavailable("no time is left".into());
        let mut unknown = false;
        while left() >= if unknown { PAUSE } else { TRY } {
            error = match self.within(left(), self.log.append_until(&events, oldest + LIMIT)).await {
                Some(Ok(outcomes)) => return Ok(outcomes),
                Some(Err(error @ (StoreError::Rejected(_) | StoreError::Taken))) => return Err(error),
                Some(Err(error)) => error,
                None => StoreError::OutcomeUnknown("no answer in time".into()),
            };
            unknown |= matches!(error, StoreError::OutcomeUnknown(_));
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => break,
                () = tokio::time::sleep(PAUSE.min(left())) => {}
            }
        }
        Err(if unknown { StoreError::OutcomeUnknown(error.to_string()) } else { error })
    }

    /// What comes of it in this time, and soon after the node has begun to stop.
    async fn within<T>(&self, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
        let late = async {
            self.stopped.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            biased;
            done = tokio::time::timeout(limit, call) => done.ok(),
            () = late => None,
        }
    }

    /// Answers the senders and passes on what is new.
    async fn tell(&self, part: Vec<Entry>, outcomes: &[Appended]) {
        let mut fresh: Vec<Committed> = Vec::new();
        for (entry, outcome) in part.into_iter().zip(outcomes) {
            if let Appended::New { seq, timestamp } = *outcome {
                gather(&mut fresh, &entry, seq, timestamp);
            }
            (entry.answer)(answer(*outcome));
        }
        for committed in fresh {
            self.outlet.committed(committed).await;
        }
    }
}

/// Adds what was committed to what is new in its room.
fn gather(fresh: &mut Vec<Committed>, entry: &Entry, seq: Seq, timestamp: Timestamp) {
    let NewEvent { room, sender, id, body } = entry.event.clone();
    let username = entry.username.clone();
    let event = Arc::new(Event { room, seq, id, sender, username, body, timestamp });
    let traces = trace::stands_at(&entry.span).map(|parent| (seq, parent));
    match fresh.iter_mut().find(|committed| committed.room == room) {
        Some(committed) => {
            committed.events.push(event);
            committed.traces.extend(traces);
        }
        None => fresh.push(Committed {
            room,
            events: vec![event],
            traces: traces.into_iter().collect(),
        }),
    }
}

/// Who has waited for half of its time is told to come again: a lane that can't keep up must not
/// begin what it will not have time to finish.
fn refuse_the_late(batch: Vec<Entry>) -> Vec<Entry> {
    let now = clock::now();
    let (late, fresh): (Vec<_>, Vec<_>) = batch.into_iter().partition(|entry| now - entry.since > LIMIT / 2);
    if !late.is_empty() {
        Limit::LogTime.count(late.len() as u64);
    }
    for entry in late {
        (entry.answer)(Err(Refusal::unavailable()));
    }
    fresh
}

/// None of these is in the log, or nobody knows.
fn refuse(part: Vec<Entry>, error: StoreError) {
    tracing::warn!(%error, events = part.len(), "the log refused a batch");
    let refusal = match error {
        StoreError::Rejected(_) => Refusal::new(Code::InvalidRequest, "This can't be stored."),
        error => error.into(),
    };
    for entry in part {
        (entry.answer)(Err(refusal.clone()));
    }
}

fn answer(outcome: Appended) -> Answer {
    match outcome {
        Appended::New { seq, timestamp } => Ok(Place { seq, timestamp, duplicate: false }),
        Appended::Again { seq, timestamp } => Ok(Place { seq, timestamp, duplicate: true }),
        Appended::Conflict => Err(Refusal::new(Code::IdConflict, "This id was used for another message.")),
        Appended::RoomGone => Err(Refusal::room_not_found()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has at most some hundred events"
)]
const fn count(n: usize) -> f64 {
    n as f64
}
