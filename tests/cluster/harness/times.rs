//! How long things took for those who lived through them, from what they wrote down.
//!
//! What was said counts from the first time that it was sent, however often it had to be said again.
//! An acknowledgement that never came took for ever; whether everybody was shown everything is the
//! checker's to judge.

use std::{collections::HashMap, fmt, ops::Range, time::Duration};

use super::record::{Event, Recording};

/// A room and an id: a message of one client.
type What = (String, String);

/// Some times, shortest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// So many of a hundred took no longer (nearest rank); of nothing, for ever: a figure of nothing
    /// is none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(Duration::MAX)
    }

    pub fn longest(&self) -> Duration {
        self.percentile(100)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "{} times, p50 {half:.1?}, p99 {most:.1?}, longest {all:.1?}", self.count())
    }
}

/// From the first time something was said until it was acknowledged, of what was said in this time.
pub fn acks(recordings: &[Recording], during: &Range<Duration>) -> Times {
    let of = |recording: &Recording| {
        let mut answered = HashMap::new();
        for entry in &recording.entries {
            if let Event::Ack { room, id, .. } = &entry.event {
                answered.entry((room.clone(), id.clone())).or_insert(entry.at);
            }
        }
        let sent = first_sent(recording, during);
        let took = |(what, sent): (What, Duration)| {
            answered.get(&what).map_or(Duration::MAX, |at| at.saturating_sub(sent))
        };
        sent.into_iter().map(took).collect::<Vec<_>>()
    };
    Times::of(recordings.iter().flat_map(of))
}

/// From the first time something was said until each other client was shown it as it came, of what was
/// said in this time. Who read it later, coming back, is not counted.
pub fn deliveries(recordings: &[Recording], during: &Range<Duration>) -> Times {
    let mut sent = HashMap::new();
    for recording in recordings {
        for ((room, id), at) in first_sent(recording, during) {
            sent.insert((room, recording.name.clone(), id), (at, &recording.client));
        }
    }
    let shown = recordings.iter().flat_map(|to| to.entries.iter().map(move |entry| (to, entry)));
    Times::of(shown.filter_map(|(to, entry)| {
        let Event::Message { room, said } = &entry.event else { return None };
        let (at, from) = sent.get(&(room.clone(), said.who.clone(), said.id.clone()))?;
        (**from != to.client).then(|| entry.at.saturating_sub(*at))
    }))
}

/// From each time something was said until the error frame that it got, of what was said in this time.
pub fn refusals(recordings: &[Recording], during: &Range<Duration>) -> Times {
    let of = |recording: &Recording| {
        let (mut sent, mut took) = (HashMap::new(), Vec::new());
        for entry in &recording.entries {
            match &entry.event {
                Event::Sent { id, .. } if during.contains(&entry.at) => {
                    sent.insert(id.clone(), entry.at);
                }
                Event::Error { id, .. } => took.extend(sent.remove(id).map(|at| entry.at.saturating_sub(at))),
                _ => {}
            }
        }
        took
    };
    Times::of(recordings.iter().flat_map(of))
}

/// When each message was sent for the first time, if that was in this time.
fn first_sent(recording: &Recording, during: &Range<Duration>) -> HashMap<What, Duration> {
    let mut first = HashMap::new();
    for entry in &recording.entries {
        if let Event::Sent { room, id, .. } = &entry.event {
            first.entry((room.clone(), id.clone())).or_insert(entry.at);
        }
    }
    first.retain(|_, at| during.contains(at));
    first
}
