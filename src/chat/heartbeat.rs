//! Shows the other nodes that this one lives, and finds out who doesn't.
//!
//! A task of its own: nothing that the pump waits for may delay a beat, or the others would
//! declare a node dead that is only busy. While the cluster can't be reached nobody is declared
//! dead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Here,
    presence_pump::{OwnSets, bounded},
    rooms::Command,
};
use crate::cluster::BusError;

/// How often this incarnation's counter is raised.
const BEAT: Duration = Duration::from_secs(1);

/// Beats until the node stops.
pub(super) async fn run(here: Here, own: Arc<OwnSets>) {
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while here.tasks.stopped().run_until_cancelled(tick.tick()).await.is_some() {
        beat(&here, &own).await;
    }
}

async fn beat(here: &Here, own: &OwnSets) {
    let me = here.me();
    let beaten = bounded(here.presence.beat(me)).await;
    // What is shown of the others is known to be current, or frozen as it was.
    metrics::gauge!("chorus_presence_current").set(if beaten.is_ok() { 1.0 } else { 0.0 });
    match beaten {
        Ok(beats) => {
            let died = here.leases.lock().observe(Instant::now(), &beats);
            for who in died.into_iter().filter(|who| *who != me) {
                tracing::warn!(incarnation = %who, "a node is gone; its people leave the lists");
                here.rooms.send(Command::Died(who)).await;
                if let Err(error) = bounded(here.presence.reap(who)).await {
                    tracing::debug!(%error, "not reaped; another node will");
                }
            }
        }
        Err(BusError::DeclaredDead) => {
            here.reborn(me);
            own.wake();
        }
        Err(error) => tracing::debug!(%error, "no heartbeat"),
    }
}
