//! What an operator had begun is done to its end, whether or not the operator waits for it: half of the
//! people told, or told to go without a node that expects them, is worse than none.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, oneshot};

use crate::{error::Refusal, shutdown::Tasks};

/// How many may be under way at once; one more is refused, and nothing of it is done.
const AT_ONCE: usize = 8;
/// When it makes sense to come again.
const LATER: Duration = Duration::from_secs(2);

/// Runs deeds as tasks of the node.
pub(super) struct Deeds {
    tasks: Tasks,
    places: Arc<Semaphore>,
}

impl Deeds {
    pub(super) fn new(tasks: &Tasks) -> Self {
        Self {
            tasks: tasks.clone(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Does something to its end, and answers what came of it if the caller still waits.
    ///
    /// # Errors
    /// `unavailable` when too many are under way, or the node stops.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deed: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = |_| Refusal::unavailable().retry_after(LATER);
        let place = self.places.clone().try_acquire_owned().map_err(busy)?;
        let (answer, done) = oneshot::channel();
        self.tasks.spawn("deed", async move {
            let _ = answer.send(deed.await);
            drop(place);
        });
        done.await.map_err(|_| Refusal::unavailable())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::error::Code;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn it_goes_on_when_its_caller_has_left() {
        let tasks = Tasks::new();
        let deeds = Deeds::new(&tasks);
        let (go, may_go) = oneshot::channel::<()>();
        let (did, done) = oneshot::channel();
        let asked = deeds.run(async move {
            let _ = may_go.await;
            let _ = did.send(());
        });
        assert!(asked.now_or_never().is_none(), "begun, and then the caller leaves");
        go.send(()).unwrap();
        tokio::time::timeout(LIMIT, done).await.expect("it is done").unwrap();
        assert!(tasks.join(LIMIT).await);
    }

    #[tokio::test]
    async fn one_more_than_may_be_under_way_is_refused_and_not_begun() {
        let deeds = Deeds::new(&Tasks::new());
        let ends: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (end, may_end) = oneshot::channel::<()>();
                assert!(deeds.run(may_end).now_or_never().is_none());
                end
            })
            .collect();
        let began = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let note = began.clone();
        let one_more = deeds.run(async move { note.store(true, std::sync::atomic::Ordering::SeqCst) });
        let refused = one_more.await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::Unavailable, Some(LATER)));
        assert!(!began.load(std::sync::atomic::Ordering::SeqCst));
        drop(ends);
        let place = tokio::time::timeout(LIMIT, deeds.places.acquire()).await;
        drop(place.expect("there is room again"));
        assert!(deeds.run(async { 7 }).await.is_ok_and(|seven| seven == 7));
    }
}
