//! Questions to the store, many in one: what is asked while the store answers goes together in the next
//! batch. So no more than a few queries or commits are under way however many connections come, and the slower
//! the store, the more share one.
//!
//! The queue is bounded; who finds it full, or waits longer than 2 s, is told to try again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Refusal,
    store::{Result, StoreError},
};

/// Questions that may wait.
const QUEUE: usize = 4096;
/// Questions of one batch.
const BATCH: usize = 256;
/// A batch goes when everybody who is ready had a turn and nobody more asked, after so many turns at the latest: while
/// many come, each brings a few.
const ROUNDS: usize = 4;
/// How long who asks waits, in the queue and for the store.
const LIMIT: Duration = Duration::from_secs(2);

struct Asked<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A>>,
}

/// Where questions `Q` are put to have an answer `A`.
pub(super) struct Batches<Q, A>(mpsc::Sender<Asked<Q, A>>);

/// The queue's other end. Several tasks may serve it, so that one batch that hangs does not stop all others.
pub(super) struct Waiting<Q, A>(Arc<Mutex<mpsc::Receiver<Asked<Q, A>>>>);

impl<Q, A> Clone for Waiting<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Batches<Q, A> {
    /// A queue and its other end, which somebody has to [`Waiting::serve`].
    pub(super) fn new() -> (Self, Waiting<Q, A>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Waiting(Arc::new(Mutex::new(receiver))))
    }

    /// Has a question answered.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer within 2 s; what the question changes may be done then. `internal`
    /// when it refuses the data.
    pub(super) async fn ask(&self, question: Q) -> Result<A, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(Asked { question, answer })
            .map_err(|_| unavailable("the queue is full, or over"))?;
        let answered = timeout(LIMIT, answered).await.map_err(|_| unavailable("no answer in time"))?;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            // Whether a change was made matters to nobody: what is looked up can be shown again.
            Ok(Err(StoreError::OutcomeUnknown(why))) => Err(unavailable(&why)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(unavailable("whoever asks it has ended")),
        }
    }

    /// Whether nobody serves it any more.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}

impl<Q, A> Waiting<Q, A> {
    /// Has batches answered by `store`, in their order, until `stop`; what was asked before that is still answered.
    pub(super) async fn serve<F, Fut>(self, store: F, stop: CancellationToken)
    where
        F: Fn(Vec<Q>) -> Fut,
        Fut: Future<Output = Result<Vec<A>>>,
    {
        while let Some(waiting) = self.next(&stop).await {
            let (questions, answers): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|asked| (asked.question, asked.answer)).unzip();
            let mut answered = match store(questions).await {
                Ok(answered) => Ok(answered.into_iter()),
                Err(error) => Err(error),
            };
            for answer in answers {
                let _ = answer.send(match &mut answered {
                    Ok(answered) => {
                        answered.next().ok_or_else(|| StoreError::Unavailable("it was not answered".into()))
                    }
                    Err(error) => Err(error.clone()),
                });
            }
        }
    }

    /// What waits, once anything does; after `stop` what was asked until then, and nothing more can be.
    async fn next(&self, stop: &CancellationToken) -> Option<Vec<Asked<Q, A>>> {
        let mut waiting = Vec::new();
        let mut inbox = self.0.lock().await;
        while waiting.is_empty() {
            let some = stop.run_until_cancelled(inbox.recv_many(&mut waiting, BATCH)).await;
            let some = if let Some(some) = some {
                some
            } else {
                inbox.close();
                inbox.recv_many(&mut waiting, BATCH).await
            };
            if some == 0 {
                return None;
            }
            // Whoever is about to ask does so now: who wakes this task is often the first of many.
            for _ in 0..ROUNDS {
                yield_now().await;
                let room = BATCH - waiting.len();
                if room == 0 || inbox.is_empty() {
                    break;
                }
                inbox.recv_many(&mut waiting, room).await;
            }
            // Whoever gave up meanwhile wants nothing done: a ticket stays unused.
            waiting.retain(|asked| !asked.answer.is_closed());
        }
        Some(waiting)
    }
}

