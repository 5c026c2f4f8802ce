//! The members of one contender, spread evenly over its processes, and what they measure.

use std::{
    fmt, thread,
    time::{Duration, SystemTime},
};

use super::{
    contender::{Contender, Used},
    member::Member,
};
use crate::{Outcome, report::percentile};

/// Bytes of a message's text.
const TEXT: usize = 128;
/// The heavy load: messages in flight, and about how many deliveries are measured.
const FLIGHT: usize = 8;
const DELIVERIES: usize = 400_000;
/// So many come in before everybody reads what was told of them meanwhile.
const TOGETHER: usize = 250;

/// A calm load: how often something is said, and how many times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calm {
    every: Duration,
    times: usize,
}

impl Calm {
    pub(crate) const EACH_50_MS: Self = Self { every: Duration::from_millis(50), times: 100 };
    /// With thousands of members, so that the slowest has done one message before the next comes.
    pub(crate) const EACH_200_MS: Self = Self { every: Duration::from_millis(200), times: 60 };
}

pub(crate) struct Crowd<'a> {
    pub(crate) contender: &'a Contender,
    members: Vec<Member>,
    said: u64,
}

/// One round of one contender.
pub(crate) struct Measured {
    /// Milliseconds until the last member's bytes had come, of each message of the calm load.
    pub(crate) times: Vec<f64>,
    pub(crate) calm: Cost,
    pub(crate) heavy: Cost,
}

/// CPU and what it was used for.
#[derive(Default)]
pub(crate) struct Cost {
    used: Used,
    deliveries: usize,
}

impl Cost {
    /// Deliveries per CPU second of the processes that hold the sockets.
    pub(crate) fn by_nodes(&self) -> f64 {
        self.deliveries as f64 / self.used.nodes.as_secs_f64()
    }

    /// The same of them and what stands behind them.
    pub(crate) fn by_all(&self) -> f64 {
        self.deliveries as f64 / self.used.all().as_secs_f64()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.times.is_empty() {
            let (p50, p99) = (percentile(&self.times, 50), percentile(&self.times, 99));
            write!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms, calm {}, ", self.calm)?;
        }
        write!(f, "heavy {}", self.heavy)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / self.deliveries as f64;
        let Used { nodes, behind } = self.used;
        write!(f, "{:.2} + {:.2} µs a delivery", each(nodes), each(behind))
    }
}

impl<'a> Crowd<'a> {
    pub(crate) const fn of(contender: &'a Contender) -> Self {
        Self { contender, members: Vec::new(), said: 0 }
    }

    /// Until there are so many; all have heard something then.
    pub(crate) fn grow(&mut self, size: usize) -> Outcome {
        let Contender { doors, people, speech, .. } = self.contender;
        while self.members.len() < size {
            let person = self.members.len();
            let door = doors[person % doors.len()];
            self.members.push(Member::enter(door, *speech, &people[person])?);
            if self.members.len().is_multiple_of(TOGETHER) || self.members.len() == size {
                self.burst(1)?;
            }
        }
        Ok(())
    }

    pub(crate) fn measure(&mut self, load: Option<Calm>) -> Outcome<Measured> {
        // What the others' turn has left cold.
        self.burst(1)?;
        let (mut times, mut calm) = (Vec::new(), Cost::default());
        if let Some(load) = load {
            let before = self.contender.used()?;
            times = self.calm(load)?;
            calm = self.cost(before, load.times)?;
        }
        let bursts = DELIVERIES.div_ceil(self.members.len() * FLIGHT);
        let before = self.contender.used()?;
        for _ in 0..bursts {
            self.burst(FLIGHT)?;
        }
        Ok(Measured { times, calm, heavy: self.cost(before, bursts * FLIGHT)? })
    }

    fn cost(&self, before: Used, messages: usize) -> Outcome<Cost> {
        let used = self.contender.used()?.since(before);
        Ok(Cost { used, deliveries: messages * self.members.len() })
    }

    /// Milliseconds until all have heard, each time. A message that is late because the one before
    /// it was not heard in time counts from when it was due.
    fn calm(&mut self, load: Calm) -> Outcome<Vec<f64>> {
        let mut times = Vec::with_capacity(load.times);
        let mut due = SystemTime::now();
        for _ in 0..load.times {
            due += load.every;
            let sent = match due.duration_since(SystemTime::now()) {
                Ok(early) => {
                    thread::sleep(early);
                    SystemTime::now()
                }
                Err(_) => due,
            };
            let heard = self.burst(1)?;
            times.push(heard.duration_since(sent).unwrap_or_default().as_secs_f64() * 1e3);
        }
        Ok(times)
    }

    /// So many members of the first process say something, and everybody hears it; answers when the
    /// last had it. The members are read from the last to the first: when the last has its bytes
    /// most have, so nobody sleeps in a read that each single write would have to end.
    fn burst(&mut self, flight: usize) -> Outcome<SystemTime> {
        let text = "x".repeat(TEXT);
        let doors = self.contender.doors.len();
        for sender in self.members.iter_mut().step_by(doors).take(flight) {
            self.said += 1;
            sender.say(&text, self.said)?;
        }
        let mut last = SystemTime::UNIX_EPOCH;
        for member in self.members.iter_mut().rev() {
            last = last.max(member.hear(flight)?);
        }
        Ok(last)
    }
}
