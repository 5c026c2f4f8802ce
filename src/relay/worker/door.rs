//! Whether a sink can be published to, and when that is tried again if not; and what operators are told of it.

use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use crate::relay::{
    backoff::{Backoff, chance},
    plan::GivenUp,
    sink::{Fate, Lost},
};

/// Between two tries to open the sink.
const OPEN_AGAIN: Backoff = Backoff {
    first: Duration::from_millis(250),
    most: Duration::from_secs(10),
};
/// What happens again and again is told no more often.
const TOLD: Duration = Duration::from_mins(1);

pub(super) struct Door {
    pub(super) is_open: bool,
    failures: u32,
    pub(super) not_before: Instant,
    /// When it was last told that nobody takes something, and that something was put aside.
    told_returned: Option<Instant>,
    told_given_up: Option<Instant>,
}

impl Door {
    /// It was not tried yet.
    pub(super) fn new() -> Self {
        Self {
            is_open: false,
            failures: 0,
            not_before: Instant::now(),
            told_returned: None,
            told_given_up: None,
        }
    }

    /// Tells of what is odd in a batch, but not for each event.
    pub(super) fn tell(&mut self, sink: &str, fates: &[Fate], given_up: &[GivenUp]) {
        if fates.contains(&Fate::Returned) && is_due(&mut self.told_returned) {
            tracing::warn!(
                sink,
                "nobody takes what is published of some rooms: no queue is bound; it is published again"
            );
        }
        if let Some(GivenUp { event, attempts, fate, .. }) = given_up.first()
            && is_due(&mut self.told_given_up)
        {
            let (room, seq) = (event.room.0, event.seq.0);
            tracing::warn!(sink, room, seq, attempts, ?fate, "an event that the sink refuses is put aside");
        }
    }
}

/// Whether it may be told again.
fn is_due(told: &mut Option<Instant>) -> bool {
    let due = told.is_none_or(|moment| moment.elapsed() >= TOLD);
    if due {
        *told = Some(Instant::now());
    }
    due
}

impl Worker {
    /// Opens the sink, if that is due.
    pub(super) async fn open(&mut self, door: &mut Door) {
        if door.is_open || door.not_before > Instant::now() {
            return;
        }
        let Some(line) = self.lines.last_mut() else { return };
        let Some(opened) = self.stop.clone().run_until_cancelled(line.open()).await else {
            return;
        };
        match opened {
            Ok(()) => {
                tracing::info!(sink = &*self.name, "the sink of the relay is open");
                (door.is_open, door.failures) = (true, 0);
                self.counts.is_open(true);
            }
            Err(error) => self.lost(door, &error).await,
        }
    }

    /// The sink is opened again a little later. Of several lines that are lost at once the first one counts.
    pub(super) async fn lost(&mut self, door: &mut Door, error: &Lost) {
        if !door.is_open && door.not_before > Instant::now() {
            return;
        }
        door.failures = door.failures.saturating_add(1);
        let wait = OPEN_AGAIN.wait(door.failures, chance());
        tracing::warn!(sink = &*self.name, %error, again_in = ?wait, "what was said waits for the sink of the relay");
        door.is_open = false;
        door.not_before = Instant::now() + wait;
        self.counts.is_open(false);
        self.close().await;
    }

    /// Closes the lines that nothing is under way on.
    pub(super) async fn close(&mut self) {
        for line in &mut self.lines {
            line.close().await;
        }
    }
}
