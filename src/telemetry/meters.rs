//! The recorder of metrics, with buckets that fit what is measured.

use std::{sync::Arc, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::interval;

use super::process::Process;
use crate::shutdown::Tasks;

/// Seconds, from a commit on a fast disk to the limit of a call.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Things in a batch, to the most that share a commit.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// How often what was recorded is put into its buckets; in between it waits in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// What has been counted and measured. Clones are handles.
#[derive(Clone)]
pub struct Meters {
    recorded: PrometheusHandle,
    process: Process,
}

impl Meters {
    /// Installs the recorder of this process.
    pub(super) fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &SIZES)?
            .set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), &SIZES)?
            .install_recorder()?;
        describe();
        metrics::gauge!("chorus_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self { recorded: handle, process: Process::this() })
    }

    /// Writes everything as Prometheus reads it: what was recorded, and what the system knows.
    pub fn render(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let meters = self.clone();
        Arc::new(move || {
            let mut text = meters.recorded.render();
            text.push_str(&meters.process.render());
            text
        })
    }

    /// Starts the task that bounds what waits in memory when nobody reads.
    pub fn start(&self, tasks: &Tasks) {
        let (handle, stop) = (self.recorded.clone(), tasks.stopped().clone());
        tasks.spawn("metrics", async move {
            let mut ticks = interval(UPKEEP);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                handle.run_upkeep();
            }
        });
    }
}

/// What no room describes itself.
fn describe() {
    metrics::describe_gauge!("chorus_build_info", "The version of this node");
    metrics::describe_counter!(
        "chorus_panics_total",
        "Panics: a call or a socket that was given up, or a task that takes the node down"
    );
    metrics::counter!("chorus_panics_total").increment(0);
}
