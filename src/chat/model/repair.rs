//! The repair of messages, explored: two nodes, lost and doubled bells, answers of the log that are lost or old,
//! writers who try again with the same id, and members who come, go and come back in the middle.
//!
//! What decides is the real thing: [`Sequencer`], [`Approach`] and [`Start::resume`]. Around them stand, with the same
//! steps as the code that drives them:
//! - the log: `append` finds the id or gives the next number (`tests/store_contract.rs`); reads are done at one moment
//!   and come at a later one;
//! - the bus: a bell reaches who was subscribed when it rang, at any time, twice, or never;
//! - the conductor (`rooms::conductor`): a room is subscribed, then the log's end is read, then it is open; one
//!   repair and one comparison are under way at a time; a room that nobody attends may be closed;
//! - the hub's room (`hub::Room::join`): a member that has less than the room has delivered is turned away
//!   (`tests/hub/order.rs`).
//!
//! Time is any: every gap is overdue at once, and whatever waits may wait for ever until all is at rest. At rest the
//! bells that are under way are lost, so only the comparison with the log finds what was missed.

mod members;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use self::members::tell;
use crate::{
    chat::{
        join::approach::{Approach, Span},
        sequencer::Sequencer,
    },
    domain::{ClientId, Event, MessageBody, Position, RoomId, Seq, Timestamp, UserId, Username},
    store::Head,
};

const ROOM: RoomId = RoomId(1);
/// The longest page, so that two messages are more than one.
const PAGE: usize = 1;

/// A step that is done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A retry gets a number of its own.
    RetriesAreNew,
    /// The log is not compared with what was delivered.
    NobodyCompares,
    /// The hub takes in whoever comes, however much they have read.
    AnybodyIsLive,
    /// What a node hears goes past the sequencer.
    NobodyWaits,
    /// Who goes live is not sent the last page.
    LastPageIsLost,
}

/// How large the world is.
#[derive(Debug, Clone, Copy)]
struct Size {
    messages: usize,
    members: usize,
    /// How many answers of the log may be lost.
    lost_answers: u8,
    /// How many bells may ring twice.
    doubled: u8,
    /// How many times a member may lose its connection.
    departures: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writing {
    Unsaid,
    /// Committed with this number, `true` if by this attempt; the answer is under way.
    Committed(u64, bool),
    Unheard,
    Answered,
}

#[derive(Debug, Clone)]
struct Room {
    sequencer: Sequencer,
    subscribed: bool,
    end: Option<Position>,
    /// What the hub has delivered, and who takes it, from where on; nothing before the room is open.
    hub: Option<(u64, BTreeMap<usize, u64>)>,
}

#[derive(Debug, Clone, Hash)]
enum Presence {
    Away,
    Reading(Approach, Option<(Span, Vec<u64>)>),
    Live,
}

#[derive(Debug, Clone, Hash)]
struct Member {
    node: usize,
    presence: Presence,
    /// The last number that it has, and the one after which it has all; nothing before it has come for the first
    /// time.
    has: Option<u64>,
    since: u64,
}

#[derive(Clone)]
struct Repair {
    broken: Broken,
    size: Size,
    now: Instant,
    log: Vec<Arc<Event>>,
    writers: Vec<Writing>,
    bells: BTreeSet<(usize, u64)>,
    rooms: [Option<Room>; 2],
    /// What the log answered to a node, and is under way.
    repairing: [Option<Vec<Arc<Event>>>; 2],
    checking: [Option<(Seq, Head)>; 2],
    members: Vec<Member>,
}

impl Repair {
    fn new(size: Size, broken: Broken) -> Self {
        let away = Member { node: 0, presence: Presence::Away, has: None, since: 0 };
        Self {
            broken,
            size,
            now: Instant::now(),
            log: Vec::new(),
            writers: vec![Writing::Unsaid; size.messages],
            bells: BTreeSet::new(),
            rooms: [const { None }; 2],
            repairing: [const { None }; 2],
            checking: [const { None }; 2],
            members: vec![away; size.members],
        }
    }

    fn end(&self) -> u64 {
        self.log.len() as u64
    }

    fn position(&self, seq: u64) -> Position {
        let event = seq.checked_sub(1).and_then(|at| self.log.get(usize::try_from(at).ok()?));
        event.map_or(Position::START, |event| Position::after(event))
    }

    /// The node through which a message is said.
    const fn through(message: usize) -> usize {
        message % 2
    }

    fn commit(&mut self, message: usize) {
        let id = ClientId::from_store(format!("m{message}"));
        let found = self.log.iter().find(|event| event.id == id).map(|event| event.seq.0);
        let found = found.filter(|_| self.broken != Broken::RetriesAreNew);
        let seq = found.unwrap_or_else(|| {
            let seq = Seq(self.end() + 1);
            self.log.push(event(seq, id));
            seq.0
        });
        self.writers[message] = Writing::Committed(seq, found.is_none());
    }

