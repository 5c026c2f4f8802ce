//! Leading a sink: asked for and prolonged every second, believed no longer than it was given for.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

use super::counts::Counts;
use crate::store::{Candidate, Lead, Store};

/// For how long it is given: longer than a call to the store may take, and what passes until another node takes over
/// from one that is gone.
pub(super) const TTL: Duration = Duration::from_secs(4);
/// How often it is asked for.
const RENEW: Duration = Duration::from_secs(1);
/// How long giving it up may take.
const GIVE_UP: Duration = Duration::from_millis(500);

/// A sink's leadership as this node wants it.
pub(super) struct Leadership {
    pub(super) store: Arc<dyn Store>,
    pub(super) sink: Arc<str>,
    pub(super) candidate: Candidate,
}

impl Leadership {
    /// Asks again and again, and tells `leads` what came of it. Does not end.
    pub(super) async fn keep(&self, leads: &watch::Sender<Option<Lead>>, counts: &Counts) {
        let mut tick = interval(RENEW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Until when what was given last holds. Reckoned from before it was asked for: it ends here first.
        let mut until = Instant::now();
        loop {
            let asked = tick.tick().await;
            let limit = if leads.borrow().is_some() { until } else { asked + TTL };
            let call = self.store.lead(&self.sink, self.candidate);
            match timeout_at(limit, call).await {
                Ok(Ok(Some(lead))) => {
                    until = asked + TTL;
                    self.tell(leads, counts, Some(lead));
                }
                Ok(Ok(None)) => self.tell(leads, counts, None),
                Ok(Err(error)) => {
                    tracing::debug!(%error, sink = &*self.sink, "the lead can't be asked for");
                    self.let_lapse(leads, counts, until);
                }
                Err(_) => self.let_lapse(leads, counts, until),
            }
        }
    }

    /// Another node need not wait for the lease to end.
    pub(super) async fn give_up(&self, leads: &watch::Sender<Option<Lead>>, counts: &Counts) {
        let Some(lead) = *leads.borrow() else { return };
        self.tell(leads, counts, None);
        let call = self.store.give_up_lead(&self.sink, lead.fence);
        if !matches!(timeout_at(Instant::now() + GIVE_UP, call).await, Ok(Ok(()))) {
            tracing::debug!(sink = &*self.sink, "the lead was not given up; it ends by itself");
        }
    }

    fn let_lapse(&self, leads: &watch::Sender<Option<Lead>>, counts: &Counts, until: Instant) {
        if Instant::now() >= until {
            self.tell(leads, counts, None);
        }
    }

    fn tell(&self, leads: &watch::Sender<Option<Lead>>, counts: &Counts, lead: Option<Lead>) {
        let changed = leads.send_if_modified(|known| std::mem::replace(known, lead) != lead);
        if changed {
            counts.leads(lead.is_some());
            if let Some(lead) = lead {
                tracing::info!(sink = &*self.sink, fence = lead.fence.0, "this node relays");
            } else {
                tracing::info!(sink = &*self.sink, "this node relays no more");
            }
        }
    }
}
