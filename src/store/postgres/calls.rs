//! One call: a connection from a pool, one prepared statement, one answer, all within [`Limits`].

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use deadpool_postgres::{Object, Pool, PoolError};
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{Row, Statement, types::ToSql};
use tokio_util::sync::CancellationToken;

use super::{
    connect::{Target, WORK},
    failure::{OpenError, Told, explain, told},
};
use crate::store::{Result, StoreError};

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The wait for a connection, and preparing the statement. What is left is the statement's: so one that was sent has
    /// time to end by the server's own timeout, and its outcome is known.
    prepare: Duration,
    /// In all.
    pub(super) call: Duration,
}

/// On the primary.
pub(super) const PATIENT: Limits = Limits {
    prepare: Duration::from_millis(800),
    call: Duration::from_secs(2),
};
/// On a replica, after which the primary is asked.
pub(super) const QUICK: Limits = Limits {
    prepare: Duration::from_millis(250),
    call: Duration::from_millis(300),
};

/// What it means when an answer does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that matters, or nothing that would be done twice.
    Read,
    /// It may have been done.
    Write,
}

/// A pool of connections, and how it is used.
pub(super) struct Calls {
    pool: Pool,
    /// The runtime that connections live in.
    home: Handle,
    limits: Limits,
    /// So many connections may be got ready at once by tasks that outlive their callers.
    makers: Arc<Semaphore>,
    /// These tasks end.
    over: CancellationToken,
}

impl Calls {
    /// At most `size` connections, made when there is something to ask.
    pub(super) fn new(target: &Target, size: usize, limits: Limits) -> Result<Self, OpenError> {
        Ok(Self {
            pool: target.pool(size, WORK)?,
            home: Handle::current(),
            limits,
            makers: Arc::new(Semaphore::new(size)),
            over: CancellationToken::new(),
        })
    }

    /// All rows of one statement.
    pub(super) async fn query(
        &self,
        effect: Effect,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let began = Instant::now();
        let answer = self.ask(began, effect, sql, params).await;
        metrics::histogram!("chorus_postgres_call_seconds").record(began.elapsed().as_secs_f64());
        if let Err(error) = &answer {
            Told::of(error).count(1);
        }
        answer
    }

    /// The only row of one statement.
    pub(super) async fn one(
        &self,
        effect: Effect,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row> {
        let rows = self.query(effect, sql, params).await?;
        rows.into_iter()
            .next()
            .ok_or_else(|| StoreError::Unavailable("an answer without a row".into()))
    }

    /// A handle on the pool.
    pub(super) fn pool(&self) -> Pool {
        self.pool.clone()
    }

    /// Nothing is asked any more; what was begun ends.
    pub(super) async fn close(&self) {
        self.pool.close();
        let deadline = Instant::now() + self.limits.call;
        while self.pool.status().size > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.over.cancel();
    }

    async fn ask(
        &self,
        began: Instant,
        effect: Effect,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let (client, prepared) = self.prepared(began, sql).await?;
        // This process may have been stopped meanwhile: what is sent now would not end in time.
        if began.elapsed() > self.limits.prepare {
            return Err(StoreError::Unavailable("no time is left".into()));
        }
        match timeout_at(began + self.limits.call, client.query(&prepared, params)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                // A cached plan may refer to what a migration has changed since.
                client.statement_cache.remove(sql, &[]);
                give_up_if_closed(client);
                Err(explain(&error, effect))
            }
            Err(_) => {
                // The answer may come later: nobody else may get this connection.
                drop(Object::take(client));
                let text = "no answer in time".to_owned();
                Err(match effect {
                    Effect::Read => StoreError::Unavailable(text),
                    Effect::Write => StoreError::OutcomeUnknown(text),
                })
            }
        }
    }

    /// A connection that knows this statement. One that is idle and knows it is there at once. Else getting one
    /// ready goes on when nobody waits for it any more, and then it is there for the next: on a machine that is
    /// too busy to get one ready within a caller's time, callers that each begin anew would never have any. (As
    /// many as the pool may have are got ready so. Whoever else comes meanwhile waits for one of these.)
    async fn prepared(&self, began: Instant, sql: &'static str) -> Result<(Object, Statement)> {
        // A connection lives where the store does, whoever is the first to want it.
        let mut getting =
            Box::pin(within(self.home.clone(), ready(self.pool.clone(), sql, self.limits.call)));
        if let Some(ready) = getting.as_mut().now_or_never() {
            return ready;
        }
        let limit = began + self.limits.prepare;
        let late = || StoreError::Unavailable("no connection in time".into());
        let Ok(turn) = Arc::clone(&self.makers).try_acquire_owned() else {
            return timeout_at(limit, getting).await.unwrap_or_else(|_| Err(late()));
        };
        let over = self.over.clone();
        // It ends by itself: the pool's limits and the call's bound it.
        let made = self.home.spawn(async move {
            let _turn = turn;
            over.run_until_cancelled(getting).await
        });
        match timeout_at(limit, made).await {
            Ok(Ok(Some(ready))) => ready,
            Ok(_) => Err(StoreError::Unavailable("a connection was given up".into())),
            Err(_) => Err(late()),
        }
    }
}

/// The same, with this runtime as the one that it runs in, whoever asks.
async fn within<T>(runtime: Handle, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _there = runtime.enter();
        future.as_mut().poll(cx)
    })
    .await
}

/// A connection from the pool, which makes one if it must, with this statement prepared.
async fn ready(pool: Pool, sql: &'static str, limit: Duration) -> Result<(Object, Statement)> {
    let client = pool.get().await.map_err(|error| unreached(&error))?;
    match timeout(limit, client.prepare_cached(sql)).await {
        Ok(Ok(prepared)) => Ok((client, prepared)),
        Ok(Err(error)) => {
            give_up_if_closed(client);
            Err(explain(&error, Effect::Read))
        }
        Err(_) => {
            drop(Object::take(client));
            Err(StoreError::Unavailable("no answer in time".into()))
        }
    }
}

fn unreached(error: &PoolError) -> StoreError {
    StoreError::Unavailable(match error {
        PoolError::Backend(error) => told(error),
        other => other.to_string(),
    })
}

fn give_up_if_closed(client: Object) {
    if client.is_closed() {
        drop(Object::take(client));
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn what_another_runtime_asks_for_runs_where_it_should_all_the_time() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (asker, home) = (runtime(), runtime());
        let seen = asker.block_on(within(home.handle().clone(), async {
            let first = Handle::current().id();
            yield_now().await;
            [first, Handle::current().id()]
        }));
        assert_eq!(seen, [home.handle().id(); 2]);
        assert_ne!(asker.handle().id(), home.handle().id());
    }
}
