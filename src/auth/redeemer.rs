//! Uses tickets up, many in one commit: what arrives while one batch is being committed is the
//! next batch. A storm of connections costs the database a few commits a second, not thousands.
//!
//! The queue is bounded; who finds it full, or waits longer than 2 s, is told to try again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Refusal,
    store::{Redeemed, Store, StoreError, TicketUse},
};

const QUEUE: usize = 4096;
const BATCH: usize = 256;
const LIMIT: Duration = Duration::from_secs(2);

struct Shown {
    ticket: TicketUse,
    answer: oneshot::Sender<Result<Redeemed, StoreError>>,
}

/// The queue's open end.
#[derive(Clone)]
pub(super) struct Redeemer(mpsc::Sender<Shown>);

/// The queue's other end, for the task.
pub(super) struct Counter(mpsc::Receiver<Shown>);

impl Redeemer {
    /// A queue and its other end, which has to [`Counter::run`].
    pub(super) fn new() -> (Self, Counter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Counter(receiver))
    }

    /// Uses a ticket up.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer within 2 s. The ticket may then be used up;
    /// a new one is a call away.
    pub(super) async fn redeem(&self, ticket: TicketUse) -> Result<Redeemed, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Shown { ticket, answer }).map_err(|_| Refusal::unavailable())?;
        match timeout(LIMIT, answered).await {
            Ok(Ok(Ok(redeemed))) => Ok(redeemed),
            Ok(Ok(Err(error))) => Err(Refusal::unavailable().because(error)),
            Ok(Err(_)) | Err(_) => Err(Refusal::unavailable()),
        }
    }
}

impl Counter {
    /// Serves the queue until `stop`.
    pub(super) async fn run(mut self, store: Arc<dyn Store>, stop: CancellationToken) {
        let mut waiting = Vec::with_capacity(BATCH);
        while let Some(1..) = stop.run_until_cancelled(self.0.recv_many(&mut waiting, BATCH)).await {
            // Whoever gave up meanwhile keeps the ticket unused.
            waiting.retain(|shown| !shown.answer.is_closed());
            serve(&*store, &mut waiting).await;
        }
    }
}

async fn serve(store: &dyn Store, waiting: &mut Vec<Shown>) {
    if waiting.is_empty() {
        return;
    }
    let (tickets, answers): (Vec<_>, Vec<_>) = waiting.drain(..).map(|s| (s.ticket, s.answer)).unzip();
    match store.redeem(&tickets).await {
        Ok(redeemed) => {
            for (answer, redeemed) in answers.into_iter().zip(redeemed) {
                let _ = answer.send(Ok(redeemed));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
