//! What one client knows of one room, and what it must never be told.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::log::SharedLog;

/// One room, as one client was told of it.
#[derive(Debug)]
pub(crate) struct Seat {
    room: usize,
    /// Whether the client wants to be in the room.
    pub wanted: bool,
    /// When it asked to come in, on this connection.
    pub asked: Option<u64>,
    /// When it may ask, after it was refused.
    pub again: u64,
    /// Whether it is told what happens.
    pub live: bool,
    /// Number and id of the last message that it has.
    pub position: Option<(u64, String)>,
    pub people: BTreeSet<String>,
    /// Ids of all messages that it was shown, with their senders.
    shown: BTreeSet<(i64, String)>,
    version: u64,
}

impl Seat {
    pub(crate) const fn new(room: usize) -> Self {
        Self {
            room,
            wanted: false,
            asked: None,
            again: 0,
            live: false,
            position: None,
            people: BTreeSet::new(),
            shown: BTreeSet::new(),
            version: 0,
        }
    }

    /// The connection is gone.
    pub(crate) const fn lost(&mut self) {
        self.asked = None;
        self.again = 0;
        self.live = false;
    }

    /// It was not let in.
    pub(crate) const fn refused(&mut self, again: u64) {
        self.asked = None;
        self.again = again;
    }

    /// Where its log ends.
    pub(crate) fn seq(&self) -> u64 {
        self.position.as_ref().map_or(0, |(seq, _)| *seq)
    }

    /// Takes a frame about this room; what is said after it was left and before it is joined again is for
    /// nobody.
    pub(crate) fn hear(&mut self, frame: &Value, log: &SharedLog) -> Result<(), String> {
        match frame["type"].as_str().unwrap_or_default() {
            "joined" if self.asked.is_some() => self.joined(frame, log),
            "message" if self.live => self.takes(frame, log),
            "presence" if self.live => self.changes(frame),
            "userList" if self.live => {
                self.lists(frame);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn joined(&mut self, frame: &Value, log: &SharedLog) -> Result<(), String> {
        let messages = frame["messages"].as_array().ok_or("no messages")?;
        if frame["recovered"] == false {
            // This log never changes and forgets nothing.
            if frame["reason"] != "fresh" || self.position.is_some() {
                return Err("its position was not honoured".to_owned());
            }
            let first = messages.first().and_then(|first| first["seq"].as_u64());
            self.position = first
                .and_then(|first| log.at(self.room, first - 1))
                .map(|before| (before.seq.0, before.id.as_str().to_owned()));
        }
        for message in messages {
            self.takes(message, log)?;
        }
        if frame["seq"].as_u64() != Some(self.seq()) {
            return Err(format!("told to be at {} and has {}", frame["seq"], self.seq()));
        }
        self.live = frame["hasMore"] == false;
        if self.position.is_none() && self.live {
            self.position = Some((0, String::new()));
        }
        self.lists(frame);
        Ok(())
    }

    /// The next message, and no other.
    fn takes(&mut self, message: &Value, log: &SharedLog) -> Result<(), String> {
        let seq = message["seq"].as_u64().ok_or("no number")?;
        if seq != self.seq() + 1 {
            return Err(format!("{seq} came after {}", self.seq()));
        }
        let said = log.at(self.room, seq).ok_or_else(|| format!("{seq} is not in the log"))?;
        if message["id"] != said.id.as_str() || message["message"] != said.body.as_str() {
            return Err(format!("{seq} is another one in the log: {}", said.id.as_str()));
        }
        if !self.shown.insert((said.sender.0, said.id.as_str().to_owned())) {
            return Err(format!("{} was shown twice", said.id.as_str()));
        }
        self.position = Some((seq, said.id.as_str().to_owned()));
        Ok(())
    }

    fn changes(&mut self, frame: &Value) -> Result<(), String> {
        let version = frame["version"].as_u64().ok_or("no version")?;
        if version != self.version + 1 {
            return Err(format!("version {version} of the people came after {}", self.version));
        }
        self.version = version;
        self.people.extend(names(&frame["joined"]));
        for name in names(&frame["left"]) {
            self.people.remove(&name);
        }
        if frame["userCount"].as_u64() != Some(self.people.len() as u64) {
            return Err(format!("{} people are said to be {}", self.people.len(), frame["userCount"]));
        }
        Ok(())
    }

    fn lists(&mut self, frame: &Value) {
        self.people = names(&frame["users"]).collect();
        self.version = frame["version"].as_u64().unwrap_or_default();
    }
}

fn names(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned()))
}
