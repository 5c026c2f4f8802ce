//! A client: it comes and goes, says things until they are acknowledged, and believes nothing of what it is
//! told that the log does not hold.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    dice::Trace,
    log::SharedLog,
    node::{Ask, Process},
    seat::Seat,
    socket::{Came, Socket},
};

/// After so long without an answer, in ms, a client tries another node.
const PATIENCE: u64 = 4000;
/// The pause before something refused is asked for again.
const PAUSE: u64 = 300;

pub(crate) struct Client {
    /// Its number, and that of the person; several clients may be one person's.
    pub number: usize,
    pub user: i64,
    line: Option<Line>,
    /// When it wants to be connected, if it does.
    pub comes_back: Option<u64>,
    pub seats: Vec<Seat>,
    /// What was said and not acknowledged: in which room, when last, and when it may be said again.
    unanswered: BTreeMap<String, Saying>,
    answered: BTreeMap<String, (usize, u64)>,
    said: usize,
}

struct Saying {
    room: usize,
    since: u64,
    again: u64,
}

struct Line {
    node: usize,
    socket: Socket,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Client {
    pub(crate) fn new(number: usize, user: i64, rooms: usize) -> Self {
        Self {
            number,
            user,
            line: None,
            comes_back: Some(0),
            seats: (0..rooms).map(Seat::new).collect(),
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            said: 0,
        }
    }

    /// To which node it is connected.
    pub(crate) fn node(&self) -> Option<usize> {
        self.line.as_ref().map(|line| line.node)
    }

    pub(crate) fn connect(&mut self, node: usize, process: &Process, trace: &Trace) {
        let (socket, member) = Socket::pair(self.number, self.user, trace);
        self.line = Some(Line { node, socket, asks: process.connect(self.user, member) });
        self.comes_back = None;
    }

    /// The connection ends, by whomever, and is made again at some time, or not.
    pub(crate) fn disconnect(&mut self, comes_back: Option<u64>) {
        self.line = None;
        self.comes_back = comes_back;
        self.seats.iter_mut().for_each(Seat::lost);
        for saying in self.unanswered.values_mut() {
            saying.again = 0;
        }
    }

    pub(crate) fn leave(&mut self, room: usize) {
        let seat = &mut self.seats[room];
        seat.wanted = false;
        seat.lost();
        self.ask(Ask::Leave { room });
    }

    /// Says something new where it is live.
    pub(crate) fn say(&mut self, room: usize, now: u64) {
        if self.seats[room].live {
            let id = format!("c{}-{}", self.number, self.said);
            self.said += 1;
            self.unanswered.insert(id, Saying { room, since: now, again: 0 });
        }
    }

    /// Says something again that may be on its way or acknowledged already.
    pub(crate) fn repeats(&mut self, which: usize) {
        let unanswered = self.unanswered.iter().map(|(id, saying)| (id.clone(), saying.room));
        let answered = self.answered.iter().map(|(id, (room, _))| (id.clone(), *room));
        let known: Vec<_> = unanswered.chain(answered).collect();
        if let Some((id, room)) =
            known.get(which % known.len().max(1)).filter(|(_, room)| self.seats[*room].live)
        {
            self.ask(Ask::Say { room: *room, id: id.clone() });
        }
    }

    /// What it owes: joins and what is not acknowledged.
    pub(crate) fn act(&mut self, now: u64) {
        if self.line.is_none() {
            return;
        }
        let mut asks = Vec::new();
        for (room, seat) in self.seats.iter_mut().enumerate() {
            if seat.wanted && seat.asked.is_none() && seat.again <= now {
                seat.asked = Some(now);
                asks.push(Ask::Join { room, after: seat.position.clone() });
            }
        }
        for (id, saying) in &mut self.unanswered {
            if saying.again <= now && self.seats[saying.room].live {
                saying.again = u64::MAX;
                saying.since = now;
                asks.push(Ask::Say { room: saying.room, id: id.clone() });
            }
        }
        for ask in asks {
            self.ask(ask);
        }
        if self.is_impatient(now) {
            self.disconnect(Some(now));
        }
    }

    fn is_impatient(&self, now: u64) -> bool {
        let joining = self.seats.iter().filter(|seat| !seat.live).filter_map(|seat| seat.asked);
        let saying = self
            .unanswered
            .values()
            .filter(|saying| saying.again == u64::MAX)
            .map(|saying| saying.since);
        joining.chain(saying).any(|since| since + PATIENCE < now)
    }

    fn ask(&self, ask: Ask) {
        if let Some(line) = &self.line {
            let _ = line.asks.send(ask);
        }
    }

    /// Takes what has come; an error is a broken promise.
    pub(crate) fn listen(&mut self, now: u64, log: &SharedLog) -> Result<(), String> {
        let Some(line) = &mut self.line else { return Ok(()) };
        for came in line.socket.read() {
            match came {
                Came::Frame(frame) => self.hear(&frame, now, log).map_err(|wrong| {
                    format!("client {} of user{}: {wrong}, by {frame}", self.number, self.user)
                })?,
                Came::End => self.disconnect(Some(now + PAUSE)),
            }
        }
        Ok(())
    }

    fn hear(&mut self, frame: &Value, now: u64, log: &SharedLog) -> Result<(), String> {
        let room = frame["room"].as_str().and_then(room_number);
        match (frame["type"].as_str().unwrap_or_default(), room) {
            ("ack", Some(room)) => self.acknowledged(frame, room, log),
            ("error", _) => {
                let id = frame["id"].as_str().ok_or("an error without an id")?;
                if let Some(saying) = self.unanswered.get_mut(id) {
                    saying.again = now + PAUSE;
                }
                Ok(())
            }
            ("refused", Some(room)) => {
                self.seats[room].refused(now + PAUSE);
                Ok(())
            }
            (_, Some(room)) => self.seats[room].hear(frame, log),
            _ => Err("a frame about no room".to_owned()),
        }
    }

    /// What is acknowledged stands in the log, and there for ever.
    fn acknowledged(&mut self, frame: &Value, room: usize, log: &SharedLog) -> Result<(), String> {
        let id = frame["id"].as_str().ok_or("no id")?;
        let seq = frame["seq"].as_u64().ok_or("no number")?;
        let there = log
            .at(room, seq)
            .is_some_and(|event| event.id.as_str() == id && event.sender.0 == self.user);
        if !there {
            return Err("acknowledged and not in the log".to_owned());
        }
        self.unanswered.remove(id);
        match self.answered.insert(id.to_owned(), (room, seq)) {
            Some(first) if first != (room, seq) => Err(format!("acknowledged as {first:?} before")),
            _ => Ok(()),
        }
    }

    /// What it still waits for, if anything.
    pub(crate) fn waits_for(&self, log: &SharedLog) -> Option<String> {
        // Who left a room says nothing there again.
        let owes = |(_, saying): &(&String, &Saying)| self.seats[saying.room].wanted;
        if let Some((id, _)) = self.unanswered.iter().find(owes) {
            return Some(format!("an answer to {id}"));
        }
        self.line.as_ref()?;
        let seats = self.seats.iter().enumerate().filter(|(_, seat)| seat.wanted);
        seats.map(|(room, seat)| (room, seat.live, seat.seq(), log.end(room))).find_map(
            |(room, live, seq, end)| {
                (!live || seq != end)
                    .then(|| format!("room {room} to be told (live: {live}, {seq} of {end})"))
            },
        )
    }

    /// Whether it is connected and wants to be in a room.
    pub(crate) fn is_in(&self, room: usize) -> bool {
        self.line.is_some() && self.seats[room].wanted
    }
}

pub(crate) fn room_name(room: usize) -> String {
    format!("room-{room}")
}

fn room_number(name: &str) -> Option<usize> {
    name.strip_prefix("room-")?.parse().ok()
}
