//! The scene of the tests: nodes on free ports with a database of their own, and clients that
//! speak the real protocol over real sockets. Every wait has a limit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of the scene"
)]

pub mod page;
pub mod program;
pub mod raw_socket;
pub mod receiver;
pub mod schema;
pub mod web;
pub mod wire;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use chorus::{
    cluster::local::{Faults, LocalCluster, LocalNode},
    config::Config,
    domain::{Password, Username},
    node::{Backends, Node},
    shutdown::Tasks,
    store::{Store, sqlite::SqliteStore},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

/// The limit of every wait: far more than it takes, for the machine may have other things to do.
pub const LIMIT: Duration = Duration::from_mins(1);
/// Everybody's password.
pub const PASSWORD: &str = "correct horse";

/// So many sign-ins at once, `least` or more, that some find no place to wait in however many cores there are: 64 may
/// wait, and 40 are more than a core looks at while all of them come.
pub fn flood_of_sign_ins(least: usize) -> usize {
    least.max(64 + 40 * std::thread::available_parallelism().map_or(1, usize::from))
}

/// Settings for tests: free ports, cheap hashes, generous limits.
pub fn settings(dir: &std::path::Path) -> Config {
    let mut config = Config::default_for(dir);
    config.port = 0;
    config.metrics_port = 0;
    config.bcrypt_cost = 4;
    config.message_limit = 10_000;
    config.rate_limit_per_hour = 100_000;
    config.api_limit_per_minute = 100_000;
    // Most tests end with open sockets, and a drain gives them half of this.
    config.shutdown_timeout = Duration::from_secs(1);
    config
}

/// Several nodes of one chat in one process.
pub struct Town {
    pub nodes: Vec<Node>,
    pub wires: Vec<Arc<LocalNode>>,
    pub store: Arc<SqliteStore>,
    pub config: Config,
    cluster: LocalCluster,
    _dir: tempfile::TempDir,
}

impl Town {
    /// So many nodes, with everything arriving.
    pub async fn of(nodes: usize) -> Self {
        Self::with(nodes, None, |_| {}).await
    }

    /// So many nodes whose doorbells suffer.
    pub async fn faulty(nodes: usize, faults: Faults) -> Self {
        Self::with(nodes, Some(faults), |_| {}).await
    }

    pub async fn with(nodes: usize, faults: Option<Faults>, change: impl Fn(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = settings(dir.path());
        change(&mut config);
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        let cluster = match faults {
            Some(faults) => LocalCluster::with_faults(Tasks::new(), faults),
            None => LocalCluster::new(),
        };
        let mut town = Self {
            nodes: vec![],
            wires: vec![],
            store,
            config,
            cluster,
            _dir: dir,
        };
        for _ in 0..nodes {
            town.add_node().await;
        }
        town
    }

    pub async fn add_node(&mut self) {
        let wire = self.cluster.node();
        let backends = Backends {
            store: self.store.clone(),
            bus: wire.clone(),
            presence: wire.clone(),
            peers: wire.clone(),
            replicas: None,
            alone: false,
        };
        self.nodes.push(Node::start(&self.config, backends, None).await.unwrap());
        self.wires.push(wire);
    }

    /// Somebody on the bus who is no node.
    pub fn bystander(&self) -> Arc<LocalNode> {
        self.cluster.node()
    }

    /// What nodes tell each other loses its memory, as a server does that comes back empty.
    pub fn forget(&self) {
        self.cluster.forget();
    }

    /// Makes an account, unless it exists, and signs it in: the token.
    pub async fn sign_in(&self, name: &str) -> String {
        let auth = self.nodes[0].auth();
        let username = Username::parse(name).unwrap();
        let _ = auth.register(&username, &Password::parse(PASSWORD).unwrap()).await;
        auth.login(name, PASSWORD, false).await.unwrap().token
    }

    /// A client of node `node`, not yet in any room.
    pub async fn client(&self, node: usize, token: &str) -> Client {
        Client::open(self.nodes[node].address, token).await
    }

    /// A client that has joined the lobby.
    pub async fn guest(&self, node: usize, name: &str) -> Client {
        let token = self.sign_in(name).await;
        let mut client = self.client(node, &token).await;
        client.join("lobby").await;
        client
    }

    pub async fn log(&self) -> Vec<(u64, String)> {
        let lobby = self.store_room().await;
        let mut all = Vec::new();
        let mut after = chorus::domain::Seq::ZERO;
        loop {
            let page = chorus::store::Log::page(
                &*self.store,
                lobby,
                chorus::store::Slice::After(after),
                500,
                usize::MAX,
            )
            .await
            .unwrap();
            all.extend(page.events.iter().map(|event| (event.seq.0, event.id.as_str().to_owned())));
            match page.events.last() {
                Some(last) if page.has_more => after = last.seq,
                _ => return all,
            }
        }
    }

    async fn store_room(&self) -> chorus::domain::RoomId {
        let lobby = chorus::domain::RoomName::lobby();
        chorus::store::Log::room(&*self.store, &lobby).await.unwrap().unwrap().id
    }

    pub async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
        self.store.close().await;
    }
}

/// A `v1` client that writes down everything.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while something else was awaited.
    waiting: Vec<Value>,
    /// Everything delivered per room, in the order it came: (seq, id).
    pub seen: HashMap<String, Vec<(u64, String)>>,
    /// The people of each room as told so far, with the list's version.
    pub people: HashMap<String, (Vec<String>, u64)>,
    pub welcome: Value,
}

