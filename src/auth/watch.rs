//! Watches the sign-ins that have sockets here: closes those that end.
//!
//! The bus tells of an end at once but may lose it. So every 2 s all ends of the last 60 s are
//! read from the store, the whole window each time; when the store could not be asked for nearly
//! that long, every sign-in with a socket is checked by name. Expiry is looked at every second;
//! the store is asked once more before it counts, because another node may have prolonged it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Now, Seats, ends::Ends};
use crate::{
    domain::SignInId,
    store::{Result, Store},
};

const TICK: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_mins(1);
/// The window minus what the poll itself, its wait and the store's limit may take.
const TRUSTED: Duration = Duration::from_secs(50);
/// How long an expired sign-in whose store can't be asked keeps its sockets.
const BENEFIT_OF_DOUBT_MS: i64 = 5_000;
/// How many sign-ins are asked for in one call.
const CHUNK: usize = 500;

/// The watch over this node's seats.
pub(super) struct Watch {
    pub(super) store: Arc<dyn Store>,
    pub(super) seats: Arc<Seats>,
    pub(super) ends: Arc<Ends>,
    /// Whether replicas are asked: then the ends are read also while nobody has a seat.
    pub(super) for_replicas: bool,
    pub(super) now: Now,
}

impl Watch {
    /// Watches until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut asked, mut answered) = (Instant::now(), Instant::now());
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.seats.is_empty() && !self.for_replicas {
                // Who comes later is checked against the store itself.
                answered = Instant::now();
                continue;
            }
            self.close_expired().await;
            if asked.elapsed() >= POLL {
                asked = Instant::now();
                answered = self.poll(answered).await;
            }
        }
    }

    /// Reads the ends and answers when the store was last known to have told all of them.
    async fn poll(&self, answered: Instant) -> Instant {
        let asked = Instant::now();
        let told = if answered.elapsed() < TRUSTED {
            self.close_ended().await
        } else {
            self.check_all().await
        };
        match told {
            Ok(()) => asked,
            Err(error) => {
                tracing::debug!(%error, "ends of sign-ins could not be read");
                answered
            }
        }
    }

    async fn close_ended(&self) -> Result<()> {
        let asked = std::time::Instant::now();
        let ended = self.store.ended_within(WINDOW).await?;
        self.ends.read(asked, &ended);
        for sid in ended {
            self.seats.end(sid);
        }
        Ok(())
    }

    /// After an outage longer than the window: whoever is not valid any more is closed.
    async fn check_all(&self) -> Result<()> {
        for sids in self.seats.sign_ins().chunks(CHUNK) {
            for gone in self.refresh(sids).await? {
                self.seats.end(gone);
            }
        }
        Ok(())
    }

    async fn close_expired(&self) {
        let now = (self.now)();
        for sids in self.seats.expired(now).chunks(CHUNK) {
            match self.refresh(sids).await {
                Ok(gone) => gone.into_iter().for_each(|sid| self.seats.end(sid)),
                Err(error) => {
                    tracing::debug!(%error, "expired sign-ins could not be checked");
                    let surely = now.plus_seconds(-BENEFIT_OF_DOUBT_MS / 1000);
                    for sid in sids {
                        self.seats.end_expired(*sid, surely);
                    }
                }
            }
        }
    }

    /// Learns the ends of those that are valid and answers those that are not.
    async fn refresh(&self, sids: &[SignInId]) -> Result<Vec<SignInId>> {
        let valid = self.store.sign_ins(sids).await?;
        for sign_in in &valid {
            self.seats.prolong(sign_in.sid, sign_in.expires_at);
        }
        Ok(sids.iter().copied().filter(|sid| !valid.iter().any(|v| v.sid == *sid)).collect())
    }
}
