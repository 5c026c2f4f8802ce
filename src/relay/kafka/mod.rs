//! Kafka as a sink: a topic that the operator has made, a room's events in one partition, and brokers that answer when
//! all replicas that are in sync have them.
//!
//! The library writes the protocol ([`requests`]); the lines are ours ([`line`]), with the TLS of everything else and
//! with a limit to each wait. Of a batch each broker gets at once what is for the partitions that it leads; what that
//! is, and what the answers mean, is decided in [`flight`]. For a moment (a leader has moved, a line broke) it is sent
//! again from here, as it was and with the [`producer`]'s number and sequence, so that a broker that has it already
//! says so. What is still without a word then is unknown, and the number is given up: what comes next is new to
//! brokers, and consumers know it by `prevseq <= last < seq`.

mod answers;
mod brokers;
mod flight;
mod line;
mod login;
mod murmur;
mod producer;
mod requests;
mod scram;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::login::{Login, Mechanism};
use self::{
    brokers::{Brokers, Heard},
    flight::{Flight, Lot, Word},
    line::Dial,
    producer::Producer,
    requests::records,
};
use super::sink::{Fate, Lost, Outgoing, Published, Sink};

/// Its name in metrics and in the store.
pub const NAME: &str = "kafka";
/// How long finding the topic may take, and a number for the producer.
const OPEN: Duration = Duration::from_secs(8);
/// How long a batch may take, whatever happens.
const PUBLISH: Duration = Duration::from_secs(5);
/// How long it may take, when that is over, to ask once more who leads.
const LAST: Duration = Duration::from_secs(2);
/// For how long what was not taken is sent again from here.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two of these tries, the first and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// The longest that brokers are left alone because one asks for it.
const THROTTLE: Duration = Duration::from_mins(1);
/// For so long that is waited for here; longer, and nothing is under way meanwhile.
const WAITED: Duration = Duration::from_secs(2);
/// Kafka's code for an error that it has no other code for.
const UNHEARD: i16 = -1;
/// What happens again and again is told no more often.
const TOLD: Duration = Duration::from_mins(1);

/// Where it is, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Some of the brokers: hosts and ports.
    pub brokers: Vec<(String, u16)>,
    /// Where events go.
    pub topic: String,
    /// Whether brokers are spoken to in TLS.
    pub tls: bool,
    /// Who we are, if that is asked.
    pub login: Option<Login>,
}

/// A Kafka.
pub struct Kafka {
    brokers: Brokers,
    /// `None` before it is open, and after what it gave was lost sight of.
    producer: Option<Producer>,
    is_open: bool,
    /// Brokers want to be left alone until then.
    not_before: Instant,
    /// When it was last told that something is not taken.
    told: Option<Instant>,
}

/// What has happened to a batch so far.
#[derive(Default)]
struct Course {
    /// A broker has answered.
    heard: bool,
    /// The first reason why something is not taken.
    why: Option<String>,
    /// Brokers that have not answered.
    silent: BTreeSet<i32>,
    /// Partitions of which something was to be sent again, when they were last heard of.
    trouble: BTreeSet<i32>,
}

