//! One socket of a person, from the handshake to its end.

use std::{collections::HashSet, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{Ended, Life, Order};
use crate::harness::{
    line::{self, PATIENCE, Socket},
    record::{Event, Joined, List, Said, word, words},
};

/// How often it asks whether the node is there; silent for [`PATIENCE`], the socket is given up.
const PING: Duration = Duration::from_secs(1);
/// How long it waits before it asks again for what was refused for now.
const AGAIN: Duration = Duration::from_millis(200);

/// Why a socket is not used any more.
enum Stop {
    /// It can't be: what is written down.
    Lost(Option<u16>, String),
    /// It is left.
    Left(String),
    Over,
}

pub(super) struct Visit<'a> {
    life: &'a mut Life,
    socket: Socket,
    /// Rooms in which it is, with all of the history.
    inside: HashSet<String>,
    /// Rooms to be asked for again, and when.
    ask_again: Vec<(Instant, String)>,
    say_next: Instant,
    ping_next: Instant,
    heard: Instant,
    /// When it leaves this node, because the node asked for it.
    leave: Option<Instant>,
    turn: usize,
}

impl<'a> Visit<'a> {
    pub(super) fn of(life: &'a mut Life, socket: Socket) -> Self {
        let now = Instant::now();
        Self {
            life,
            socket,
            inside: HashSet::new(),
            ask_again: Vec::new(),
            say_next: now,
            ping_next: now + PING,
            heard: now,
            leave: None,
            turn: 0,
        }
    }

    /// Stays until the socket ends or an order ends it.
    pub(super) async fn stay(mut self) -> Ended {
        let (code, why, ended) = loop {
            match self.next().await {
                Ok(()) => {}
                Err(Stop::Lost(code, why)) => break (code, why, Ended::Lost),
                Err(Stop::Left(why)) => {
                    let _ = line::send(&mut self.socket, Message::Close(None)).await;
                    break (None, why, Ended::Moved);
                }
                Err(Stop::Over) => return Ended::Over,
            }
        };
        if code == Some(4001) {
            // Who was signed out does not come back until told to.
            self.life.token = None;
            self.life.away = true;
        }
        self.life.recorder.note(Event::Closed { code, why });
        ended
    }

    async fn next(&mut self) -> Result<(), Stop> {
        let due = self.due();
        tokio::select! {
            order = self.life.orders.recv() => match order {
                Some(order) => self.obey(order).await,
                None => Err(Stop::Over),
            },
            came = self.socket.next() => match came {
                Some(Ok(message)) => self.came(message).await,
                Some(Err(error)) => Err(Stop::Lost(None, error.to_string())),
                None => Err(Stop::Lost(None, "the connection ended".to_owned())),
            },
            () = sleep_until(due) => self.in_time().await,
        }
    }

    /// Whether there is something new to say, and room for it.
    fn may_talk(&self) -> bool {
        let all = self.inside.len() == self.life.plan.rooms.len();
        all && self.life.pace.is_some() && self.life.unacked.len() < self.life.plan.ahead
    }

    /// When there is something to do.
    fn due(&self) -> Instant {
        let again = self.life.unacked.iter().filter_map(|pending| pending.again);
        let ask = self.ask_again.iter().map(|(at, _)| *at);
        let talk = self.may_talk().then_some(self.say_next);
        let all = again.chain(ask).chain(talk).chain(self.leave);
        all.fold(self.ping_next, Instant::min)
    }

    async fn in_time(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if self.leave.is_some_and(|at| at <= now) {
            self.life.node += 1;
            return Err(Stop::Left("the node asked for it".to_owned()));
        }
        if now > self.heard + PATIENCE {
            return Err(Stop::Lost(None, "the node is silent".to_owned()));
        }
        if self.ping_next <= now {
            self.ping_next = now + PING;
            self.send(Message::Ping(Vec::new().into())).await?;
        }
        let (due, later) = std::mem::take(&mut self.ask_again).into_iter().partition(|(at, _)| *at <= now);
        self.ask_again = later;
        let due: Vec<(Instant, String)> = due;
        for (_, room) in due {
            self.join(&room).await?;
        }
        self.say_due(now).await?;
        if self.may_talk() && self.say_next <= now {
            self.say_something(now).await?;
        }
        Ok(())
    }

