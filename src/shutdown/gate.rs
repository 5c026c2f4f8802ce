//! What lets a node's tasks run, stand still, or end where they are, as a stopped or killed process does:
//! for tests that have many nodes in one process.

use std::{
    future::poll_fn,
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};

/// A gate. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    killed: bool,
    /// Tasks that would go on if it were open.
    waiting: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

impl Gate {
    /// An open one.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on no task goes on: the process was sent `SIGSTOP`.
    pub fn close(&self) {
        self.0.lock().closed = true;
    }

    /// All tasks go on: `SIGCONT`.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.closed = false;
            mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// All tasks are gone, and none will ever run again: `SIGKILL`.
    pub fn kill(&self) {
        let tasks = {
            let mut state = self.0.lock();
            state.killed = true;
            mem::take(&mut state.tasks)
        };
        tasks.iter().for_each(AbortHandle::abort);
    }

    #[expect(clippy::disallowed_methods, reason = "a part of the one home of spawn")]
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let spawned = tokio::spawn(self.clone().hold(task));
        let mut state = self.0.lock();
        if state.killed {
            spawned.abort();
        }
        state.tasks.retain(|task| !task.is_finished());
        state.tasks.push(spawned.abort_handle());
        spawned
    }

    async fn hold(self, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        poll_fn(|cx| if self.lets_pass(cx) { task.as_mut().poll(cx) } else { Poll::Pending }).await;
    }

    fn lets_pass(&self, cx: &Context<'_>) -> bool {
        let mut state = self.0.lock();
        if state.closed && !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        !state.closed
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::time::{advance, sleep};

    use super::*;
    use crate::shutdown::Tasks;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn who_stands_still_goes_on_later_and_who_is_killed_never() {
        let (gate, ticks) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let (tasks, counted) = (Tasks::behind(gate.clone()), Arc::clone(&ticks));
        let ticking = async move {
            loop {
                sleep(SECOND).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        tasks.spawn_thread("ticking", ticking).unwrap();
        let count = async || {
            sleep(SECOND / 2).await;
            ticks.load(Ordering::Relaxed)
        };
        sleep(SECOND * 2).await;
        assert_eq!(count().await, 2);
        gate.close();
        sleep(SECOND * 3).await;
        assert_eq!(count().await, 2, "it stands still");
        gate.open();
        assert_eq!(count().await, 3, "what was due came late");
        gate.kill();
        advance(SECOND * 9).await;
        assert_eq!(count().await, 3);
        assert!(tasks.is_empty());
        tasks.spawn("late", std::future::pending());
        assert!(tasks.join(SECOND).await, "nothing begins in a killed process");
    }
}
