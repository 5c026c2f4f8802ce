//! One room on this node: who attends, its order, its people, and when it wants to be looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::Span;

use super::{Arrival, Reading};
use crate::{
    chat::{
        Person,
        announcer::Announcer,
        leases::LEASE,
        roster::Roster,
        sequencer::{HELD_EVENTS, Patience, Sequencer},
        trace::{self, Traces},
    },
    domain::{Event, RoomId, RoomName, Seq, Username},
    error::Refusal,
    hub::{Frame, Member, MemberId, frame},
    protocol::{Dialect, seed, v1},
};

/// Somebody's socket in this room.
pub(super) struct Attendee {
    pub(super) member: Arc<Member>,
    pub(super) person: Arc<Person>,
}

/// Those who wait for the room to open; `None` when it is open.
pub(super) type Waiting = Option<Vec<oneshot::Sender<Result<(), Refusal>>>>;

pub(super) struct Room {
    pub(super) name: RoomName,
    pub(super) sequencer: Sequencer,
    pub(super) roster: Roster,
    pub(super) announcer: Announcer,
    pub(super) attendees: HashMap<MemberId, Attendee>,
    pub(super) seeds: usize,
    pub(super) waiting: Waiting,
    /// Until when it stays open without members: somebody may be reading their way in.
    pub(super) kept_until: Instant,
    /// Until when the cluster may lack what other nodes have not written again since it lost its
    /// memory.
    pub(super) unsettled: Option<Instant>,
    /// Whether what changed in the list is told without announcing anybody.
    pub(super) quiet: bool,
    /// Of the traced events that are not delivered yet, the spans of their delivery.
    pub(super) traces: BTreeMap<Seq, Span>,
    /// When the agenda has it.
    pub(super) wake: Option<Instant>,
}

impl Room {
    pub(super) fn new(now: Instant, id: RoomId, name: RoomName) -> Self {
        Self {
            name,
            sequencer: Sequencer::new(id),
            roster: Roster::default(),
            announcer: Announcer::default(),
            attendees: HashMap::new(),
            seeds: 0,
            waiting: Some(Vec::new()),
            kept_until: now,
            unsettled: None,
            quiet: false,
            traces: BTreeMap::new(),
            wake: None,
        }
    }

    /// Adds a socket; a second call for the same one changes nothing. Answers whether the person
    /// came into this node's own set.
    pub(super) fn attend(&mut self, member: &Arc<Member>, person: &Arc<Person>) -> bool {
        let attendee = Attendee { member: Arc::clone(member), person: Arc::clone(person) };
        if self.attendees.insert(member.id(), attendee).is_some() {
            return false;
        }
        self.seeds += usize::from(member.dialect() == Dialect::Seed);
        self.roster.arrive(&person.username)
    }

    /// Removes a socket.
    pub(super) fn forget(&mut self, member: MemberId) -> Option<Attendee> {
        let attendee = self.attendees.remove(&member)?;
        self.seeds -= usize::from(attendee.member.dialect() == Dialect::Seed);
        Some(attendee)
    }

    /// What a member that goes live is told first, and up to where it has the log then.
    pub(super) fn greeting(&self, arrival: Arrival, name: &Username) -> Option<(Seq, Bytes)> {
        match arrival {
            Arrival::Page { at, page, recovered, reason, reference } => {
                let people = self.roster.fragment_with(name);
                let joined = v1::Joined {
                    room: &self.name,
                    seq: at.seq,
                    recovered,
                    reason,
                    has_more: false,
                    messages: &page.events,
                    people: &people,
                    reference: reference.as_ref(),
                };
                Some((at.seq, frame::text(&v1::joined(&joined))))
            }
            Arrival::Now => Some((self.sequencer.delivered()?.seq, self.seed_list(Some(name)))),
        }
    }

    /// The list as seed members are shown it, with `newcomer`, who may not have been told of yet.
    pub(super) fn seed_list(&self, newcomer: Option<&Username>) -> Bytes {
        frame::text(&seed::user_list(&self.roster.seed_json(newcomer)))
    }

    /// The frames of committed events, encoded once for each dialect that is present.
    pub(super) fn frames(&self, events: &[Arc<Event>]) -> Vec<(u64, Frame)> {
        let encode = |event: &Arc<Event>| {
            let v1 = if self.attendees.len() > self.seeds {
                frame::text(&v1::message(&self.name, event))
            } else {
                Bytes::new()
            };
            let seed = if self.seeds > 0 { frame::text(&seed::message(event)) } else { Bytes::new() };
            (event.seq.0, Frame { v1, seed })
        };
        events.iter().map(encode).collect()
    }

    /// Some of the events it hears of are traced. What does not fit is not traced further.
    pub(super) fn trace(&mut self, traces: &Traces, by_bus: bool) {
        for (seq, parent) in traces {
            if self.traces.len() < HELD_EVENTS && self.is_ahead(*seq) {
                self.traces.entry(*seq).or_insert_with(|| trace::deliver(*seq, *parent, by_bus));
            }
        }
    }

    /// The spans of what has been delivered by now.
    pub(super) fn traced(&mut self) -> Vec<Span> {
        if self.traces.is_empty() {
            return Vec::new();
        }
        let delivered = self.sequencer.delivered().map_or(Seq::ZERO, |at| at.seq);
        let ahead = self.traces.split_off(&delivered.next());
        std::mem::replace(&mut self.traces, ahead).into_values().collect()
    }

    fn is_ahead(&self, seq: Seq) -> bool {
        self.sequencer.delivered().is_none_or(|at| seq > at.seq)
    }

    /// When it wants to be looked at next.
    pub(super) fn next_look(&self, now: Instant, patience: Patience, repairing: bool) -> Option<Instant> {
        if self.waiting.is_some() {
            return None;
        }
        let gap = self.sequencer.gap_since().filter(|_| !repairing).map(|since| since + patience.duration());
        let delta = self.roster.is_dirty().then(|| self.announcer.delta_at(now));
        let list = self.announcer.list_at(now).filter(|_| self.seeds > 0);
        let end = self.is_empty().then_some(self.kept_until);
        [gap, delta, list, end, self.unsettled, self.roster.next_end()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether nobody attends it and nobody is waited for.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.is_empty() && self.kept_until <= now
    }

    /// The sets were read. In a memory that began anew the others have a lease's time to write
    /// theirs again; until then nobody is announced, and who is missing stays.
    pub(super) fn read(&mut self, now: Instant, reading: Reading) {
        if reading == Reading::BegunAnew {
            self.unsettled = Some(now + LEASE);
        }
        self.quiet |= self.unsettled.is_some() || reading != Reading::Missed;
    }

    /// Whether the time to write sets again is over: they must be read once more.
    pub(super) fn settles(&mut self, now: Instant) -> bool {
        let over = self.unsettled.take_if(|until| *until <= now).is_some();
        if over {
            self.roster.doubt();
        }
        over
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_none() && self.attendees.is_empty() && self.roster.own_is_empty()
    }

    /// The number that the hub knows a person's sockets here by.
    pub(super) fn tag_of(&self, name: &Username) -> Option<i64> {
        let of_them = |one: &&Attendee| one.person.username == *name;
        self.attendees.values().find(of_them).map(|one| one.person.user.0)
    }
}