    async fn say_something(&mut self, now: Instant) -> Result<(), Stop> {
        let Some(pace) = self.life.pace else { return Ok(()) };
        // What could not be said while there was no socket is not made up for.
        self.say_next = now.max(self.say_next + pace);
        let rooms = &self.life.plan.rooms;
        let room = rooms[self.turn % rooms.len()].clone();
        self.turn += 1;
        let text = format!("{} says {}", self.life.client, self.life.next);
        self.life.put(room, text);
        self.say(self.life.unacked.len() - 1).await
    }

    /// Says again what was refused for now.
    async fn say_due(&mut self, now: Instant) -> Result<(), Stop> {
        for at in 0..self.life.unacked.len() {
            let pending = &mut self.life.unacked[at];
            if pending.again.is_some_and(|again| again <= now) {
                pending.again = None;
                self.say(at).await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, at: usize) -> Result<(), Stop> {
        let super::Pending { room, id, text, .. } = self.life.unacked[at].clone();
        let frame = json!({ "type": "message", "room": room, "id": id, "message": text });
        self.life.recorder.note(Event::Sent { room, id, text });
        self.send(Message::text(frame.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Stop> {
        line::send(&mut self.socket, message).await.map_err(|why| Stop::Lost(None, why))
    }

    async fn join(&mut self, room: &str) -> Result<(), Stop> {
        let position = self.life.positions.get(room).cloned();
        let mut frame = json!({ "type": "join", "room": room, "ref": format!("join {room}") });
        if let Some((seq, id)) = &position {
            frame["after"] = json!(seq);
            if !id.is_empty() {
                frame["afterId"] = json!(id);
            }
        }
        let after = position.map(|(seq, _)| seq);
        self.life.recorder.note(Event::Asked { room: room.to_owned(), after });
        self.send(Message::text(frame.to_string())).await
    }

    async fn obey(&mut self, order: Order) -> Result<(), Stop> {
        match order {
            Order::Say { room, text } => {
                let inside = self.inside.contains(&room);
                self.life.put(room, text);
                if inside { self.say(self.life.unacked.len() - 1).await } else { Ok(()) }
            }
            Order::Reload(to) => {
                self.life.node = to.unwrap_or(self.life.node);
                Err(Stop::Left("it reloads".to_owned()))
            }
            Order::Leave => {
                self.life.away = true;
                Err(Stop::Left("it leaves".to_owned()))
            }
            Order::SignOut => {
                let token = self.life.token.clone().unwrap_or_default();
                // Through another node, if there is one: the end must be heard here too.
                let plan = &self.life.plan;
                let elsewhere = plan.nodes[(self.life.node + 1) % plan.nodes.len()];
                match line::sign_out(&self.life.http, elsewhere, &token).await {
                    Ok(()) => self.life.recorder.note(Event::SignedOut),
                    Err(why) => return Err(Stop::Lost(None, why)),
                }
                Ok(())
            }
            Order::Talk(pace) => {
                self.say_next = Instant::now();
                self.life.pace = Some(pace);
                Ok(())
            }
            other => {
                self.life.obey_outside(other);
                Ok(())
            }
        }
    }

    async fn came(&mut self, message: Message) -> Result<(), Stop> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(frame) => self.frame(&frame).await,
                Err(error) => Err(Stop::Lost(None, format!("{error}: {text}"))),
            },
            Message::Close(Some(CloseFrame { code, reason })) => {
                Err(Stop::Lost(Some(code.into()), reason.to_string()))
            }
            Message::Close(None) => Err(Stop::Lost(None, "closed without a code".to_owned())),
            _ => Ok(()),
        }
    }

    async fn frame(&mut self, frame: &Value) -> Result<(), Stop> {
        let room = word(&frame["room"]);
        match frame["type"].as_str().unwrap_or_default() {
            "welcome" => {
                self.life.recorder.note(Event::Welcome);
                self.life.backoff.reset();
                self.life.report.send_modify(|progress| progress.visits += 1);
                for room in self.life.plan.rooms.clone() {
                    self.join(&room).await?;
                }
                return Ok(());
            }
            "joined" => return self.joined(room, frame).await,
            "message" => {
                let said = Said::read(frame);
                self.moves(&room, said.seq, &said.id);
                self.life.recorder.note(Event::Message { room, said });
            }
            "ack" => self.acked(room, frame),
            "error" => self.refused(frame),
            "userList" => self.life.recorder.note(Event::People { room, list: List::read(frame) }),
            "presence" => self.life.recorder.note(Event::Presence {
                room,
                joined: words(&frame["joined"]),
                left: words(&frame["left"]),
                count: frame["userCount"].as_u64().unwrap_or_default(),
                version: frame["version"].as_u64().unwrap_or_default(),
            }),
            "announcement" => self.life.recorder.note(Event::Announced { text: word(&frame["message"]) }),
            "reconnect" => {
                let after_ms = frame["afterMs"].as_u64().unwrap_or_default();
                self.leave = Some(Instant::now() + Duration::from_millis(after_ms));
                self.life.recorder.note(Event::Reconnect { after_ms });
            }
            _ => {}
        }
        Ok(())
    }

    /// Only what was shown moves a position, never an acknowledgement.
    fn moves(&mut self, room: &str, seq: u64, id: &str) {
        self.life.positions.insert(room.to_owned(), (seq, id.to_owned()));
        self.life.report.send_modify(|progress| {
            progress.seen.insert(room.to_owned(), seq);
        });
    }

    async fn joined(&mut self, room: String, frame: &Value) -> Result<(), Stop> {
        let messages = frame["messages"].as_array().into_iter().flatten().map(Said::read).collect();
        let joined = Joined {
            seq: frame["seq"].as_u64().unwrap_or_default(),
            recovered: frame["recovered"] == true,
            reason: word(&frame["reason"]),
            more: frame["hasMore"] == true,
            messages,
            people: List::read(frame),
            room: room.clone(),
        };
        match joined.messages.last() {
            Some(last) => self.moves(&room, last.seq, &last.id),
            None if !joined.recovered => self.moves(&room, joined.seq, ""),
            None => {}
        }
        let more = joined.more;
        self.life.recorder.note(Event::Joined(joined));
        if more || !self.inside.insert(room.clone()) {
            return Ok(());
        }
        if self.inside.len() == self.life.plan.rooms.len() {
            self.life.report.send_modify(|progress| progress.here = true);
        }
        for at in 0..self.life.unacked.len() {
            if self.life.unacked[at].room == room {
                self.life.unacked[at].again = None;
                self.say(at).await?;
            }
        }
        Ok(())
    }

    fn acked(&mut self, room: String, frame: &Value) {
        let id = word(&frame["id"]);
        let before = self.life.unacked.len();
        self.life.unacked.retain(|pending| pending.id != id || pending.room != room);
        let duplicate = frame["duplicate"] == true;
        let seq = frame["seq"].as_u64().unwrap_or_default();
        self.life.recorder.note(Event::Ack { room, id, seq, duplicate });
        let unacked = self.life.unacked.len();
        self.life.report.send_modify(|progress| {
            progress.acked += before - unacked;
            progress.unacked = unacked;
        });
    }

    /// What may be tried again as it is, is.
    fn refused(&mut self, frame: &Value) {
        let (code, id) = (word(&frame["code"]), word(&frame["id"]));
        let wait = frame["retryAfterMs"].as_u64().map_or(AGAIN, Duration::from_millis);
        let again = Instant::now() + wait;
        if let Some(room) = word(&frame["ref"]).strip_prefix("join ") {
            self.ask_again.push((again, room.to_owned()));
        }
        let for_now = [
            "rate_limited",
            "too_many_sockets",
            "unavailable",
            "draining",
            "outcome_unknown",
            "internal",
            "not_joined",
        ];
        if for_now.contains(&code.as_str()) {
            if let Some(pending) = self.life.unacked.iter_mut().find(|pending| pending.id == id) {
                pending.again = Some(again);
            }
        } else {
            self.life.unacked.retain(|pending| pending.id != id);
            let unacked = self.life.unacked.len();
            self.life.report.send_modify(|progress| progress.unacked = unacked);
        }
        self.life.recorder.note(Event::Error { code, id });
    }
}
