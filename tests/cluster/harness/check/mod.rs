//! ONE judge of DESIGN's invariants over everything that clients wrote down and the log as it
//! stands in the database at the end.
//!
//! A pure function: a [`Story`] goes in; the shortest history that breaks a rule comes out, as a
//! [`Breach`] that names the rule, what is wrong, and only the events that show it.
//!
//! What it judges:
//! 1. an acknowledged message stands in the log where the `ack` said, with its text, and whoever
//!    is there at the end has seen everything from its first position to the log's end;
//! 2. nobody was shown one message twice, and no id stands at two numbers;
//! 3. in one room everybody saw the log's order without a gap, and the log is 1, 2, 3 …;
//! 4. the people that each client and each node believes to be there at the end are those who are;
//!    the versions that a socket was told follow each other; and who was said to be steady was
//!    neither announced nor missing from a list;
//! 5. a sign-in that ended has no open socket.

mod horizon;
mod log;
mod order;
mod pages;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

pub use self::horizon::remains;
use super::record::{Entry, Event, Joined, Recording, Said};

/// The rules, named as they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The log itself is 1, 2, 3 … and holds no id twice.
    Log,
    /// What was acknowledged stands in the log.
    Acked,
    /// Who is there at the end has seen everything.
    Missed,
    /// Nobody is shown one message twice.
    Twice,
    /// Everybody sees one order without a gap.
    Order,
    /// What was shown is what the log holds.
    Content,
    /// Nobody loses a part of the history unless the test expects it.
    Hole,
    /// The people are those who are there.
    People,
    /// Versions and counts of the people follow on one socket.
    Version,
    /// Who stays is neither announced nor missing.
    Flapping,
    /// A sign-in that ended has no open socket.
    SignedOut,
}

/// One line of a history.
#[derive(Debug, Clone)]
pub struct Line {
    pub who: String,
    pub entry: Entry,
}

/// A rule that was broken, and the shortest history that shows it.
#[derive(Debug, Clone)]
pub struct Breach {
    pub rule: Rule,
    pub what: String,
    pub history: Vec<Line>,
}

/// People who must not come, go or be missing for a while.
#[derive(Debug, Clone)]
pub struct Steady {
    pub names: Vec<String>,
    pub from: Duration,
    pub to: Duration,
}

/// What a node says at the end about who is in a room.
#[derive(Debug, Clone)]
pub struct NodeList {
    pub node: String,
    pub room: String,
    pub users: Vec<String>,
}

/// Everything that is judged.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub recordings: Vec<Recording>,
    /// Each room's log, in order.
    pub logs: BTreeMap<String, Vec<Said>>,
    /// How many of each log's first messages are not here, because they were judged before.
    pub before: BTreeMap<String, u64>,
    pub lists: Vec<NodeList>,
    /// Reasons of `recovered:false`, besides `fresh`, that the test makes happen.
    pub holes: Vec<String>,
    pub steady: Vec<Steady>,
    /// How long a socket may outlive its sign-in.
    pub sign_out_limit: Duration,
}

/// What was judged, so that a test can tell that it was not nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Judged {
    pub logged: usize,
    pub acks: usize,
    pub deliveries: usize,
    pub sockets: usize,
    pub presences: usize,
}

/// Judges a story: what was judged, or the shortest history that breaks a rule; of equals the
/// earliest.
pub fn check(story: &Story) -> Result<Judged, Breach> {
    let mut found = Vec::new();
    log::judge(story, &mut found);
    order::judge(story, &mut found);
    pages::judge(story, &mut found);
    people::judge(story, &mut found);
    let end = |breach: &Breach| breach.history.iter().map(|line| line.entry.at).max();
    match found.into_iter().min_by_key(|breach| (breach.history.len(), end(breach))) {
        Some(shortest) => Err(shortest),
        None => Ok(judged(story)),
    }
}

