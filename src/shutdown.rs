//! Tasks and how they end: every spawned task belongs to the tracker, hears when to stop, and
//! takes the node down loudly if it panics, because a node that lost an organ must not look well.

mod gate;

use std::{future::Future, io, panic::AssertUnwindSafe, sync::Arc, thread, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::gate::Gate;
use crate::threads::Share;

/// The tasks of one node. Clones are handles on the same set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
    gate: Option<Gate>,
    /// The names of those that run, connections aside.
    running: Arc<Mutex<Vec<&'static str>>>,
}

/// A task of this name runs.
struct Runs {
    name: &'static str,
    running: Arc<Mutex<Vec<&'static str>>>,
}

impl Drop for Runs {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(at) = running.iter().position(|name| *name == self.name) {
            running.swap_remove(at);
        }
    }
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty set whose tasks all run on the runtime that spawns them, and only as far as the gate
    /// lets them: for tests.
    pub fn behind(gate: Gate) -> Self {
        Self { gate: Some(gate), ..Self::default() }
    }

    /// Spawns a task of this node. It should end soon after [`Tasks::stopped`]. A panic in it is
    /// logged and fails the node.
    #[expect(clippy::disallowed_methods, reason = "the one home of spawn")]
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.guarded(name, task);
        match &self.gate {
            None => tokio::spawn(task),
            Some(gate) => gate.spawn(task),
        }
    }

    /// Runs a task on a thread of its own: one that works for long without waiting, beside which the
    /// other tasks have the runtime's threads for themselves. It has no timers and no sockets.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_thread<F>(&self, name: &'static str, task: F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.gate.is_some() {
            self.spawn(name, task);
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let task = self.guarded(name, task);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                Share::Steady.take();
                runtime.block_on(task);
            })
            .map(drop)
    }

    fn guarded<F>(&self, name: &'static str, task: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let failed = self.failed.clone();
        self.running.lock().push(name);
        let runs = Runs { name, running: Arc::clone(&self.running) };
        self.tracker.track_future(async move {
            let _runs = runs;
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked; the node stops");
                failed.cancel();
            }
        })
    }

    /// Spawns the task of one connection: tracked like the others, but small (its future is not
    /// wrapped) and a panic in it ends that connection only.
    #[expect(clippy::disallowed_methods, reason = "the one home of spawn")]
    pub fn spawn_connection<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.tracker.track_future(task);
        match &self.gate {
            None => drop(tokio::spawn(task)),
            Some(gate) => drop(gate.spawn(task)),
        }
    }

    /// Tells every task to finish.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The signal to finish, to be selected on.
    pub const fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    /// Fails the node, as a panic does: what it stands on is not what it was, and it says why before.
    pub fn fail(&self) {
        self.failed.cancel();
    }

    /// Ends when a task has panicked, or the node was failed.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until all tasks have ended, at most `limit`; answers whether they have.
    pub async fn join(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }

    /// What has not ended yet: the names of the tasks, and how many connections there are.
    pub fn running(&self) -> (Vec<&'static str>, usize) {
        let mut names = self.running.lock().clone();
        names.sort_unstable();
        let connections = self.tracker.len().saturating_sub(names.len());
        (names, connections)
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_task_fails_the_node() {
        let tasks = Tasks::new();
        tasks.spawn("test", async { panic!("on purpose") });
        tokio::time::timeout(Duration::from_secs(5), tasks.failed())
            .await
            .expect("failure is told");
        assert!(tasks.join(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn what_has_not_ended_is_named() {
        let tasks = Tasks::new();
        tasks.spawn("ends", async {});
        tasks.spawn("stuck", std::future::pending());
        tasks.spawn("stuck", std::future::pending());
        tasks.spawn_connection(std::future::pending());
        assert!(!tasks.join(Duration::from_millis(50)).await);
        assert_eq!(tasks.running(), (vec!["stuck", "stuck"], 1));
    }

    #[tokio::test]
    async fn so_does_one_with_a_thread_of_its_own() {
        let tasks = Tasks::new();
        let stopped = tasks.stopped().clone();
        tasks.spawn_thread("well", async move { stopped.cancelled().await }).unwrap();
        tasks.spawn_thread("test", async { panic!("on purpose") }).unwrap();
        tokio::time::timeout(Duration::from_secs(5), tasks.failed())
            .await
            .expect("failure is told");
        tasks.stop();
        assert!(
            tasks.join(Duration::from_secs(5)).await,
            "the one that is well stops when it is told to"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn joining_is_bounded() {
        let tasks = Tasks::new();
        tasks.spawn("stuck", std::future::pending());
        assert!(!tasks.join(Duration::from_secs(1)).await);
        assert_eq!(tasks.len(), 1);
    }
}
