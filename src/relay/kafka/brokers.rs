//! The brokers of a cluster: who they are, who leads which partition, and a line to each that is needed.
//!
//! What is known comes from any of them, at first from those that the settings name. Every question ends by a given
//! moment.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use kafka_protocol::error::ResponseError;
use tokio::time::{Instant, timeout_at};

use super::{
    answers::{Produced, Topic},
    line::{Dial, Line},
    named,
    producer::Producer,
    requests::{self, Ask, Unwritable},
};

/// A host and a port.
pub(super) type Place = (String, u16);

/// How long one broker may take to say what it knows, when another one can be asked.
const TRY: Duration = Duration::from_secs(3);
/// After that it is asked again who leads, whatever happens: partitions may have been added.
const STALE: Duration = Duration::from_mins(5);
/// For how long a broker that did not answer, or a partition that could not be written to, is left alone, so that it does
/// not keep all others waiting each time.
pub(super) const REST: Duration = Duration::from_secs(5);

/// What came of giving something to a broker.
pub(super) struct Heard {
    pub(super) leader: i32,
    /// Of these partitions.
    pub(super) partitions: Vec<i32>,
    pub(super) answer: io::Result<Produced>,
}

/// A cluster.
pub(super) struct Brokers {
    dial: Dial,
    topic: String,
    /// Those that the settings name; the first one changes, since it may be the one that never answers.
    named: Vec<Place>,
    lines: HashMap<i32, Line>,
    /// The last one that was called, until it is known which broker that is.
    spare: Option<(Place, Line)>,
    known: HashMap<i32, Place>,
    leaders: HashMap<i32, i32>,
    resting: HashMap<i32, Instant>,
    resting_partitions: HashMap<i32, Instant>,
    /// Counts who is asked first, so that it is not always the same.
    turn: usize,
    learned: Instant,
    /// The last one that was called gives numbers to producers.
    numbers: bool,
    /// It was told that we are given none.
    told: bool,
}

impl Brokers {
    pub(super) fn new(dial: Dial, named: Vec<Place>, topic: String) -> Self {
        Self {
            dial,
            topic,
            named,
            lines: HashMap::new(),
            spare: None,
            known: HashMap::new(),
            leaders: HashMap::new(),
            resting: HashMap::new(),
            resting_partitions: HashMap::new(),
            turn: 0,
            learned: Instant::now(),
            numbers: false,
            told: false,
        }
    }

