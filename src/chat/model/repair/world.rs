//! What may happen to it, what must hold, and the tests.

use std::{hash::Hash, time::Duration};

use super::{Broken, Member, Presence, Repair, Size, Writing};
use crate::{
    chat::model::explorer::{Tape, World, explore},
    domain::Seq,
    store::Head,
};

const NOTHING: Size = Size {
    messages: 1,
    members: 1,
    lost_answers: 0,
    doubled: 0,
    departures: 0,
};
const SMALL: [Size; 4] = [
    Size { lost_answers: 1, doubled: 1, ..NOTHING },
    Size { departures: 1, doubled: 1, ..NOTHING },
    Size { messages: 2, ..NOTHING },
    Size { messages: 2, doubled: 1, ..NOTHING },
];
const LARGE: [Size; 4] = [
    Size { members: 2, ..NOTHING },
    Size { messages: 2, lost_answers: 1, doubled: 1, ..NOTHING },
    Size { messages: 2, departures: 1, ..NOTHING },
    Size { messages: 3, ..NOTHING },
];

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The log commits a message that came through a node, or finds that it had.
    Commit(usize),
    /// That node hears of it: it tells its own room, and rings.
    Answer(usize),
    /// It never hears of it, and the writer tries again.
    LoseAnswer(usize),
    /// A bell is heard.
    Ring {
        node: usize,
        seq: u64,
        again: bool,
    },
    Subscribe(usize),
    ReadEnd(usize),
    Open(usize),
    Close(usize),
    AskMissing(usize),
    Repair(usize),
    AskHead(usize),
    Check(usize),
    /// A member comes to a node, with the position that it has.
    Come {
        member: usize,
        node: usize,
    },
    ReadPage(usize),
    TakePage(usize),
    /// A member's connection is lost.
    Go(usize),
}

impl World for Repair {
    type Act = Act;
    const ROUNDS: u8 = 4;

    fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for (message, writing) in self.writers.iter().enumerate() {
            match writing {
                Writing::Unsaid | Writing::Unheard => acts.push(Act::Commit(message)),
                Writing::Committed(..) => {
                    acts.push(Act::Answer(message));
                    acts.extend((self.size.lost_answers > 0).then_some(Act::LoseAnswer(message)));
                }
                Writing::Answered => {}
            }
        }
        for (node, seq) in self.bells.iter().copied() {
            acts.push(Act::Ring { node, seq, again: false });
            acts.extend((self.size.doubled > 0).then_some(Act::Ring { node, seq, again: true }));
        }
        (0..2).for_each(|node| self.acts_of_node(node, &mut acts));
        (0..self.members.len()).for_each(|member| self.acts_of_member(member, &mut acts));
        acts
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match *act {
            Act::Commit(message) => self.commit(message),
            Act::Answer(message) => self.answer(message)?,
            Act::LoseAnswer(message) => {
                self.size.lost_answers -= 1;
                self.writers[message] = Writing::Unheard;
            }
            Act::Ring { node, seq, again } => {
                if again {
                    self.size.doubled -= 1;
                } else {
                    self.bells.remove(&(node, seq));
                }
                self.hear(node, seq)?;
            }
            Act::Subscribe(node) => self.subscribe(node),
            Act::ReadEnd(node) => self.read_end(node),
            Act::Open(node) => self.open(node)?,
            Act::Close(node) => self.rooms[node] = None,
            Act::AskMissing(node) => self.ask_missing(node),
            Act::Repair(node) => self.repair(node)?,
            Act::AskHead(node) => self.ask_head(node),
            Act::Check(node) => self.check(node)?,
            Act::Come { member, node } => self.come(member, node)?,
            Act::ReadPage(member) => self.read_page(member),
            Act::TakePage(member) => self.take_page(member)?,
            Act::Go(member) => {
                self.size.departures -= 1;
                self.go(member);
            }
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), String> {
        self.bells.clear();
        for message in 0..self.writers.len() {
            if self.writers[message] == Writing::Unheard {
                self.commit(message);
            }
            self.answer(message)?;
        }
        for node in 0..2 {
            if self.rooms[node].as_ref().is_some_and(|room| room.hub.is_none()) {
                self.subscribe(node);
                self.read_end(node);
                self.open(node)?;
            }
            self.check(node)?;
            self.repair(node)?;
            self.ask_head(node);
            self.check(node)?;
            for _ in 0..=self.log.len() {
                self.ask_missing(node);
                self.repair(node)?;
            }
        }
        for member in 0..self.members.len() {
            for _ in 0..=self.log.len() {
                self.take_page(member)?;
                self.read_page(member);
            }
        }
        Ok(())
    }

