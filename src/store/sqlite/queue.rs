//! The way from an async caller to the threads that own connections, and back.
//!
//! A queue is bounded: when it is full, a caller waits for a place, and when its time is over it
//! is told `Unavailable`. A job that nobody has begun when its caller gives up is never run, so
//! nothing is done behind the back of somebody who was told it was not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use rusqlite::Connection;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::store::{Result, StoreError};

/// A piece of work for a thread that owns a connection.
pub(super) trait Job: Send {
    /// Takes the job. `false` when its caller has given up: it must not be run.
    fn begin(&self) -> bool;

    /// Does the work and keeps what came of it.
    fn run(&mut self, connection: &Connection) -> Result<()>;

    /// Answers the caller: what came of it, or why it did not last.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

/// Whoever sets this first decides: the thread that begins the job, or the caller that gives up.
#[derive(Clone, Default)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

struct Work<F, T> {
    claim: Claim,
    todo: Option<F>,
    done: Option<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<F, T> Job for Work<F, T>
where
    F: FnOnce(&Connection) -> Result<T> + Send,
    T: Send,
{
    fn begin(&self) -> bool {
        self.claim.take()
    }

    fn run(&mut self, connection: &Connection) -> Result<()> {
        if let Some(work) = self.todo.take() {
            self.done = Some(work(connection)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Self { done, answer, .. } = *self;
        let nothing = || StoreError::Unavailable("the work was not done".into());
        // The caller may have gone; then nobody wants to know.
        let _ = answer.send(outcome.and_then(|()| done.ok_or_else(nothing)));
    }
}

/// What a caller must think of a job that was begun and not answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unanswered {
    /// It only reads: nothing was changed.
    Harmless,
    /// It may have been committed.
    MayBeDone,
}

/// A caller that waits no longer, for whatever reason, takes back what nobody has begun.
struct GiveUp(Claim);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// What the threads receive. Several may wait at it; each job wakes one.
#[derive(Clone)]
pub(super) struct Inbox(flume::Receiver<Box<dyn Job>>);

impl Inbox {
    /// The next job, once there is one; `None` when the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Box<dyn Job>> {
        self.0.recv().ok()
    }

    /// The next job if there is one now.
    pub(super) fn next_now(&self) -> Option<Box<dyn Job>> {
        self.0.try_recv().ok()
    }
}

impl Drop for Inbox {
    /// What the last thread leaves behind nobody will do: the callers are told now.
    fn drop(&mut self) {
        if self.0.receiver_count() == 1 {
            while self.next_now().is_some() {}
        }
    }
}

/// The callers' end of a bounded queue of jobs.
pub(super) struct Queue {
    sender: RwLock<Option<flume::Sender<Box<dyn Job>>>>,
    limit: Duration,
    unanswered: Unanswered,
}

impl Queue {
    /// A queue of at most `places` jobs whose callers wait at most `limit`, queueing included.
    pub(super) fn new(places: usize, limit: Duration, unanswered: Unanswered) -> (Self, Inbox) {
        let (sender, inbox) = flume::bounded(places.max(1));
        let sender = RwLock::new(Some(sender));
        (Self { sender, limit, unanswered }, Inbox(inbox))
    }

    /// Has `work` done, and waits for its outcome.
    pub(super) async fn ask<F, T>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let deadline = Instant::now() + self.limit;
        let claim = Claim::default();
        let (answer, outcome) = oneshot::channel();
        let _given_up = GiveUp(claim.clone());
        let job = Work { claim: claim.clone(), todo: Some(work), done: None, answer };
        self.send(Box::new(job), deadline).await?;
        match timeout_at(deadline, outcome).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.unanswered("its thread ended")),
            Err(_) if claim.take() => Err(unavailable("too many calls are waiting")),
            Err(_) => Err(self.unanswered("no answer in time")),
        }
    }

    async fn send(&self, job: Box<dyn Job>, deadline: Instant) -> Result<()> {
        let sender = self.sender.read().clone().ok_or_else(closed)?;
        match timeout_at(deadline, sender.into_send_async(job)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(unavailable("the queue is full")),
        }
    }

    /// Takes no more jobs. Those that are in the queue are still done.
    pub(super) fn close(&self) {
        self.sender.write().take();
    }

    /// Whether it still takes jobs.
    pub(super) fn is_open(&self) -> bool {
        self.sender.read().is_some()
    }

    fn unanswered(&self, why: &str) -> StoreError {
        match self.unanswered {
            Unanswered::Harmless => unavailable(why),
            Unanswered::MayBeDone => StoreError::OutcomeUnknown(why.into()),
        }
    }
}

/// What a call after the end is told.
pub(super) fn closed() -> StoreError {
    unavailable("the database is closed")
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn when_the_last_thread_has_ended_those_who_wait_are_told_at_once() {
        let (queue, inbox) = Queue::new(2, Duration::from_secs(2), Unanswered::MayBeDone);
        let other = inbox.clone();
        let end = async {
            // Two are in the queue, the third waits for a place.
            yield_now().await;
            let begun = Instant::now();
            drop(inbox);
            assert!(!queue.sender.read().as_ref().unwrap().is_empty(), "the other thread may do it");
            drop(other);
            begun
        };
        let ask = || queue.ask(|_| Ok(()));
        let (first, second, third, begun) = tokio::join!(ask(), ask(), ask(), end);
        assert!(matches!(first, Err(StoreError::OutcomeUnknown(_))), "{first:?}");
        assert!(matches!(second, Err(StoreError::OutcomeUnknown(_))), "{second:?}");
        assert!(third.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