impl Kafka {
    /// The cluster that these brokers are of.
    ///
    /// # Errors
    /// When TLS is asked for that can't be had.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let Settings { brokers, topic, tls, login } = settings;
        Ok(Self {
            brokers: Brokers::new(Dial::new(tls, login)?, brokers, topic),
            producer: None,
            is_open: false,
            not_before: Instant::now(),
            told: None,
        })
    }

    /// Learns and is given what is needed to publish.
    async fn prepare(&mut self, until: Instant) -> Result<Producer, String> {
        if !self.is_open || self.brokers.is_stale() {
            self.brokers.learn(until).await?;
        }
        match self.producer.take() {
            Some(producer) => Ok(producer),
            None => self.brokers.producer(until).await,
        }
    }

    /// Sends until everything has its answer, or it has been tried long enough.
    async fn fly(
        &mut self,
        flight: &mut Flight<'_>,
        course: &mut Course,
        until: Instant,
    ) -> Result<(), String> {
        let mut producer = self.prepare(until).await?;
        let (again_until, mut pause) = (Instant::now() + AGAIN, PAUSE.0);
        while !flight.is_over() {
            let calm = self.round(flight, course, &mut producer, until).await?;
            if calm && Instant::now() < until {
                continue;
            }
            let is_last = Instant::now() >= again_until;
            if !is_last {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
            // After the last try, too: somebody else may lead by now, and it is to be known whether anybody answers.
            self.brokers.learn(until.max(Instant::now() + LAST)).await?;
            course.heard = true;
            if is_last {
                break;
            }
        }
        if !flight.is_in_doubt() {
            self.producer = Some(producer);
        }
        Ok(())
    }

    /// Sends of each partition the next lot. Whether all were taken, or are to be sent otherwise.
    async fn round(
        &mut self,
        flight: &mut Flight<'_>,
        course: &mut Course,
        producer: &mut Producer,
        until: Instant,
    ) -> Result<bool, String> {
        let (mut by_leader, mut calm) = (BTreeMap::<i32, Vec<(i32, Bytes)>>::new(), true);
        for Lot { partition, places } in flight.next() {
            if let Some(why) = self.brokers.resting(partition) {
                course.fails(why);
                course.heard = true;
                flight.ended(partition);
                continue;
            }
            let Some(leader) = self.brokers.leader(partition) else {
                course.fails(format!("nobody leads partition {partition}"));
                course.trouble.insert(partition);
                calm = false;
                continue;
            };
            let lot = records(places.iter().map(|place| flight.event(*place)), partition, producer)?;
            flight.sent(partition);
            by_leader.entry(leader).or_default().push((partition, lot));
        }
        for heard in self.brokers.produce(by_leader, until).await {
            calm &= self.hears(heard, flight, course, producer);
        }
        Ok(calm)
    }

    /// Takes what came of giving something to a broker. Whether it need not be given again.
    fn hears(
        &mut self,
        Heard { leader, partitions, answer }: Heard,
        flight: &mut Flight<'_>,
        course: &mut Course,
        producer: &mut Producer,
    ) -> bool {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                course.silent.insert(leader);
                course.fails(format!("broker {leader}: {error}"));
                return false;
            }
        };
        course.heard = true;
        course.silent.remove(&leader);
        self.throttled(answer.throttle);
        let (said, mut calm): (BTreeMap<i32, i16>, _) = (answer.codes.into_iter().collect(), true);
        for partition in partitions {
            let code = said.get(&partition).copied().unwrap_or(UNHEARD);
            let word = Word::of(code);
            if word != Word::Has {
                course.fails(format!("partition {partition}: {}", named(code)));
            }
            if word == Word::Again {
                course.trouble.insert(partition);
                calm = false;
            } else {
                course.trouble.remove(&partition);
            }
            producer.has(partition, flight.told(partition, word));
        }
        calm
    }

    fn throttled(&mut self, milliseconds: i32) {
        let wait = Duration::from_millis(milliseconds.max(0).unsigned_abs().into()).min(THROTTLE);
        self.not_before = self.not_before.max(Instant::now() + wait);
    }

    /// That something is not taken is told, but not each time.
    fn tell(&mut self, course: &Course) {
        let is_new = self.told.is_none_or(|moment| moment.elapsed() >= TOLD);
        if let (true, Some(why)) = (is_new, &course.why) {
            self.told = Some(Instant::now());
            tracing::warn!(why, "Kafka has not taken all of what was published; it is published again");
        }
    }
}

impl Course {
    fn fails(&mut self, why: String) {
        self.why.get_or_insert(why);
    }
}

#[async_trait]
impl Sink for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn open(&mut self) -> Result<(), Lost> {
        self.brokers.forget();
        (self.is_open, self.producer) = (false, None);
        self.producer = Some(self.prepare(Instant::now() + OPEN).await.map_err(Lost)?);
        self.is_open = true;
        Ok(())
    }

    async fn publish(&mut self, batch: &[Outgoing]) -> Published {
        if !self.is_open {
            return Published::unknown(batch.len(), Some(Lost("it is not open".to_owned())));
        }
        let rest = self.not_before.saturating_duration_since(Instant::now());
        if rest > WAITED {
            return Published { fates: vec![Fate::Later(rest); batch.len()], lost: None };
        }
        sleep_until(self.not_before).await;
        let until = Instant::now() + PUBLISH;
        let (mut flight, mut course) = (Flight::of(batch, self.brokers.partitions()), Course::default());
        let flown = self.fly(&mut flight, &mut course, until).await;
        let fates = flight.fates();
        let has_any = fates.contains(&Fate::Confirmed);
        let silence = || course.why.clone().filter(|_| !has_any && !course.heard);
        let lost = flown.err().or_else(silence).map(Lost);
        if lost.is_none() {
            if fates.iter().any(|fate| *fate != Fate::Confirmed) {
                self.tell(&course);
            }
            self.brokers.rest(&course.silent, &course.trouble);
        }
        Published { fates, lost }
    }

    async fn close(&mut self) {
        self.brokers.forget();
        (self.is_open, self.producer) = (false, None);
    }
}

/// A code, by its name in Kafka's own documentation: `NOT_LEADER_OR_FOLLOWER`.
fn named(code: i16) -> String {
    let Some(error) = ResponseError::try_from_code(code) else {
        return "NONE".to_owned();
    };
    let mut name = String::new();
    for letter in format!("{error:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