    fn unsettled(&self) -> Option<String> {
        let waits = |member: &Member| match member.presence {
            Presence::Away => false,
            Presence::Reading(..) => true,
            Presence::Live => member.has != Some(self.end()),
        };
        let waiting = self.members.iter().position(waits);
        let unheard = self
            .writers
            .iter()
            .position(|writing| matches!(writing, Writing::Committed(..) | Writing::Unheard));
        let waiting = waiting.map(|member| format!("member {member} has not everything"));
        waiting.or_else(|| unheard.map(|message| format!("message {message} has no answer")))
    }

    fn distinguish(&self, hasher: &mut Tape) {
        let Size { lost_answers, doubled, departures, .. } = self.size;
        (lost_answers, doubled, departures).hash(hasher);
        (&self.writers, &self.bells, &self.members).hash(hasher);
        self.log.iter().for_each(|event| event.id.hash(hasher));
        for room in &self.rooms {
            let known = room.as_ref().map(|room| (room.subscribed, &room.end, &room.hub));
            known.hash(hasher);
            if let Some(room) = room {
                room.sequencer.distinguish(hasher);
            }
        }
        for found in self.repairing.iter().flatten() {
            found.iter().map(|event| event.seq).collect::<Vec<_>>().hash(hasher);
        }
        let repairing = self.repairing.each_ref().map(Option::is_some);
        let head = |(asked, head): &(Seq, Head)| (*asked, head.last_seq);
        (repairing, self.checking.each_ref().map(|checking| checking.as_ref().map(head))).hash(hasher);
    }
}

impl Repair {
    fn acts_of_node(&self, node: usize, acts: &mut Vec<Act>) {
        let Some(room) = &self.rooms[node] else { return };
        match (&room.hub, &room.end) {
            (Some((_, seats)), _) => acts.extend(seats.is_empty().then_some(Act::Close(node))),
            (None, Some(_)) => acts.push(Act::Open(node)),
            (None, None) if room.subscribed => acts.push(Act::ReadEnd(node)),
            (None, None) => acts.push(Act::Subscribe(node)),
        }
        if self.repairing[node].is_some() {
            acts.push(Act::Repair(node));
        } else {
            let overdue = room.sequencer.overdue(self.now, Duration::ZERO);
            acts.extend(overdue.map(|_| Act::AskMissing(node)));
        }
        // What would find nothing new changes nothing.
        let behind = room.sequencer.delivered().is_some_and(|at| at.seq.0 < self.end());
        match &self.checking[node] {
            Some(_) => acts.push(Act::Check(node)),
            None => acts.extend(behind.then_some(Act::AskHead(node))),
        }
    }

    fn acts_of_member(&self, member: usize, acts: &mut Vec<Act>) {
        let one = &self.members[member];
        let is_open = self.rooms[one.node].as_ref().is_none_or(|room| room.hub.is_some());
        match &one.presence {
            Presence::Away => acts.extend((0..2).map(|node| Act::Come { member, node })),
            Presence::Reading(_, Some(_)) => acts.push(Act::TakePage(member)),
            Presence::Reading(_, None) if is_open => acts.push(Act::ReadPage(member)),
            _ => {}
        }
        if self.size.departures > 0 && !matches!(one.presence, Presence::Away) {
            acts.push(Act::Go(member));
        }
    }

    fn subscribe(&mut self, node: usize) {
        if let Some(room) = &mut self.rooms[node] {
            room.subscribed = true;
        }
    }

    fn read_end(&mut self, node: usize) {
        let end = self.position(self.end());
        if let Some(room) = &mut self.rooms[node] {
            room.end.get_or_insert(end);
        }
    }
}

#[test]
fn repair_keeps_every_promise_in_every_order() {
    for size in if super::super::is_large() { &LARGE[..] } else { &SMALL[..] } {
        let explored = explore(Repair::new(*size, Broken::Nothing)).unwrap();
        super::super::tell(&format!("repair, {size:?}"), &explored);
    }
}

/// The promise that breaks when a step is done wrong.
fn broken(broken: Broken) -> String {
    let size = Size { messages: 2, lost_answers: 1, ..NOTHING };
    let found = explore(Repair::new(size, broken)).expect_err("nothing breaks");
    super::super::tell(&format!("{broken:?}"), &format!("{found:?}"));
    found.wrong
}

#[test]
fn a_retry_that_is_new_is_shown_twice() {
    assert!(broken(Broken::RetriesAreNew).contains("twice"));
}

#[test]
fn without_the_comparison_a_lost_last_bell_is_never_made_good() {
    assert!(broken(Broken::NobodyCompares).contains("has not everything"));
}

#[test]
fn who_goes_live_behind_the_room_misses_something() {
    assert!(broken(Broken::AnybodyIsLive).contains("has not everything"));
}

#[test]
fn without_the_sequencer_bells_come_out_of_order() {
    assert!(broken(Broken::NobodyWaits).contains("has not everything"));
}

#[test]
fn without_the_last_page_there_is_a_gap() {
    assert!(broken(Broken::LastPageIsLost).contains("has not everything"));
}