    /// Lets go of all lines and of what was learned.
    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.spare = None;
        self.known.clear();
        self.leaders.clear();
        self.resting.clear();
        self.resting_partitions.clear();
        let another = usize::from(self.named.len() > 1);
        self.named.rotate_left(another);
    }

    /// How many partitions the topic has.
    pub(super) fn partitions(&self) -> u32 {
        u32::try_from(self.leaders.len()).unwrap_or(u32::MAX)
    }

    /// Whether what was learned is old.
    pub(super) fn is_stale(&self) -> bool {
        self.learned.elapsed() >= STALE
    }

    /// Who leads this partition, if anybody does.
    pub(super) fn leader(&self, partition: i32) -> Option<i32> {
        self.leaders.get(&partition).copied().filter(|leader| self.known.contains_key(leader))
    }

    /// Why a partition is left alone, if it is.
    pub(super) fn resting(&self, partition: i32) -> Option<String> {
        let now = Instant::now();
        let rests =
            |resting: &HashMap<i32, Instant>, who| resting.get(&who).is_some_and(|until| *until > now);
        if rests(&self.resting_partitions, partition) {
            return Some(format!("partition {partition} could not be written to a moment ago"));
        }
        let leader = self.leader(partition).filter(|leader| rests(&self.resting, *leader))?;
        Some(format!("broker {leader} did not answer a moment ago"))
    }

    /// Leaves these alone for a while.
    pub(super) fn rest(&mut self, brokers: &BTreeSet<i32>, partitions: &BTreeSet<i32>) {
        let until = Instant::now() + REST;
        self.resting.extend(brokers.iter().map(|broker| (*broker, until)));
        self.resting_partitions.extend(partitions.iter().map(|partition| (*partition, until)));
    }

    /// Asks who leads.
    pub(super) async fn learn(&mut self, until: Instant) -> Result<(), String> {
        let topic = self.any(requests::metadata(&self.topic), until).await?;
        match ResponseError::try_from_code(topic.code) {
            None if !topic.leaders.is_empty() => {}
            None | Some(ResponseError::UnknownTopicOrPartition) => {
                return Err(format!("there is no topic {}: make it, nobody else does", self.topic));
            }
            Some(_) => return Err(format!("the topic {} can't be used: {}", self.topic, named(topic.code))),
        }
        self.keep(topic);
        Ok(())
    }

    /// Knows what a broker says of the topic.
    pub(super) fn keep(&mut self, topic: Topic) {
        let places = topic.brokers.into_iter().map(|broker| (broker.id, (broker.host, broker.port)));
        let known: HashMap<i32, Place> = places.collect();
        // A line to a place where somebody else is now is of no use.
        self.lines.retain(|id, _| known.get(id) == self.known.get(id));
        self.known = known;
        if let Some((place, line)) = self.spare.take() {
            match self.known.iter().find(|(_, known)| **known == place) {
                Some((id, _)) => drop(self.lines.insert(*id, line)),
                None => self.spare = Some((place, line)),
            }
        }
        let leaders: HashMap<i32, i32> = topic.leaders.into_iter().collect();
        if !self.leaders.is_empty() && self.leaders.len() != leaders.len() {
            tracing::warn!(
                before = self.leaders.len(),
                now = leaders.len(),
                topic = self.topic,
                "the topic's partitions are not as many as before: rooms change theirs, and consumers may lose them"
            );
        }
        self.leaders = leaders;
        self.learned = Instant::now();
    }

    /// Asks for a producer's number. Where it is not given, or not to us, there is none: what is sent again after a
    /// silence then stands there twice.
    pub(super) async fn producer(&mut self, until: Instant) -> Result<Producer, String> {
        if !self.numbers {
            return Ok(Producer::nameless());
        }
        let (code, id, epoch) = self.any(requests::producer(), until).await?;
        match ResponseError::try_from_code(code) {
            None => Ok(Producer::new(id, epoch)),
            Some(ResponseError::ClusterAuthorizationFailed) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(
                        "Kafka gives us no producer's number: the right IDEMPOTENT_WRITE is missing"
                    );
                }
                Ok(Producer::nameless())
            }
            Some(_) => Err(format!("no number for a producer: {}", named(code))),
        }
    }

    /// Asks whoever answers.
    async fn any<A>(&mut self, ask: Result<Ask<A>, Unwritable>, until: Instant) -> Result<A, String> {
        let ask = ask?;
        if let Some(answer) = self.any_open(&ask, until).await {
            return Ok(answer);
        }
        let mut why = "no broker is known".to_owned();
        let places: Vec<Place> = self.named.iter().chain(self.known.values()).cloned().collect();
        for (host, port) in places {
            let call = async {
                let mut line = self.dial.to(&host, port).await?;
                let answer = line.ask(&ask).await?;
                io::Result::Ok((line, answer))
            };
            match timeout_at(limit(until), call).await {
                Ok(Ok((line, answer))) => {
                    self.numbers = line.speaks.numbers;
                    self.spare = Some(((host, port), line));
                    return Ok(answer);
                }
                Ok(Err(error)) => why = format!("{host}:{port}: {error}"),
                Err(_) => why = format!("{host}:{port}: no answer in time"),
            }
        }
        Err(why)
    }

    /// Asks those to whom there is a line already; it is there no more when they don't answer.
    async fn any_open<A>(&mut self, ask: &Ask<A>, until: Instant) -> Option<A> {
        let mut open: Vec<i32> = self.lines.keys().copied().collect();
        open.sort_unstable();
        // What one of them knows may be old, for as long as it is cut off from the others.
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn.checked_rem(open.len()).unwrap_or_default();
        open.rotate_left(first);
        for id in open {
            let Some(mut line) = self.lines.remove(&id) else { continue };
            if let Ok(Ok(answer)) = timeout_at(limit(until), line.ask(ask)).await {
                self.lines.insert(id, line);
                return Some(answer);
            }
        }
        let (place, mut line) = self.spare.take()?;
        let answer = timeout_at(limit(until), line.ask(ask)).await.ok()?.ok()?;
        self.spare = Some((place, line));
        Some(answer)
    }

    /// Gives each leader what is for it, all of them at once.
    pub(super) async fn produce(
        &mut self,
        lots: BTreeMap<i32, Vec<(i32, Bytes)>>,
        until: Instant,
    ) -> Vec<Heard> {
        let Self { dial, topic, lines, known, .. } = self;
        let (dial, topic) = (&*dial, topic.as_str());
        let calls = lots.into_iter().map(|(leader, lots)| {
            let partitions = lots.iter().map(|(partition, _)| *partition).collect();
            let (line, place) = (lines.remove(&leader), known.get(&leader).cloned().unwrap_or_default());
            async move {
                let call = give(dial, line, place, requests::produce(topic, lots));
                let answer = timeout_at(until, call).await;
                let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
                (leader, partitions, answer.unwrap_or_else(|_| late()))
            }
        });
        let heard = join_all(calls.collect::<Vec<_>>()).await;
        let each = |(leader, partitions, answer): (i32, Vec<i32>, io::Result<(Line, Produced)>)| {
            let answer = answer.map(|(line, produced)| {
                self.lines.insert(leader, line);
                produced
            });
            Heard { leader, partitions, answer }
        };
        heard.into_iter().map(each).collect()
    }
}

async fn give(
    dial: &Dial,
    line: Option<Line>,
    (host, port): Place,
    ask: Result<Ask<Produced>, Unwritable>,
) -> io::Result<(Line, Produced)> {
    let ask = ask.map_err(io::Error::other)?;
    let mut line = match line {
        Some(line) => line,
        None => dial.to(&host, port).await?,
    };
    let answer = line.ask(&ask).await?;
    Ok((line, answer))
}

fn limit(until: Instant) -> Instant {
    until.min(Instant::now() + TRY)
}
