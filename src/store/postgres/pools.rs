//! How the pools stand, shown as gauges: whether connections are the bottleneck.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::time::interval;

use super::calls::Calls;
use crate::shutdown::Tasks;

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Shows these under one name, in sum, until the node stops.
pub(super) fn watch<'a>(name: &'static str, pools: impl IntoIterator<Item = &'a Calls>, tasks: &Tasks) {
    let pools: Vec<Pool> = pools.into_iter().map(Calls::pool).collect();
    let stop = tasks.stopped().clone();
    tasks.spawn("pools", async move {
        let mut ticks = interval(LOOK);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            Sum::of(&pools).show(name);
        }
    });
}

/// Of all pools of one name.
#[derive(Debug, Default)]
struct Sum {
    idle: usize,
    used: usize,
    most: usize,
    waiting: usize,
}

impl Sum {
    fn of(pools: &[Pool]) -> Self {
        pools.iter().map(Pool::status).fold(Self::default(), |sum, status| Self {
            idle: sum.idle + status.available,
            used: sum.used + status.size.saturating_sub(status.available),
            most: sum.most + status.max_size,
            waiting: sum.waiting + status.waiting,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges of some hundred")]
    fn show(&self, pool: &'static str) {
        let state = |state| metrics::gauge!("chorus_postgres_connections", "pool" => pool, "state" => state);
        state("idle").set(self.idle as f64);
        state("used").set(self.used as f64);
        metrics::gauge!("chorus_postgres_connections_max", "pool" => pool).set(self.most as f64);
        metrics::gauge!("chorus_postgres_calls_waiting", "pool" => pool).set(self.waiting as f64);
    }
}

/// What is shown here, in words.
pub(super) fn describe_metrics() {
    metrics::describe_gauge!(
        "chorus_postgres_connections",
        "Connections to PostgreSQL, by pool and whether a call has it"
    );
    metrics::describe_gauge!("chorus_postgres_connections_max", "The most connections that a pool may have");
    metrics::describe_gauge!("chorus_postgres_calls_waiting", "Calls that wait for a connection, by pool");
}
