//! Who spoke how much, told to the other nodes and heard of them, off the way of the messages: so
//! that the message window belongs to the person and not to the node.
//!
//! Without the cluster each node counts for itself.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{Here, here::bounded, window::Windows};

/// How often.
const EVERY: Duration = Duration::from_millis(500);
/// Of how many people in one call.
const PEOPLE: usize = 500;

/// Exchanges until the node stops.
pub(super) async fn run(windows: Arc<Windows>, here: Here) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while here.tasks.stopped().run_until_cancelled(tick.tick()).await.is_some() {
        windows.sweep();
        for spoken in windows.spoken().chunks(PEOPLE) {
            let call = here.peers.exchange_spoken(here.me(), windows.length(), spoken);
            match bounded(call).await {
                Ok(elsewhere) => windows.heard(spoken, &elsewhere),
                Err(error) => {
                    tracing::debug!(%error, "each node counts messages for itself");
                    break;
                }
            }
        }
    }
}