    fn answer(&mut self, message: usize) -> Result<(), String> {
        let Writing::Committed(seq, by_this) = self.writers[message] else {
            return Ok(());
        };
        self.writers[message] = Writing::Answered;
        if by_this {
            let node = Self::through(message);
            let subscribed = |room: &Option<Room>| room.as_ref().is_some_and(|room| room.subscribed);
            if subscribed(&self.rooms[1 - node]) {
                self.bells.insert((1 - node, seq));
            }
            self.hear(node, seq)?;
        }
        Ok(())
    }

    /// `Conductor::offer`.
    fn hear(&mut self, node: usize, seq: u64) -> Result<(), String> {
        let event = Arc::clone(&self.log[usize::try_from(seq).unwrap() - 1]);
        let (now, broken) = (self.now, self.broken);
        let Some(room) = &mut self.rooms[node] else { return Ok(()) };
        let ready = if broken == Broken::NobodyWaits && room.hub.is_some() {
            vec![event]
        } else {
            room.sequencer
                .offer(now, event)
                .map_err(|why| format!("node {node} begins anew: {why:?}"))?
        };
        self.deliver(node, &ready)
    }

    /// `hub::Room::deliver`, and what each seat takes of it.
    fn deliver(&mut self, node: usize, events: &[Arc<Event>]) -> Result<(), String> {
        let Some((mark, seats)) = self.rooms[node].as_mut().and_then(|room| room.hub.as_mut()) else {
            return Ok(());
        };
        for event in events {
            if event.seq.0 <= *mark && self.broken != Broken::NobodyWaits {
                continue;
            }
            *mark = event.seq.0;
            for (member, _) in seats.iter().filter(|(_, at)| **at < event.seq.0) {
                tell(&self.log, &mut self.members[*member], event.seq.0)?;
            }
        }
        Ok(())
    }

    /// `Conductor::follow`.
    fn open(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let Some(room) = &mut self.rooms[node] else { return Ok(()) };
        let Some(at) = room.end.take() else { return Ok(()) };
        room.hub = Some((at.seq.0, BTreeMap::new()));
        let ready = room.sequencer.start(now, at);
        self.deliver(node, &ready)
    }

    /// Enters the room, as `Conductor::enter` does.
    fn enter(&mut self, node: usize) {
        self.rooms[node].get_or_insert_with(|| Room {
            sequencer: Sequencer::new(ROOM),
            subscribed: false,
            end: None,
            hub: None,
        });
    }

    fn head(&self, asked: Seq) -> Head {
        Head {
            room: ROOM,
            last_seq: Seq(self.end()),
            id_at: self.position(asked.0).id,
        }
    }

    fn ask_missing(&mut self, node: usize) {
        let overdue = self.rooms[node]
            .as_ref()
            .and_then(|room| room.sequencer.overdue(self.now, Duration::ZERO));
        if let Some(missing) = overdue {
            let inside = |event: &&Arc<Event>| event.seq > missing.after && event.seq <= missing.upto;
            self.repairing[node] = Some(self.log.iter().filter(inside).take(PAGE).cloned().collect());
        }
    }

    /// `Conductor::repaired`.
    fn repair(&mut self, node: usize) -> Result<(), String> {
        let found = self.repairing[node].take().unwrap_or_default();
        if let Some((room, first)) = self.rooms[node].as_ref().zip(found.first()) {
            room.sequencer
                .check_repair(first.seq)
                .map_err(|why| format!("node {node} begins anew: {why:?}"))?;
        }
        found.iter().try_for_each(|event| self.hear(node, event.seq.0))
    }

    fn ask_head(&mut self, node: usize) {
        let asked = self.rooms[node].as_ref().and_then(|room| Some(room.sequencer.delivered()?.seq));
        if let Some(asked) = asked {
            self.checking[node] = Some((asked, self.head(asked)));
        }
    }

    fn check(&mut self, node: usize) -> Result<(), String> {
        let (now, broken) = (self.now, self.broken);
        let Some((asked, head)) = self.checking[node].take() else { return Ok(()) };
        let Some(room) = &mut self.rooms[node] else { return Ok(()) };
        if broken == Broken::NobodyCompares {
            return Ok(());
        }
        let checked = room.sequencer.check(now, asked, &head);
        checked.map_err(|why| format!("node {node} begins anew: {why:?}"))
    }
}

fn event(seq: Seq, id: ClientId) -> Arc<Event> {
    Arc::new(Event {
        room: ROOM,
        seq,
        id,
        sender: UserId(1),
        username: Username::from_store("alice"),
        body: MessageBody::from_store("x"),
        timestamp: Timestamp(0),
    })
}
