//! `kill -9` in the middle of acknowledged traffic, again and again.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    common::{
        Client, LIMIT,
        program::{JWT_SECRET, Program},
        web::Web,
    },
    servers::postgres::Postgres,
};

const ROUNDS: usize = 5;
const WRITERS: usize = 4;
/// Acknowledgements after which a round ends with a kill.
const ACKS: usize = 300;
/// Messages of one writer that may be unacknowledged.
const AHEAD: usize = 16;

/// Somebody who talks through any number of kills and remembers everything.
struct Writer {
    name: String,
    token: String,
    next: usize,
    /// Sent, perhaps committed, not acknowledged.
    unacked: VecDeque<String>,
    acked: HashMap<String, u64>,
    seen: Vec<(u64, String)>,
}

impl Writer {
    /// Talks until the node is gone or, when nobody is to say anything new, all is acknowledged.
    async fn talk(&mut self, node: SocketAddr, acks: &AtomicUsize, dead: watch::Receiver<bool>, new: bool) {
        let Ok(mut client) = Client::try_open(node, &self.token).await else {
            assert!(died(dead).await, "the node refuses while it lives");
            return;
        };
        let (seq, id) = self.seen.last().cloned().unwrap_or_default();
        client.seen.insert("lobby".to_owned(), std::mem::take(&mut self.seen));
        let join = json!({ "type": "join", "room": "lobby", "after": seq, "afterId": id });
        let ended = self.go_on(&mut client, &join, acks, new).await;
        self.seen = client.into_seen("lobby");
        if let Err(why) = ended {
            assert!(died(dead).await, "{why} while the node lives");
        }
    }

    async fn go_on(
        &mut self,
        client: &mut Client,
        join: &Value,
        acks: &AtomicUsize,
        new: bool,
    ) -> Result<(), String> {
        client.try_send(join).await?;
        loop {
            let joined = client.try_next().await?;
            if joined["type"] == "joined" {
                assert_eq!(joined["recovered"], true, "no kill breaks the order: {joined}");
                if joined["hasMore"] == false {
                    break;
                }
            }
        }
        for id in &self.unacked {
            client.try_send(&said(id)).await?;
        }
        while new || !self.unacked.is_empty() {
            while new && self.unacked.len() < AHEAD {
                let id = format!("{}-{}", self.name, self.next);
                self.next += 1;
                self.unacked.push_back(id.clone());
                client.try_send(&said(&id)).await?;
            }
            let frame = client.try_next().await?;
            assert_ne!(frame["type"], "error", "{frame}");
            if frame["type"] == "ack" {
                let id = frame["id"].as_str().unwrap().to_owned();
                self.unacked.retain(|unacked| *unacked != id);
                self.acked.insert(id, frame["seq"].as_u64().unwrap());
                acks.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Whether the node is killed, or was.
async fn died(mut dead: watch::Receiver<bool>) -> bool {
    let killed = timeout(LIMIT, dead.wait_for(|dead| *dead)).await;
    killed.is_ok_and(|told| told.is_ok())
}

fn said(id: &str) -> Value {
    json!({ "type": "message", "room": "lobby", "id": id, "message": format!("text of {id}") })
}

/// All messages of the lobby, by pages over HTTP.
pub(super) async fn history(web: &Web, token: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(0, |message| message["seq"].as_u64().unwrap());
        let page = web.get(&format!("/rooms/lobby/messages?after={after}&limit=200"), token).await;
        assert_eq!(page.status, 200);
        all.extend_from_slice(page.body["messages"].as_array().unwrap());
        if page.body["hasMore"] == false {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_or_doubles_what_was_acknowledged() {
    kill_again_and_again(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_of_a_node_on_a_server_loses_or_doubles_what_was_acknowledged() {
    let server = Postgres::start();
    let url = server.url(&server.create_database(None));
    kill_again_and_again(&[("DATABASE_URL", &url), ("JWT_SECRET", JWT_SECRET)]).await;
}

async fn kill_again_and_again(settings: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let settings = &[settings, &[("MESSAGE_LIMIT", "100000")]].concat();
    let mut writers = Vec::new();
    for round in 0..ROUNDS {
        let (program, address, _) = Program::start(dir.path(), settings).await;
        if round == 0 {
            for n in 0..WRITERS {
                let name = format!("writer{n}");
                let token = Web::of(address).sign_in(&name).await;
                let (unacked, acked, seen) = (VecDeque::new(), HashMap::new(), Vec::new());
                writers.push(Writer { name, token, next: 0, unacked, acked, seen });
            }
        }
        let (acks, (killed, dead)) = (Arc::new(AtomicUsize::new(0)), watch::channel(false));
        let mut talking = JoinSet::new();
        for mut writer in writers.drain(..) {
            let (acks, dead) = (acks.clone(), dead.clone());
            talking.spawn(async move {
                writer.talk(address, &acks, dead, true).await;
                writer
            });
        }
        crate::common::eventually("enough is acknowledged", async || {
            acks.load(Ordering::Relaxed) >= ACKS || talking.is_empty()
        })
        .await;
        program.kill().await;
        killed.send_replace(true);
        writers = talking.join_all().await;
        let before: usize = writers.iter().map(|writer| writer.acked.len()).sum();
        assert!(before >= ACKS * (round + 1), "{before} in round {round}");
    }

    let (program, address, _) = Program::start(dir.path(), settings).await;
    let (acks, (_alive, dead)) = (AtomicUsize::new(0), watch::channel(false));
    for writer in &mut writers {
        writer.talk(address, &acks, dead.clone(), false).await;
        assert!(writer.unacked.is_empty());
    }
    let log = history(&Web::of(address), &writers[0].token).await;
    let said: usize = writers.iter().map(|writer| writer.next).sum();
    assert_eq!(log.len(), said, "everything once");
    let mut by_id = HashMap::new();
    for (n, message) in log.iter().enumerate() {
        assert_eq!(message["seq"], n + 1, "no hole");
        let id = message["id"].as_str().unwrap();
        assert_eq!(message["message"], format!("text of {id}"));
        assert!(id.starts_with(message["username"].as_str().unwrap()));
        assert!(by_id.insert(id.to_owned(), n as u64 + 1).is_none(), "{id} is there twice");
    }
    for writer in &writers {
        assert_eq!(writer.acked.len(), writer.next);
        for (id, seq) in &writer.acked {
            assert_eq!(by_id.get(id), Some(seq), "{id} is where its acknowledgement said");
        }
        for (seq, id) in &writer.seen {
            assert_eq!(by_id.get(id), Some(seq), "{id} is where it was seen");
        }
    }
    program.kill().await;
}
