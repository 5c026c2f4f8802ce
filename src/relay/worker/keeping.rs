//! What became of events is kept in the store, for as long as this node leads: what the sink has is not published
//! again because the database is away for a moment.

use tokio::time::{sleep, timeout};

use super::{ASK_AGAIN, Worker};
use crate::{
    domain::{RoomId, Seq},
    relay::{envelope, lead::TTL, plan::GivenUp, sink::Fate},
    store::{DeadLetter, Lead, Result},
};

impl Worker {
    /// Moves the cursors.
    pub(super) async fn save(&mut self, lead: Lead, to: &[(RoomId, Seq)]) {
        while !to.is_empty() {
            let moved = self.store.move_cursors(&self.name, lead.fence, to).await;
            if self.is_settled(lead, moved).await {
                return;
            }
        }
    }

    /// Puts events aside.
    pub(super) async fn put_aside(&mut self, lead: Lead, given_up: &[GivenUp]) {
        let letters: Vec<DeadLetter> = given_up.iter().map(letter).collect();
        while !letters.is_empty() {
            let kept = self.store.put_aside(&self.name, lead.fence, &letters).await;
            if self.is_settled(lead, kept).await {
                return;
            }
        }
    }

    /// Whether there is nothing more to try.
    async fn is_settled(&mut self, lead: Lead, answer: Result<bool>) -> bool {
        match answer {
            Ok(true) => return true,
            Ok(false) => {
                tracing::warn!(
                    sink = &*self.name,
                    "the relay moves no cursor: another node leads by now, or the log is elsewhere"
                );
                let mut known = self.led.clone();
                // The next asking for the lead finds out, unless it is given the same one again.
                let other = timeout(TTL, known.wait_for(|now| *now != Some(lead)));
                let _ = self.stop.clone().run_until_cancelled(other).await;
                return true;
            }
            Err(error) => tracing::debug!(%error, "the cursors of the relay can't be moved"),
        }
        if !self.goes_on(lead) {
            return true;
        }
        sleep(ASK_AGAIN).await;
        false
    }
}

fn letter(given_up: &GivenUp) -> DeadLetter {
    let GivenUp { event, told, attempts, fate } = given_up;
    DeadLetter {
        room: event.room,
        seq: event.seq,
        told: *told,
        message_id: envelope::id(event),
        reason: reason(*fate),
        attempts: *attempts,
    }
}

fn reason(fate: Fate) -> String {
    match fate {
        Fate::Declined(status) | Fate::Failed(status) => format!("status {status}"),
        Fate::Later(_) => "asked to wait".to_owned(),
        Fate::Confirmed | Fate::Refused | Fate::Returned | Fate::Unknown | Fate::Held => {
            "no answer".to_owned()
        }
    }
}
