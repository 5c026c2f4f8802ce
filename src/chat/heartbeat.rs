//! Shows the other nodes that this one lives, and finds out who doesn't.
//!
//! A task of its own: nothing that the pump waits for may delay a beat, or the others would
//! declare a node dead that is only busy. So is burying the dead, which is tried until it is done.
//! While the cluster can't be reached nobody is declared dead.

use std::{sync::Arc, time::Duration};

use super::{Here, clock, here::bounded, presence_pump::OwnChanges, rooms::Command};
use crate::cluster::{BusError, Incarnation};

/// How often this incarnation's counter is raised, and the dead are looked after.
const BEAT: Duration = Duration::from_secs(1);
/// How long reaping one of the dead may take: it may have been in many rooms.
const BURIAL: Duration = Duration::from_secs(30);

/// Beats until the node stops.
pub(super) async fn run(here: Here, own: Arc<OwnChanges>) {
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while here.tasks.stopped().run_until_cancelled(tick.tick()).await.is_some() {
        beat(&here, &own).await;
    }
}

async fn beat(here: &Here, own: &OwnChanges) {
    let me = here.me();
    let beaten = bounded(here.presence.beat(me)).await;
    // What is shown of the others is known to be current, or frozen as it was.
    metrics::gauge!("chorus_presence_current").set(if beaten.is_ok() { 1.0 } else { 0.0 });
    match beaten {
        Ok(beats) => {
            for who in here.leases.lock().observe(clock::now(), &beats) {
                tracing::warn!(incarnation = %who, "a node is gone; its people leave the lists");
            }
        }
        Err(BusError::DeclaredDead) => {
            here.reborn(me);
            own.wake();
        }
        Err(error) => tracing::debug!(%error, "no heartbeat"),
    }
}

/// Takes the dead out of the lists here, and out of the cluster, until the node stops.
pub(super) async fn bury(here: Here) {
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stopped = here.tasks.stopped().clone();
    while stopped.run_until_cancelled(tick.tick()).await.is_some() {
        loop {
            let Some(who) = here.leases.lock().next_unburied() else { break };
            if stopped.run_until_cancelled(bury_one(&here, who)).await != Some(true) {
                break;
            }
        }
    }
}

/// Whether it is done; else it is tried again.
async fn bury_one(here: &Here, who: Incarnation) -> bool {
    here.rooms.send(Command::Died(who)).await;
    let reaped = tokio::time::timeout(BURIAL, here.presence.reap(who)).await;
    let done = matches!(reaped, Ok(Ok(_)));
    if !done {
        tracing::debug!(incarnation = %who, "not reaped yet");
        here.leases.lock().remains(who);
    }
    done
}
