//! A person of the seed dialect: what the predecessor's page does, written down.
//!
//! It says lines that nobody acknowledges, and comes back when its socket is lost; it can't ask for
//! what it missed.

use std::net::SocketAddr;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    beside,
    line::{self, Backoff, Credential, PATIENCE, Socket},
    record::{Clock, Event, List, Recorder, word},
};
use crate::common::LIMIT;

/// A page of the predecessor.
pub struct Page {
    pub name: String,
    lines: mpsc::Sender<String>,
    recorder: Recorder,
}

impl Page {
    /// Begins to come in; nothing is awaited.
    pub fn enter(name: &str, nodes: &[SocketAddr], first: usize, clock: Clock) -> Self {
        let recorder = Recorder::new(clock, name, name);
        let (lines, told) = mpsc::channel(16);
        let life = Life {
            name: name.to_owned(),
            nodes: nodes.to_vec(),
            node: first,
            lines: told,
            recorder: recorder.clone(),
        };
        beside(life.run());
        Self { name: name.to_owned(), lines, recorder }
    }

    /// Says a line, as soon as there is a socket. Its text must be unlike any other of the test's.
    pub async fn say(&self, text: &str) {
        let told = timeout(LIMIT, self.lines.send(text.to_owned())).await.expect("it listens");
        assert!(told.is_ok(), "{} has ended", self.name);
    }

    /// What it has written down so far.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

struct Life {
    name: String,
    nodes: Vec<SocketAddr>,
    node: usize,
    lines: mpsc::Receiver<String>,
    recorder: Recorder,
}

impl Life {
    async fn run(mut self) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut backoff = Backoff::of(&self.name);
        loop {
            let node = self.nodes[self.node % self.nodes.len()];
            if let Ok(token) = line::sign_in(&http, node, &self.name).await {
                self.recorder.note(Event::SignedIn);
                if let Ok(socket) = line::open(node, Credential::Seed(&token)).await {
                    backoff.reset();
                    self.recorder.note(Event::Connected { node: node.to_string() });
                    let Some((code, why)) = self.stay(socket).await else { return };
                    self.recorder.note(Event::Closed { code, why });
                }
            }
            self.node += 1;
            sleep(backoff.wait()).await;
        }
    }

    /// How the socket ended; nothing when the test is over.
    async fn stay(&mut self, mut socket: Socket) -> Option<(Option<u16>, String)> {
        // It pings, as a browser's network stack notices that nobody answers.
        let mut silent = 0;
        let step = PATIENCE / 4;
        loop {
            tokio::select! {
                text = self.lines.recv() => {
                    let frame = json!({ "type": "chat", "message": text? });
                    if let Err(why) = line::send(&mut socket, Message::text(frame.to_string())).await {
                        return Some((None, why));
                    }
                }
                came = timeout(step, socket.next()) => match came {
                    Ok(Some(Ok(message))) => {
                        silent = 0;
                        if let Some(closed) = self.came(message) {
                            return Some(closed);
                        }
                    }
                    Ok(Some(Err(error))) => return Some((None, error.to_string())),
                    Ok(None) => return Some((None, "the connection ended".to_owned())),
                    Err(_) if silent == 4 => return Some((None, "the node is silent".to_owned())),
                    Err(_) => {
                        silent += 1;
                        if let Err(why) = line::send(&mut socket, Message::Ping(Vec::new().into())).await {
                            return Some((None, why));
                        }
                    }
                },
            }
        }
    }

    fn came(&self, message: Message) -> Option<(Option<u16>, String)> {
        match message {
            Message::Text(text) => self.frame(&serde_json::from_str(&text).unwrap_or_default()),
            Message::Close(frame) => {
                let why = frame.as_ref().map_or_else(String::new, |frame| frame.reason.to_string());
                return Some((frame.map(|frame| frame.code.into()), why));
            }
            _ => {}
        }
        None
    }

    fn frame(&self, frame: &Value) {
        let message = word(&frame["message"]);
        match frame["type"].as_str().unwrap_or_default() {
            "message" => self.recorder.note(Event::Heard { who: word(&frame["username"]), text: message }),
            "announcement" => self.recorder.note(Event::Announced { text: message }),
            "userList" => {
                let list = List::read(frame);
                self.recorder.note(Event::People { room: "lobby".to_owned(), list });
            }
            "error" => self.recorder.note(Event::Error { code: message, id: String::new() }),
            _ => {}
        }
    }
}
