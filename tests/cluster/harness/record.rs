//! What a client of the harness writes down: every event with a monotonic time, and nothing judged.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::Value;

/// The time of a test: everything counts from its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> Duration {
        self.0.elapsed()
    }
}

/// A message as it stands in the log or in front of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub seq: u64,
    pub id: String,
    pub who: String,
    pub text: String,
}

impl Said {
    /// From `{seq,id,username,message}`.
    pub fn read(frame: &Value) -> Self {
        Self {
            seq: frame["seq"].as_u64().unwrap_or_default(),
            id: word(&frame["id"]),
            who: word(&frame["username"]),
            text: word(&frame["message"]),
        }
    }
}

/// Who is in a room, as told at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    pub users: Vec<String>,
    /// How many there are in all; a list of `v1` is cut after 500.
    pub count: u64,
    /// The seed dialect has none.
    pub version: Option<u64>,
}

impl List {
    pub fn read(frame: &Value) -> Self {
        let users = words(&frame["users"]);
        Self {
            count: frame["userCount"].as_u64().unwrap_or(users.len() as u64),
            version: frame["version"].as_u64(),
            users,
        }
    }

    /// Whether it names everybody.
    pub const fn is_whole(&self) -> bool {
        self.count == self.users.len() as u64
    }
}

/// A `joined` frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    pub room: String,
    pub seq: u64,
    pub recovered: bool,
    pub reason: String,
    pub more: bool,
    pub messages: Vec<Said>,
    pub people: List,
}

/// What happened to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    SignedIn,
    /// The node has answered that this sign-in is over.
    SignedOut,
    Connected {
        node: String,
    },
    Welcome,
    /// It asked to come in, or back after this position.
    Asked {
        room: String,
        after: Option<u64>,
    },
    Joined(Joined),
    Message {
        room: String,
        said: Said,
    },
    /// A message of the seed dialect, which has no numbers.
    Heard {
        who: String,
        text: String,
    },
    Sent {
        room: String,
        id: String,
        text: String,
    },
    Ack {
        room: String,
        id: String,
        seq: u64,
        duplicate: bool,
    },
    Error {
        code: String,
        id: String,
    },
    People {
        room: String,
        list: List,
    },
    Presence {
        room: String,
        joined: Vec<String>,
        left: Vec<String>,
        count: u64,
        version: u64,
    },
    /// A line for people: an operator's word, or who came and went in the seed dialect.
    Announced {
        text: String,
    },
    /// The node asked to be left.
    Reconnect {
        after_ms: u64,
    },
    /// The socket is gone.
    Closed {
        code: Option<u16>,
        why: String,
    },
}

/// An event and when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Duration,
    pub event: Event,
}

/// All that happened to one client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// The person.
    pub name: String,
    /// This client of the person.
    pub client: String,
    pub entries: Vec<Entry>,
}

impl Recording {
    /// How long somebody was away each time: from the loss of a socket until being in the lobby again.
    pub fn absences(&self) -> Vec<Duration> {
        let (mut absences, mut lost) = (Vec::new(), None);
        for entry in &self.entries {
            let inside = match &entry.event {
                Event::Closed { .. } => {
                    lost = lost.or(Some(entry.at));
                    false
                }
                Event::Joined(joined) => !joined.more,
                Event::People { list, .. } => list.version.is_none(),
                _ => false,
            };
            if inside {
                absences.extend(lost.take().map(|lost| entry.at.saturating_sub(lost)));
            }
        }
        // Who is not back at all is away for ever.
        absences.extend(lost.map(|_| Duration::MAX));
        absences
    }

    /// How many of its messages were acknowledged.
    pub fn acks(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.event, Event::Ack { .. })).count()
    }
}

/// Writes down while others may already read.
#[derive(Clone)]
pub struct Recorder {
    clock: Clock,
    recording: Arc<Mutex<Recording>>,
}

impl Recorder {
    pub fn new(clock: Clock, name: &str, client: &str) -> Self {
        let recording = Recording {
            name: name.to_owned(),
            client: client.to_owned(),
            entries: Vec::new(),
        };
        Self { clock, recording: Arc::new(Mutex::new(recording)) }
    }

    pub fn note(&self, event: Event) {
        // The time is taken under the lock, so times never go back within a recording.
        let mut recording = self.recording.lock();
        recording.entries.push(Entry { at: self.clock.now(), event });
    }

    pub fn so_far(&self) -> Recording {
        self.recording.lock().clone()
    }

    /// What remains stands for so many of the first entries from now on.
    pub fn forget(&self, first: usize, remains: Vec<Entry>) {
        self.recording.lock().entries.splice(..first, remains);
    }

    /// Looks without a copy.
    pub fn look<T>(&self, at: impl FnOnce(&Recording) -> T) -> T {
        at(&self.recording.lock())
    }
}

/// A text, empty when it is none.
pub fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A list of texts, empty when it is none.
pub fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, id, who, text } = self;
        write!(f, "#{seq} {id} of {who}: {text:?}")
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.users)?;
        if !self.is_whole() {
            write!(f, " of {}", self.count)?;
        }
        self.version.map_or(Ok(()), |version| write!(f, " version {version}"))
    }
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room, seq, recovered, reason, .. } = self;
        write!(f, "joined {room} at {seq}, ")?;
        if *recovered {
            write!(f, "recovered")?;
        } else {
            write!(f, "not recovered ({reason})")?;
        }
        match (self.messages.first(), self.messages.last()) {
            (Some(first), Some(last)) => write!(f, ", messages {} to {}", first.seq, last.seq)?,
            _ => write!(f, ", no messages")?,
        }
        if self.more {
            write!(f, ", more follow")?;
        }
        write!(f, ", people {}", self.people)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedIn => write!(f, "signed in"),
            Self::SignedOut => write!(f, "signed out"),
            Self::Connected { node } => write!(f, "connected to {node}"),
            Self::Welcome => write!(f, "welcome"),
            Self::Asked { room, after: None } => write!(f, "asks to join {room}"),
            Self::Asked { room, after: Some(seq) } => write!(f, "asks to resume {room} after {seq}"),
            Self::Joined(joined) => write!(f, "{joined}"),
            Self::Message { room, said } => write!(f, "message in {room} {said}"),
            Self::Heard { who, text } => write!(f, "heard {who}: {text:?}"),
            Self::Sent { room, id, text } => write!(f, "sent to {room} {id}: {text:?}"),
            Self::Ack { room, id, seq, duplicate } => {
                let again = if *duplicate { " (duplicate)" } else { "" };
                write!(f, "ack of {room} {id} at #{seq}{again}")
            }
            Self::Error { code, id } => write!(f, "error {code} {id}"),
            Self::People { room, list } => write!(f, "people of {room} {list}"),
            Self::Presence { room, joined, left, count, version } => {
                write!(
                    f,
                    "presence of {room}: came {joined:?}, left {left:?}, now {count}, version {version}"
                )
            }
            Self::Announced { text } => write!(f, "announced {text:?}"),
            Self::Reconnect { after_ms } => write!(f, "asked to reconnect within {after_ms} ms"),
            Self::Closed { code: Some(code), why } => write!(f, "closed with {code} {why}"),
            Self::Closed { code: None, why } => write!(f, "closed: {why}"),
        }
    }
}
