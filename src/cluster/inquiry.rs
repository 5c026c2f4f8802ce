//! What a node asks the others for its operator, and what each answers.
//!
//! Questions and answers travel as notices: they may be lost, doubled or late, and a node of another
//! version may not understand them. Whoever asks waits for a bounded time and says who was silent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most sockets in one answer, and most sign-ins in one question.
pub const MOST: usize = 200;
/// Bytes of a name, an address, a version: what stands in one cell of a table.
const WORD: usize = 255;
/// Rooms of one socket.
const ROOMS: usize = 1000;

/// Something that is asked of every other node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// By which the answers are known.
    pub id: Uuid,
    /// What is asked.
    pub what: Request,
}

/// One node's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// To which question.
    pub to: Uuid,
    /// What it says.
    pub what: Told,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// How are you?
    State,
    /// Who is connected to you?
    Sockets(Wanted),
    /// Tell this to all your sockets, or to those in one room.
    Announce {
        /// The room's number.
        room: Option<i64>,
        /// A text as a message has it.
        text: String,
    },
    /// Sockets of these sign-ins look for another node. Those who have enough send them on, once.
    Expect {
        /// The sign-ins.
        sids: Vec<String>,
        /// The incarnations that have enough; for those who know no `mean`.
        full: Vec<String>,
        /// How many sockets are enough when one of these comes.
        #[serde(default)]
        mean: Option<u64>,
        /// For how long.
        seconds: u64,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// How it is.
    State(Box<NodeState>),
    /// Its sockets, in order.
    Sockets(Vec<SocketState>),
    /// It is done; to so many sockets.
    Done(u64),
}

/// Which sockets are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Those of this person, in whatever case.
    pub user: Option<String>,
    /// Those in this room.
    pub room: Option<i64>,
    /// Those that come after this one.
    pub after: Option<Place>,
    /// So many at most.
    pub limit: usize,
}

/// Where a socket stands in the list of all: by its person's name, then by node and number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The name in lower case.
    pub folded: String,
    /// The incarnation of its node.
    pub node: String,
    /// Its number there.
    pub number: u64,
}

/// One node, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// What operators call it: host and port.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// How long it has been running.
    pub up_seconds: u64,
    /// Why it is not ready; nothing when it is.
    pub causes: Vec<String>,
    /// Open sockets.
    pub sockets: u64,
    /// People who have one.
    pub people: u64,
    /// Rooms that somebody is in.
    pub rooms: u64,
    /// Messages that wait for their commit.
    pub log_queue: u64,
    /// Notices that wait to be told to the others.
    pub bus_queue: u64,
    /// The database, as it reaches it.
    pub database: Reach,
    /// The bus, as it reaches it; none of a node alone.
    pub bus: Option<Reach>,
    /// Read replicas that are asked, of so many.
    pub replicas: Option<(u64, u64)>,
}

/// Whether something answers, and how fast it last did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// Whether it answered when it was asked last.
    pub reached: bool,
    /// How long that took.
    pub millis: u64,
}

/// One socket, as its node says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketState {
    /// Whose.
    pub username: String,
    /// What operators call its node.
    pub node: String,
    /// The rooms it is in, by name.
    pub rooms: Vec<String>,
    /// From where it came.
    pub address: String,
    /// How it speaks.
    pub dialect: String,
    /// How long it has been open.
    pub connected_seconds: u64,
    /// Bytes that wait for it.
    pub queued_bytes: u64,
    /// Where it stands.
    pub place: Place,
}

impl Request {
    /// Whether it is within its bounds: what comes over the bus may be anybody's.
    pub fn is_sound(&self) -> bool {
        match self {
            // The text of an announcement is parsed by whoever tells it.
            Self::State | Self::Announce { .. } => true,
            Self::Sockets(wanted) => {
                let names = wanted.user.iter().chain(wanted.after.iter().flat_map(Place::words));
                wanted.limit <= MOST && are_words(names)
            }
            Self::Expect { sids, full, .. } => {
                sids.len() <= MOST && full.len() <= MOST && are_words(sids.iter().chain(full))
            }
        }
    }
}

impl Told {
    /// Whether it is within its bounds, and fit to be printed on a terminal.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::State(state) => {
                state.causes.len() <= MOST
                    && are_words([&state.name, &state.version].into_iter().chain(&state.causes))
            }
            Self::Sockets(sockets) => sockets.len() <= MOST && sockets.iter().all(SocketState::is_sound),
            Self::Done(_) => true,
        }
    }
}

impl Place {
    const fn words(&self) -> [&String; 2] {
        [&self.folded, &self.node]
    }
}

impl SocketState {
    fn is_sound(&self) -> bool {
        let words = [&self.username, &self.node, &self.address, &self.dialect];
        self.rooms.len() <= ROOMS && are_words(words.into_iter().chain(self.place.words()).chain(&self.rooms))
    }
}

fn are_words<'a>(texts: impl IntoIterator<Item = &'a String>) -> bool {
    texts.into_iter().all(|text| text.len() <= WORD && !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_disturb_a_terminal_is_not_believed() {
        let place = Place { folded: "alice".to_owned(), node: "0f".to_owned(), number: 1 };
        let socket = |name: &str| SocketState {
            username: name.to_owned(),
            node: "a:1".to_owned(),
            rooms: vec!["lobby".to_owned()],
            address: "127.0.0.1".to_owned(),
            dialect: "v1".to_owned(),
            connected_seconds: 1,
            queued_bytes: 0,
            place: place.clone(),
        };
        assert!(Told::Sockets(vec![socket("alice")]).is_sound());
        assert!(!Told::Sockets(vec![socket("a\u{1b}[2J")]).is_sound());
        assert!(!Told::Sockets(vec![socket(&"a".repeat(WORD + 1))]).is_sound());
        assert!(!Told::Sockets(vec![socket("alice"); MOST + 1]).is_sound());
        assert!(!Request::Sockets(Wanted { limit: MOST + 1, ..Wanted::default() }).is_sound());
    }

    #[test]
    fn places_are_ordered_by_name_then_node_then_number() {
        let place = |folded: &str, node: &str, number| Place {
            folded: folded.to_owned(),
            node: node.to_owned(),
            number,
        };
        let ordered = [
            place("a", "1", 9),
            place("a", "2", 1),
            place("a", "2", 3),
            place("b", "0", 0),
        ];
        assert!(ordered.is_sorted());
    }
}