fn judged(story: &Story) -> Judged {
    let mut judged = Judged {
        logged: story.logs.values().map(Vec::len).sum(),
        ..Judged::default()
    };
    for event in story.recordings.iter().flat_map(|of| &of.entries).map(|entry| &entry.event) {
        match event {
            Event::Ack { .. } => judged.acks += 1,
            Event::Message { .. } | Event::Heard { .. } => judged.deliveries += 1,
            Event::Joined(joined) => judged.deliveries += joined.messages.len(),
            Event::Connected { .. } => judged.sockets += 1,
            Event::Presence { .. } => judged.presences += 1,
            _ => {}
        }
    }
    judged
}

impl Story {
    /// Judges the people alone: what is wrong with them, if anything. The rest may still be on its
    /// way.
    pub fn people(&self) -> Option<Breach> {
        let mut found = Vec::new();
        people::judge(self, &mut found);
        found.into_iter().min_by_key(|breach| breach.history.len())
    }

    /// The log of a room; a room that was never opened has an empty one.
    fn log(&self, room: &str) -> &[Said] {
        self.logs.get(room).map_or(&[], Vec::as_slice)
    }

    /// The last number of a log that is not here.
    fn before(&self, room: &str) -> u64 {
        self.before.get(room).copied().unwrap_or_default()
    }

    /// What the log holds at a number.
    fn at(&self, room: &str, seq: u64) -> Option<&Said> {
        let index = usize::try_from(seq.checked_sub(self.before(room) + 1)?).ok()?;
        self.log(room).get(index).filter(|said| said.seq == seq)
    }

    /// Who is in a room at the end, by what the clients themselves wrote down.
    fn present(&self, room: &str) -> BTreeSet<&str> {
        let inside = self.recordings.iter().filter(|of| here_since(of, room).is_some());
        inside.map(|of| of.name.as_str()).collect()
    }
}

fn rooms_of(recording: &Recording) -> BTreeSet<&str> {
    let rooms = recording.entries.iter().filter_map(|entry| match &entry.event {
        Event::Joined(joined) => Some(joined.room.as_str()),
        _ => None,
    });
    rooms.chain(is_page(recording).then_some("lobby")).collect()
}

/// Whether it speaks the seed dialect, which is in the lobby as soon as it is told who is there.
fn is_page(recording: &Recording) -> bool {
    let versionless =
        |entry: &Entry| matches!(&entry.event, Event::People { list, .. } if list.version.is_none());
    recording.entries.iter().any(versionless)
}

/// Where in its recording a client that is in a room at the end came in for the last time.
fn here_since(recording: &Recording, room: &str) -> Option<usize> {
    let mut here = None;
    for (at, entry) in recording.entries.iter().enumerate() {
        match &entry.event {
            Event::Connected { .. } | Event::Closed { .. } => here = None,
            Event::Joined(joined) if joined.room == room && !joined.more => here = here.or(Some(at)),
            Event::People { room: of, list } if of == room && list.version.is_none() => {
                here = here.or(Some(at));
            }
            _ => {}
        }
    }
    here
}

/// Entries of a recording as lines of a history.
fn lines(recording: &Recording, at: impl IntoIterator<Item = usize>) -> Vec<Line> {
    let mut at: Vec<usize> = at.into_iter().collect();
    at.sort_unstable();
    at.dedup();
    let line = |at: usize| Line {
        who: recording.client.clone(),
        entry: recording.entries[at].clone(),
    };
    at.into_iter().map(line).collect()
}

/// Lines of several recordings as one history.
fn in_time(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.entry.at);
    lines
}

/// Where a client came back into a room between two entries.
fn joins_between<'a>(
    recording: &'a Recording,
    room: &'a str,
    from: usize,
    to: usize,
) -> impl Iterator<Item = usize> + 'a {
    let joined = move |at: &usize| matches!(&recording.entries[*at].event, Event::Joined(Joined { room: of, .. }) if of == room);
    (from + 1..to).filter(joined)
}

/// The last entry that fits, if any.
fn last(recording: &Recording, fits: impl Fn(&Event) -> bool) -> Option<usize> {
    recording.entries.iter().rposition(|entry| fits(&entry.event))
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} is broken: {}", self.rule, self.what)?;
        for Line { who, entry } in &self.history {
            writeln!(f, "  {:>9.3} s  {who:<12} {}", entry.at.as_secs_f64(), entry.event)?;
        }
        Ok(())
    }
}
