//! Correct histories, made from any list of moves: what clients write down beside nodes that keep
//! every promise. Messages lag behind the log, people come and go, resume in pages, say things
//! again, sign out; one page of the predecessor hears it all.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use crate::harness::{
    check::{NodeList, Steady, Story, remains},
    record::{Entry, Event, Joined, List, Recording, Said},
};

pub(crate) const ROOM: &str = "lobby";
const PEOPLE: usize = 4;
const PAGE: usize = 3;
/// How long each move takes.
const STEP: Duration = Duration::from_millis(10);

/// One thing that happens, to one of the people.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    Come(usize),
    Lose(usize),
    SignOut(usize),
    Say(usize),
    Ack(usize),
    Hear(usize),
}

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let who = || 0..PEOPLE;
    let one = prop_oneof![
        2 => who().prop_map(Move::Come),
        1 => who().prop_map(Move::Lose),
        1 => who().prop_map(Move::SignOut),
        6 => who().prop_map(Move::Say),
        5 => who().prop_map(Move::Ack),
        8 => who().prop_map(Move::Hear),
    ];
    proptest::collection::vec(one, 20..150)
}

/// A client beside correct nodes.
struct Client {
    recording: Recording,
    online: bool,
    signed_in: bool,
    position: Option<usize>,
    /// Committed and not acknowledged: where in the log.
    unacked: Vec<usize>,
    said: usize,
    /// Since when it has been there without a break.
    since: Duration,
    losses: usize,
}

pub(crate) struct World {
    now: Duration,
    clients: Vec<Client>,
    page: Recording,
    log: Vec<Said>,
    /// How much of the log was judged and forgotten.
    before: usize,
    version: u64,
}

/// The story of these moves; at the end everything has arrived.
pub(crate) fn story(moves: &[Move]) -> Story {
    let mut world = World::begin();
    world.play_all(moves);
    world.end()
}

/// A story, and how it goes on when that was judged and forgotten.
pub(crate) fn two_parts(first: &[Move], second: &[Move]) -> (Story, Story) {
    let mut world = World::begin();
    world.play_all(first);
    world.settle();
    let judged = world.told();
    world.forget();
    world.play_all(second);
    (judged, world.end())
}

impl World {
    fn begin() -> Self {
        let client = |number: usize| Client {
            recording: recording(&format!("person{number}")),
            online: false,
            signed_in: false,
            position: None,
            unacked: vec![],
            said: 0,
            since: Duration::ZERO,
            losses: 0,
        };
        let mut world = Self {
            now: Duration::ZERO,
            clients: (0..PEOPLE).map(client).collect(),
            page: recording("oldpage"),
            log: vec![],
            before: 0,
            version: 1,
        };
        world.page_comes();
        // Somebody is there from the beginning to the end.
        world.play(Move::Come(0));
        world
    }

    fn play_all(&mut self, moves: &[Move]) {
        for step in moves {
            let stays = matches!(step, Move::Lose(0) | Move::SignOut(0));
            if !stays {
                self.play(*step);
            }
        }
    }

    fn play(&mut self, step: Move) {
        self.now += STEP;
        match step {
            Move::Come(who) if !self.clients[who].online => self.come(who),
            Move::Lose(who) if self.clients[who].online => self.leave(who, None),
            Move::SignOut(who) if self.clients[who].online => {
                self.note(who, Event::SignedOut);
                self.clients[who].signed_in = false;
                self.now += STEP;
                self.leave(who, Some(4001));
            }
            Move::Say(who) if self.clients[who].online => self.say(who),
            Move::Ack(who) if self.clients[who].online && !self.clients[who].unacked.is_empty() => {
                self.ack(who, false);
            }
            Move::Hear(who) if self.clients[who].online => self.hear(who),
            _ => {}
        }
    }

    fn note(&mut self, who: usize, event: Event) {
        self.clients[who].recording.entries.push(Entry { at: self.now, event });
    }

    fn note_page(&mut self, event: Event) {
        self.page.entries.push(Entry { at: self.now, event });
    }

    fn users(&self) -> Vec<String> {
        let online = self.clients.iter().filter(|client| client.online);
        let names = online.map(|client| client.recording.name.clone());
        let all: BTreeSet<String> = names.chain(["oldpage".to_owned()]).collect();
        all.into_iter().collect()
    }

    fn list(&self, version: Option<u64>) -> List {
        let users = self.users();
        List { count: users.len() as u64, users, version }
    }

    /// Tells everybody else who is there what has changed.
    fn tell(&mut self, who: usize, came: bool) {
        self.version += 1;
        let (version, count) = (self.version, self.users().len() as u64);
        let name = vec![self.clients[who].recording.name.clone()];
        let (joined, left) = if came { (name, vec![]) } else { (vec![], name) };
        for other in (0..PEOPLE).filter(|other| *other != who) {
            if self.clients[other].online {
                let room = ROOM.to_owned();
                let (joined, left) = (joined.clone(), left.clone());
                self.note(other, Event::Presence { room, joined, left, count, version });
            }
        }
        let list = self.list(None);
        self.note_page(Event::People { room: ROOM.to_owned(), list });
    }

    fn page_comes(&mut self) {
        self.note_page(Event::Connected { node: "node1".to_owned() });
        let list = self.list(None);
        self.note_page(Event::People { room: ROOM.to_owned(), list });
    }

