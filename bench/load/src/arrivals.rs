//! When each message had come to the last one of those who wait for it, and when its sender knew that it is kept.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

/// One message on its way.
struct Underway {
    said: SystemTime,
    /// So many have not heard it yet.
    missing: usize,
    last: SystemTime,
}

/// Messages of one sender, so that everybody hears them in the order in which they were said.
pub struct Arrivals {
    listeners: usize,
    /// The number of the first one in `underway`, from 0.
    first: u64,
    underway: VecDeque<Underway>,
    times: Vec<f64>,
}

impl Arrivals {
    /// Nothing said yet, so many who will hear it.
    pub const fn of(listeners: usize) -> Self {
        Self {
            listeners,
            first: 0,
            underway: VecDeque::new(),
            times: Vec::new(),
        }
    }

    /// The next message, about to be written.
    pub fn said(&mut self, said: SystemTime) {
        self.underway.push_back(Underway { said, missing: self.listeners, last: said });
    }

    /// One listener who had heard `before` messages has heard so many more, the last of them then.
    pub fn came(&mut self, before: u64, more: u64, when: SystemTime) {
        for number in before..before + more {
            let Some(at) = number.checked_sub(self.first).and_then(|it| usize::try_from(it).ok()) else {
                continue;
            };
            if let Some(message) = self.underway.get_mut(at) {
                message.missing = message.missing.saturating_sub(1);
                message.last = message.last.max(when);
            }
        }
        while let Some(done) = self.underway.pop_front_if(|it| it.missing == 0) {
            self.first += 1;
            self.times.push(milliseconds(done.said, done.last));
        }
    }

    /// Messages that somebody still waits for.
    pub fn underway(&self) -> usize {
        self.underway.len()
    }

    /// Milliseconds of each message that all have heard.
    pub fn times(self) -> Vec<f64> {
        self.times
    }
}

/// Both of one sender's messages: that all hear them, and that they are acknowledged.
pub struct Timing {
    heard: Arrivals,
    late: Vec<f64>,
    /// Nothing, where the chat acknowledges nothing.
    acked: Option<Arrivals>,
    acks: u64,
}

/// Milliseconds of each message.
pub struct Times {
    /// Until the last one had it.
    pub heard: Vec<f64>,
    /// Until its sender knew that it is kept; none where the chat says nothing of that.
    pub acked: Vec<f64>,
    /// How late it was said. No answer is waited for before something is said: other programs had the core, or there was
    /// much to read.
    pub late: Vec<f64>,
}

impl Timing {
    /// Nothing said yet, so many who will hear it.
    pub fn of(listeners: usize, acknowledges: bool) -> Self {
        Self {
            heard: Arrivals::of(listeners),
            late: Vec::new(),
            acked: acknowledges.then(|| Arrivals::of(1)),
            acks: 0,
        }
    }

    /// The next message, and when it should have been said. Its time runs from when it was said.
    pub fn said(&mut self, said: SystemTime, due: SystemTime) {
        self.late.push(milliseconds(due, said));
        self.heard.said(said);
        if let Some(acked) = &mut self.acked {
            acked.said(said);
        }
    }

    /// As with [`Arrivals::came`].
    pub fn came(&mut self, before: u64, more: u64, when: SystemTime) {
        self.heard.came(before, more, when);
    }

    /// So many more were acknowledged, in the order in which they were said.
    pub fn acked(&mut self, more: u64, when: SystemTime) {
        if let Some(acked) = &mut self.acked {
            acked.came(self.acks, more, when);
            self.acks += more;
        }
    }

    /// Messages that somebody still waits for.
    pub fn underway(&self) -> usize {
        self.heard.underway().max(self.acked.as_ref().map_or(0, Arrivals::underway))
    }

    /// What came of it.
    pub fn times(self) -> Times {
        Times {
            heard: self.heard.times(),
            acked: self.acked.map(Arrivals::times).unwrap_or_default(),
            late: self.late,
        }
    }
}

fn milliseconds(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or(Duration::ZERO).as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_message_ends_when_its_last_listener_has_it() {
        let mut arrivals = Arrivals::of(2);
        arrivals.said(at(10));
        arrivals.said(at(20));
        arrivals.came(0, 1, at(13));
        assert_eq!(arrivals.underway(), 2);
        // The second listener reads both at once; the first has only one yet.
        arrivals.came(0, 2, at(25));
        assert_eq!(arrivals.underway(), 1);
        arrivals.came(1, 1, at(24));
        assert_eq!(arrivals.underway(), 0);
        assert_eq!(arrivals.times(), [15.0, 5.0]);
    }

    #[test]
    fn a_message_is_over_when_it_is_heard_and_acknowledged() {
        let mut timing = Timing::of(1, true);
        timing.said(at(10), at(10));
        timing.said(at(20), at(17));
        timing.came(0, 2, at(26));
        assert_eq!(timing.underway(), 2);
        timing.acked(1, at(13));
        timing.acked(1, at(24));
        assert_eq!(timing.underway(), 0);
        let times = timing.times();
        assert_eq!(
            (times.heard, times.acked, times.late),
            (vec![16.0, 6.0], vec![3.0, 4.0], vec![0.0, 3.0])
        );
    }

    #[test]
    fn where_nothing_is_acknowledged_nobody_waits_for_that() {
        let mut timing = Timing::of(1, false);
        timing.said(at(10), at(10));
        timing.came(0, 1, at(11));
        assert_eq!(timing.underway(), 0);
        assert!(timing.times().acked.is_empty());
    }
}