fn unavailable(why: &str) -> Refusal {
    StoreError::Unavailable(why.into()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{error::Code, shutdown::Tasks};

    const REFUSED: u32 = 1000;

    /// A store that answers each question with its double, when the test lets it.
    #[derive(Clone)]
    struct Doubling {
        gate: Arc<Semaphore>,
        batches: Arc<Lock<Vec<Vec<u32>>>>,
    }

    impl Doubling {
        /// The store, where to ask it, and what serves by `lanes` tasks.
        fn served(lanes: usize) -> (Self, Batches<u32, u32>, Tasks) {
            let store = Self { gate: Arc::new(Semaphore::new(0)), batches: Arc::default() };
            let ((batches, waiting), tasks) = (Batches::new(), Tasks::new());
            for _ in 0..lanes {
                let store = store.clone();
                let answer = move |questions| store.clone().answer(questions);
                tasks.spawn("test", waiting.clone().serve(answer, tasks.stopped().clone()));
            }
            (store, batches, tasks)
        }

        async fn answer(self, questions: Vec<u32>) -> Result<Vec<u32>> {
            self.batches.lock().unwrap().push(questions.clone());
            self.gate.acquire().await.unwrap().forget();
            if questions.contains(&0) {
                return Err(StoreError::Unavailable("nought".into()));
            }
            if questions.contains(&REFUSED) {
                return Err(StoreError::Rejected("too large".into()));
            }
            Ok(questions.into_iter().map(|question| 2 * question).collect())
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.batches.lock().unwrap().clone()
        }
    }

    /// Lets all others come as far as they can.
    async fn others() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    fn codes(answers: &[Result<u32, Refusal>]) -> Vec<Result<u32, Code>> {
        answers
            .iter()
            .map(|answer| answer.as_ref().copied().map_err(|refusal| refusal.code))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_meanwhile_goes_together_and_each_gets_its_own_answer() {
        let (store, batches, _tasks) = Doubling::served(1);
        let later = async {
            others().await;
            assert_eq!(store.asked(), [[1]]);
            tokio::join!(join_all((2..=300).map(|n| batches.ask(n))), async {
                others().await;
                store.gate.add_permits(3);
            })
        };
        let (first, (rest, ())) = tokio::join!(batches.ask(1), later);
        assert_eq!(first.unwrap(), 2);
        for (n, answer) in (2..).zip(rest) {
            assert_eq!(answer.unwrap(), 2 * n);
        }
        assert_eq!(store.asked().iter().map(Vec::len).collect::<Vec<_>>(), [1, 256, 43]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn those_who_are_about_to_ask_share_the_first_batch() {
        let (store, batches, tasks) = Doubling::served(2);
        store.gate.add_permits(2);
        let (batches, (answers, mut answered)) = (Arc::new(batches), mpsc::channel(3));
        // A thread that has several tasks to run goes on with the one that was just woken.
        tasks.clone().spawn("all", async move {
            for n in 1..=3 {
                let (batches, answers) = (batches.clone(), answers.clone());
                tasks.spawn("one", async move { answers.send(batches.ask(n).await).await.unwrap() });
            }
        });
        for _ in 0..3 {
            assert!(answered.recv().await.unwrap().is_ok());
        }
        assert_eq!(store.asked().iter().map(Vec::len).collect::<Vec<_>>(), [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_one_by_one_do_not_hold_a_batch_up() {
        let (store, batches, _tasks) = Doubling::served(1);
        store.gate.add_permits(100);
        let one = |n| {
            let batches = &batches;
            async move {
                for _ in 0..n {
                    yield_now().await;
                }
                batches.ask(1).await
            }
        };
        assert!(join_all((0..100).map(one)).await.iter().all(Result::is_ok));
        let asked = store.asked();
        assert!(asked.iter().all(|batch| batch.len() <= 2 * ROUNDS), "{asked:?}");
        assert!(asked.len() < 60, "most go together with another: {asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_everybody_s_in_its_batch_and_nobody_else_s() {
        let (store, batches, _tasks) = Doubling::served(1);
        store.gate.add_permits(3);
        let failed = join_all([batches.ask(1), batches.ask(0)]).await;
        assert_eq!(codes(&failed), [Err(Code::Unavailable); 2]);
        assert_eq!(batches.ask(3).await.unwrap(), 6);
        let refused = batches.ask(REFUSED).await;
        assert_eq!(codes(&[refused]), [Err(Code::Internal)], "a fault of ours");
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_what_was_asked_is_answered_and_nothing_more_is() {
        let (store, batches, tasks) = Doubling::served(2);
        let asked = join_all((1..=4).map(|n| batches.ask(n)));
        let end = async {
            others().await;
            tasks.stop();
            others().await;
            assert!(batches.is_over());
            let before = tokio::time::Instant::now();
            let late = batches.ask(5).await;
            assert_eq!(
                (codes(&[late]), before.elapsed()),
                (vec![Err(Code::Unavailable)], Duration::ZERO)
            );
            store.gate.add_permits(4);
        };
        let (answers, ()) = tokio::join!(asked, end);
        assert_eq!(codes(&answers), [Ok(2), Ok(4), Ok(6), Ok(8)]);
        assert!(tasks.join(LIMIT).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_hangs_does_not_stop_the_others_and_who_gave_up_is_not_asked_for() {
        let (store, batches, _tasks) = Doubling::served(2);
        let [one, two, three] = [1, 2, 3].map(|n| {
            let batches = &batches;
            async move {
                tokio::time::sleep(Duration::from_millis(500) * n).await;
                batches.ask(n).await
            }
        });
        let (one, two, three) = tokio::join!(one, two, three);
        assert_eq!(codes(&[one, two, three]), [Err(Code::Unavailable); 3]);
        assert_eq!(store.asked(), [[1], [2]], "both hang, the third was in no batch");
        store.gate.add_permits(3);
        assert_eq!(batches.ask(4).await.unwrap(), 8);
        assert_eq!(store.asked(), [[1], [2], [4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once() {
        let (batches, _waiting) = Batches::<u32, u32>::new();
        let asked = join_all((0..).take(QUEUE).map(|n| batches.ask(n)));
        let one_more = async {
            others().await;
            let before = tokio::time::Instant::now();
            (batches.ask(7).await.err().map(|refusal| refusal.code), before.elapsed())
        };
        let (_, one_more) = tokio::join!(asked, one_more);
        assert_eq!(one_more, (Some(Code::Unavailable), Duration::ZERO));
    }
}