    fn come(&mut self, who: usize) {
        if !self.clients[who].signed_in {
            self.note(who, Event::SignedIn);
            self.clients[who].signed_in = true;
        }
        self.note(who, Event::Connected { node: "node1".to_owned() });
        self.note(who, Event::Welcome);
        self.clients[who].online = true;
        self.tell(who, true);
        let after = self.clients[who].position.map(|position| position as u64);
        self.note(who, Event::Asked { room: ROOM.to_owned(), after });
        if let Some(position) = self.clients[who].position {
            self.resume(who, position);
        } else {
            let from = self.log.len().saturating_sub(PAGE);
            self.joined(who, false, from, self.log.len());
        }
        self.clients[who].since = self.now;
        // What was not acknowledged is said again.
        for at in self.clients[who].unacked.clone() {
            let Said { id, text, .. } = self.log[at].clone();
            self.note(who, Event::Sent { room: ROOM.to_owned(), id, text });
        }
        while !self.clients[who].unacked.is_empty() {
            self.ack(who, true);
        }
    }

    fn resume(&mut self, who: usize, mut position: usize) {
        loop {
            let to = self.log.len().min(position + PAGE);
            self.joined(who, true, position, to);
            position = to;
            if to == self.log.len() {
                return;
            }
        }
    }

    fn joined(&mut self, who: usize, recovered: bool, from: usize, to: usize) {
        let joined = Joined {
            room: ROOM.to_owned(),
            seq: to as u64,
            recovered,
            reason: if recovered { String::new() } else { "fresh".to_owned() },
            more: to < self.log.len(),
            messages: self.log[from..to].to_vec(),
            people: self.list(Some(self.version)),
        };
        self.clients[who].position = Some(to);
        self.note(who, Event::Joined(joined));
    }

    fn leave(&mut self, who: usize, code: Option<u16>) {
        self.note(who, Event::Closed { code, why: String::new() });
        self.clients[who].online = false;
        self.clients[who].losses += 1;
        self.tell(who, false);
    }

    fn say(&mut self, who: usize) {
        let client = &mut self.clients[who];
        let (name, number) = (client.recording.name.clone(), client.said);
        client.said += 1;
        client.unacked.push(self.log.len());
        let said = Said {
            seq: self.log.len() as u64 + 1,
            id: format!("{name}-{number}"),
            text: format!("{name} says {number}"),
            who: name,
        };
        let (id, text) = (said.id.clone(), said.text.clone());
        self.note(who, Event::Sent { room: ROOM.to_owned(), id, text: text.clone() });
        self.note_page(Event::Heard { who: said.who.clone(), text });
        self.log.push(said);
    }

    fn ack(&mut self, who: usize, duplicate: bool) {
        let at = self.clients[who].unacked.remove(0);
        let Said { seq, id, .. } = self.log[at].clone();
        self.note(who, Event::Ack { room: ROOM.to_owned(), id, seq, duplicate });
    }

    fn hear(&mut self, who: usize) {
        let Some(position) = self.clients[who].position else { return };
        if let Some(said) = self.log.get(position).cloned() {
            self.clients[who].position = Some(position + 1);
            self.note(who, Event::Message { room: ROOM.to_owned(), said });
        }
    }

    /// Whoever has left comes back, and everything that was said is acknowledged and heard.
    fn settle(&mut self) {
        for who in 0..PEOPLE {
            if self.clients[who].position.is_some() {
                self.play(Move::Come(who));
            }
            while !self.clients[who].unacked.is_empty() {
                self.play(Move::Ack(who));
            }
        }
        self.arrive();
    }

    fn arrive(&mut self) {
        for who in 0..PEOPLE {
            while self.clients[who].online && self.clients[who].position < Some(self.log.len()) {
                self.play(Move::Hear(who));
            }
        }
        // Who has come just now is there a moment later too.
        self.now += STEP;
    }

    fn forget(&mut self) {
        for client in &mut self.clients {
            client.recording.entries = remains(&client.recording);
        }
        self.page.entries = remains(&self.page);
        // Who comes is shown the newest page.
        self.before = self.log.len().saturating_sub(PAGE);
    }

    fn end(mut self) -> Story {
        self.arrive();
        self.told()
    }

    /// As everybody has written it down until now.
    fn told(&self) -> Story {
        let users = self.users();
        let lists = ["node1", "node2"].map(|node| NodeList {
            node: node.to_owned(),
            room: ROOM.to_owned(),
            users: users.clone(),
        });
        let steady = self.clients.iter().filter(|client| client.online && client.losses == 0);
        let steady = steady.map(|client| Steady {
            names: vec![client.recording.name.clone()],
            from: client.since + STEP / 2,
            to: self.now,
        });
        let recordings = self.clients.iter().map(|client| &client.recording).chain([&self.page]);
        Story {
            steady: steady.collect(),
            logs: [(ROOM.to_owned(), self.log[self.before..].to_vec())].into(),
            before: [(ROOM.to_owned(), self.before as u64)].into(),
            lists: lists.to_vec(),
            holes: vec![],
            sign_out_limit: Duration::from_secs(5),
            recordings: recordings.cloned().collect(),
        }
    }
}

fn recording(name: &str) -> Recording {
    Recording {
        name: name.to_owned(),
        client: name.to_owned(),
        entries: vec![],
    }
}