impl Client {
    pub async fn open(node: SocketAddr, token: &str) -> Self {
        Self::try_open(node, token).await.expect("the socket opens")
    }

    pub async fn try_open(node: SocketAddr, token: &str) -> Result<Self, tungstenite::Error> {
        let bearer = format!("Bearer {token}");
        Self::knock(node, "/ws", &[("Authorization", &bearer)]).await
    }

    /// Opens a `v1` socket at this path and with these headers.
    pub async fn knock(
        node: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{node}{path}").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "chorus.v1".parse().unwrap());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(*name, value);
        }
        let (socket, _) = timeout(LIMIT, connect_async(request)).await.expect("in time")?;
        Self::greeted(socket).await
    }

    /// A socket whose handshake is done: the first frame is `welcome`.
    pub async fn greeted(
        socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ) -> Result<Self, tungstenite::Error> {
        let mut client = Self {
            socket,
            waiting: vec![],
            seen: HashMap::new(),
            people: HashMap::new(),
            welcome: Value::Null,
        };
        client.welcome = client.expect("welcome").await;
        Ok(client)
    }

    pub async fn send(&mut self, frame: Value) {
        self.text(&frame.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        timeout(LIMIT, self.socket.send(Message::text(text)))
            .await
            .expect("in time")
            .expect("sent");
    }

    /// Joins with the newest page; answers the `joined` frame.
    pub async fn join(&mut self, room: &str) -> Value {
        self.send(json!({"type": "join", "room": room})).await;
        self.expect("joined").await
    }

    /// Resumes after what this or an earlier client has seen; answers the last `joined` frame.
    pub async fn resume(&mut self, room: &str, seen: Vec<(u64, String)>) -> Value {
        let mut frame = json!({"type": "join", "room": room, "after": 0});
        if let Some((seq, id)) = seen.last() {
            frame["after"] = json!(seq);
            frame["afterId"] = json!(id);
        }
        self.seen.insert(room.to_owned(), seen);
        self.send(frame).await;
        loop {
            let joined = self.expect("joined").await;
            if joined["hasMore"] == json!(false) {
                return joined;
            }
        }
    }

    pub async fn say(&mut self, room: &str, id: &str, text: &str) {
        self.send(json!({"type": "message", "room": room, "id": id, "message": text})).await;
    }

    /// Says something and waits for its acknowledgement.
    pub async fn say_acked(&mut self, room: &str, id: &str, text: &str) -> Value {
        self.say(room, id, text).await;
        self.until(|frame| frame["type"] == "ack" && frame["id"] == id).await
    }

    /// The next frame of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }

    /// The next frame that fits; others are kept.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at);
        }
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.next(deadline).await {
                Ok(frame) if fits(&frame) => return frame,
                Ok(frame) => self.waiting.push(frame),
                Err(why) => panic!("{why}; kept: {:?}", self.waiting),
            }
        }
    }

    /// Sends a frame, or says that the socket is gone.
    pub async fn try_send(&mut self, frame: &Value) -> Result<(), String> {
        let sent = timeout(LIMIT, self.socket.send(Message::text(frame.to_string()))).await;
        sent.expect("in time").map_err(|error| error.to_string())
    }

    /// The next frame whatever it is, or how the socket ended.
    pub async fn try_next(&mut self) -> Result<Value, String> {
        if !self.waiting.is_empty() {
            return Ok(self.waiting.remove(0));
        }
        self.next(Instant::now() + LIMIT).await
    }

    /// Everything before the first frame that fits, in order, and that frame.
    pub async fn up_to(&mut self, fits: impl Fn(&Value) -> bool) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let frame = self.try_next().await.expect("a frame");
            if fits(&frame) {
                return (before, frame);
            }
            before.push(frame);
        }
    }

    /// Reads until this room has been delivered up to `seq`.
    pub async fn until_seq(&mut self, room: &str, seq: u64) {
        let deadline = Instant::now() + LIMIT;
        while self.last(room) < seq {
            match self.next(deadline).await {
                Ok(frame) => self.waiting.push(frame),
                Err(why) => panic!("{why}; at {} of {seq}", self.last(room)),
            }
        }
    }

    /// Reads until the people of a room are these.
    pub async fn until_people(&mut self, room: &str, names: &[&str]) {
        let deadline = Instant::now() + LIMIT;
        while self.people.get(room).is_none_or(|(people, _)| people != names) {
            match self.next(deadline).await {
                Ok(frame) => self.waiting.push(frame),
                Err(why) => panic!("{why}; people: {:?}, awaited {names:?}", self.people.get(room)),
            }
        }
    }

    /// The close code with which the node ends this socket.
    pub async fn closed(&mut self) -> u16 {
        self.closed_because().await.0
    }

    /// The close code and its reason.
    pub async fn closed_because(&mut self) -> (u16, String) {
        loop {
            match timeout(LIMIT, self.socket.next()).await.expect("closed in time") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("no close frame but {other:?}"),
            }
        }
    }

    pub fn last(&self, room: &str) -> u64 {
        self.seen.get(room).and_then(|seen| seen.last()).map_or(0, |(seq, _)| *seq)
    }

    /// What was seen of a room, when the client is gone.
    pub fn into_seen(mut self, room: &str) -> Vec<(u64, String)> {
        self.seen.remove(room).unwrap_or_default()
    }

    /// Reads whatever comes within `time`; for tests that something does not come.
    pub async fn listen_for(&mut self, time: Duration) -> Vec<Value> {
        let deadline = Instant::now() + time;
        let mut frames = std::mem::take(&mut self.waiting);
        while let Ok(frame) = self.next(deadline).await {
            frames.push(frame);
        }
        frames
    }

    async fn next(&mut self, deadline: Instant) -> Result<Value, String> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = timeout(left, self.socket.next()).await.map_err(|_| "nothing came in time")?;
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.note(&frame);
                    return Ok(frame);
                }
                Some(Ok(Message::Close(frame))) => return Err(format!("closed: {frame:?}")),
                Some(Ok(_)) => {}
                other => return Err(format!("the socket ended: {other:?}")),
            }
        }
    }

    /// Writes down what a frame tells, and checks what must hold of any frame at any time.
    fn note(&mut self, frame: &Value) {
        schema::v1(frame);
        let room = frame["room"].as_str().unwrap_or_default().to_owned();
        match frame["type"].as_str() {
            Some("message") => self.saw(&room, frame),
            Some("joined") => {
                if frame["recovered"] == json!(false) {
                    self.seen.insert(room.clone(), vec![]);
                }
                for message in frame["messages"].as_array().unwrap() {
                    self.saw(&room, message);
                }
                self.list(&room, frame);
            }
            Some("userList") => self.list(&room, frame),
            Some("presence") => {
                let (people, version) = self.people.get_mut(&room).expect("a list came first");
                *version += 1;
                assert_eq!(frame["version"], json!(*version), "versions follow on one socket");
                for name in names(&frame["left"]) {
                    people.retain(|other| *other != name);
                }
                people.extend(names(&frame["joined"]));
                people.sort_by_key(|name| name.to_lowercase());
                people.dedup();
                assert_eq!(frame["userCount"], json!(people.len()));
            }
            _ => {}
        }
    }

    fn list(&mut self, room: &str, frame: &Value) {
        let version = frame["version"].as_u64().unwrap();
        self.people.insert(room.to_owned(), (names(&frame["users"]), version));
    }

    fn saw(&mut self, room: &str, message: &Value) {
        let (seq, id) = (message["seq"].as_u64().unwrap(), message["id"].as_str().unwrap().to_owned());
        let seen = self.seen.entry(room.to_owned()).or_default();
        if let Some((last, _)) = seen.last() {
            assert_eq!(seq, last + 1, "one order without a gap, nothing twice");
        }
        seen.push((seq, id));
    }
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Waits until something holds, looking again and again, at most [`LIMIT`].
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    within(LIMIT, what, holds).await;
}

/// Waits until something holds, and for no longer than this; answers how long it took.
pub async fn within(limit: Duration, what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed();
    assert!(took < limit, "{took:?} and not within {limit:?}: {what}");
    took
}
