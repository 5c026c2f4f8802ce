//! What the relay counts, by sink.

use std::sync::Arc;

use metrics::SharedString;

use super::sink::Fate;

/// The counters of one sink. There are as many as the settings name.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    sink: SharedString,
}

/// What one round has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that the sink has for certain, and whose cursor moves.
    pub confirmed: u64,
    /// Events that are published again.
    pub again: u64,
    /// Events that were deleted before the sink had them.
    pub deleted: u64,
    /// Events that were put aside.
    pub dead: u64,
}

impl Counts {
    /// Those of this sink, to which something goes on.
    pub(super) fn of(sink: &Arc<str>) -> Self {
        let counts = Self { sink: SharedString::from_shared(Arc::clone(sink)) };
        counts.count(Tally::default(), &[]);
        counts.leads(false);
        counts.is_open(false);
        counts.lag(0, 0.0);
        counts
    }

    /// What a batch has come to.
    pub(super) fn count(&self, tally: Tally, fates: &[Fate]) {
        let sink = || self.sink.clone();
        let returned = fates.iter().filter(|fate| **fate == Fate::Returned).count() as u64;
        metrics::counter!("chorus_relay_confirmed_total", "sink" => sink()).increment(tally.confirmed);
        metrics::counter!("chorus_relay_retries_total", "sink" => sink()).increment(tally.again);
        metrics::counter!("chorus_relay_deleted_total", "sink" => sink()).increment(tally.deleted);
        metrics::counter!("chorus_relay_dead_letters_total", "sink" => sink()).increment(tally.dead);
        metrics::counter!("chorus_relay_returned_total", "sink" => sink()).increment(returned);
    }

    /// Whether this node leads.
    pub(super) fn leads(&self, leads: bool) {
        metrics::gauge!("chorus_relay_leading", "sink" => self.sink.clone()).set(f64::from(u8::from(leads)));
    }

    /// Whether the sink is open here.
    pub(super) fn is_open(&self, open: bool) {
        metrics::gauge!("chorus_relay_connected", "sink" => self.sink.clone()).set(f64::from(u8::from(open)));
    }

    /// How far the sink is behind: in events, and since when the oldest of them waits.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(super) fn lag(&self, messages: u64, seconds: f64) {
        metrics::gauge!("chorus_relay_lag_messages", "sink" => self.sink.clone()).set(messages as f64);
        metrics::gauge!("chorus_relay_lag_seconds", "sink" => self.sink.clone()).set(seconds);
    }
}

/// Tells what the metrics mean, and counts what is counted of these sinks from zero. Called once, after the recorder
/// is there.
pub fn describe_metrics(sinks: &[&'static str]) {
    for sink in sinks {
        Counts { sink: SharedString::const_str(sink) }.count(Tally::default(), &[]);
    }
    metrics::describe_gauge!(
        "chorus_relay_lag_messages",
        "Events that a sink has not confirmed yet, as the node that leads it knows; 0 on the others"
    );
    metrics::describe_gauge!(
        "chorus_relay_lag_seconds",
        metrics::Unit::Seconds,
        "For how long the oldest of them waits"
    );
    metrics::describe_gauge!("chorus_relay_leading", "1 on the node that relays to a sink");
    metrics::describe_gauge!("chorus_relay_connected", "1 while the node that leads can publish to the sink");
    metrics::describe_counter!("chorus_relay_confirmed_total", "Events that a sink has confirmed");
    metrics::describe_counter!(
        "chorus_relay_retries_total",
        "Events published that have to be published again, because no confirmation came"
    );
    metrics::describe_counter!(
        "chorus_relay_returned_total",
        "Events that the sink gave back, because nobody has asked for them: no queue is bound"
    );
    metrics::describe_counter!(
        "chorus_relay_dead_letters_total",
        "Events put aside, because the sink refused them for good; see relay_dead_letters in the database"
    );
    metrics::describe_counter!(
        "chorus_relay_deleted_total",
        "Events deleted by RETENTION_DAYS before a sink had them"
    );
}
