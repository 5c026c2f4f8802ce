//! What a storm costs: a thousand people, and then two thousand, join one room of two nodes at
//! once. The names that all of them are sent and the commands that Redis is given must grow about as
//! the people do, not as their square, and PostgreSQL must be asked much less often than people come.

#![allow(clippy::print_stdout, reason = "the figures are worth reading")]
#![allow(clippy::disallowed_methods, reason = "the clients are tasks of the test")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, future::join_all, stream};
use tokio::{net::TcpStream, sync::Barrier, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, handshake::client::Request},
};

use crate::{
    common::{eventually, web::Web},
    harness::{
        proxy::Proxy,
        scene::{Cluster, Setup},
    },
    servers::postgres::Postgres,
};

/// The limit of one storm, on a machine that does much else.
const LIMIT: Duration = Duration::from_mins(3);

/// What everybody sends.
const JOIN: &str = r#"{"type":"join","room":"lobby"}"#;
/// One of their names in a list.
const NAME: &str = "\"person";
/// What a node counts of its calls to PostgreSQL.
const CALLS: &str = "chorus_postgres_call_seconds_count";
/// The pause before it is sent again, as the refusal says.
const AGAIN: Duration = Duration::from_secs(1);

/// What one storm cost.
#[derive(Debug)]
struct Cost {
    bytes: usize,
    /// How often somebody was named to somebody.
    names: usize,
    commands: u64,
    /// Of PostgreSQL.
    calls: f64,
    took: Duration,
}

/// Two nodes of one fresh cluster, and nothing else on this machine.
struct Scene(Cluster);

impl Scene {
    async fn set() -> Self {
        Self(Setup::of(2).undisturbed().start().await)
    }

    /// So many people, signed in at one of the nodes each.
    async fn sign_in(&self, people: usize) -> Vec<(SocketAddr, String)> {
        let webs: Vec<Web> = (0..2).map(|node| self.0.web(node)).collect();
        let sign_in = async |n: usize| {
            let web = &webs[n % webs.len()];
            (web.address, web.sign_in(&format!("person{n:04}")).await)
        };
        stream::iter(0..people).map(sign_in).buffer_unordered(16).collect().await
    }

    /// How many commands Redis has been given.
    fn commands(&self) -> u64 {
        self.0.redis().calls().values().sum()
    }

    /// How many calls PostgreSQL has been given. A node counts them every few seconds, and calls by itself
    /// more often than that: what it says next is new.
    async fn calls(&self) -> f64 {
        let mut calls = 0.0;
        for node in &self.0.nodes {
            let before = node.metric(CALLS).await;
            let counted = async {
                loop {
                    match node.metric(CALLS).await {
                        same if same <= before => tokio::time::sleep(Duration::from_millis(50)).await,
                        more => return more,
                    }
                }
            };
            calls += timeout(LIMIT, counted).await.expect("a node that counts");
        }
        calls
    }

    /// All of them join the lobby at once.
    async fn storm(&self, people: usize) -> Cost {
        let signed_in = self.sign_in(people).await;
        let start = Arc::new(Barrier::new(people + 1));
        let mut storm = JoinSet::new();
        for (node, token) in signed_in {
            storm.spawn(join(node, token, people, Arc::clone(&start)));
        }
        timeout(LIMIT, start.wait()).await.expect("everybody has a socket in time");
        let asked = self.calls().await;
        start.wait().await;
        let (began, before) = (Instant::now(), self.commands());
        // Everybody is told of everybody.
        timeout(LIMIT, start.wait()).await.expect("in time");
        let (took, commands) = (began.elapsed(), self.commands() - before);
        let calls = self.calls().await - asked;
        let (bytes, names): (Vec<_>, Vec<_>) = storm.join_all().await.into_iter().unzip();
        Cost {
            bytes: bytes.iter().sum(),
            names: names.iter().sum(),
            commands,
            calls,
            took,
        }
    }
}

/// Opens a socket, joins when all have theirs, and reads until the list counts everybody, and
/// everybody else has got there. Answers the bytes of all frames from the join on, and how many people they name.
async fn join(node: SocketAddr, token: String, people: usize, together: Arc<Barrier>) -> (usize, usize) {
    let mut request = format!("ws://{node}/ws").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", "chorus.v1".parse().unwrap());
    headers.insert("Authorization", format!("Bearer {token}").parse().unwrap());
    let mut socket = timeout(LIMIT, patiently_open(&request)).await.expect("in time");
    // Everybody has a socket, and what that took has been counted.
    together.wait().await;
    together.wait().await;
    socket.send(Message::text(JOIN)).await.unwrap();
    let (mut bytes, mut names, everybody) = (0, 0, format!("\"userCount\":{people}"));
    loop {
        let Message::Text(text) = socket.next().await.expect("it stays open").unwrap() else {
            continue;
        };
        if text.contains("\"welcome\"") {
            continue;
        }
        // A node that has too much to do at once says so, and when to ask again.
        if text.contains("\"unavailable\"") {
            tokio::time::sleep(AGAIN).await;
            socket.send(Message::text(JOIN)).await.unwrap();
            continue;
        }
        bytes += text.len();
        names += text.matches(NAME).count();
        if text.split([',', '}']).any(|part| part == everybody) {
            // Whoever left before the others are told would change the list again.
            tokio::select! {
                _ = together.wait() => return (bytes, names),
                () = drain(&mut socket) => panic!("the socket ended"),
            }
        }
    }
}

/// A node that has too much to do at once refuses for now.
async fn patiently_open(request: &Request) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    loop {
        match connect_async(request.clone()).await {
            Ok((socket, _)) => return socket,
            Err(tungstenite::Error::Http(answer)) if answer.status() == 503 => {}
            Err(tungstenite::Error::Io(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads what still comes: a list that is not read closes its socket.
async fn drain(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) {
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_storm_nobody_is_named_everybody_and_what_it_asks_is_shared() {
    let mut costs = Vec::new();
    for people in [1000, 2000] {
        let scene = Scene::set().await;
        let cost = scene.storm(people).await;
        println!("{people} people: {cost:?}, {} bytes each", cost.bytes / people);
        costs.push(cost);
    }
    let [one, two] = &costs[..] else { panic!("two storms") };
    // A list names the first five hundred, and then whoever comes among them: at most some 1,200 of two thousand,
    // in whatever order they come.
    assert!(two.names < 1500 * 2000, "everybody would be 2,000 for each: {costs:?}");
    // What a script does counts too, about ten commands, and the quicker the machine, the fewer people share one;
    // besides, nodes ask a few times a second how things stand. (A square would be beyond this at two thousand.)
    let most = |people: u64, cost: &Cost| 4 * people + 200 * (cost.took.as_secs() + 2);
    assert!(one.commands < most(1000, one), "{costs:?}");
    assert!(two.commands < most(2000, two), "{costs:?}");
    // Joiners share what they read of the log; besides, nodes ask a few times a second, also while they are
    // waited for to have counted.
    let most = |people: f64, cost: &Cost| people / 4.0 + 20.0 * (cost.took.as_secs_f64() + 15.0);
    assert!(one.calls < most(1000.0, one), "{costs:?}");
    assert!(two.calls < most(2000.0, two), "{costs:?}");
}

/// Shown at once where it is looked up.
const AT_ONCE: u32 = 400;
/// A line on which each answer takes its time, so that others wait meanwhile.
const FAR: Duration = Duration::from_millis(20);

impl Scene {
    /// A token is shown by many at once, who are all let in: PostgreSQL was asked much less often.
    async fn shows(&self, token: &str) {
        let web = self.0.web(0);
        let (began, before) = (Instant::now(), self.calls().await);
        join_all((0..AT_ONCE).map(|_| web.ticket(token, ""))).await;
        let calls = self.calls().await - before;
        println!("{calls} calls in {:?}", began.elapsed());
        // Besides, the node asks a few times a second.
        assert!(
            calls < f64::from(AT_ONCE) / 4.0 + 20.0 * began.elapsed().as_secs_f64(),
            "{calls}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_shown_at_once_are_looked_up_together() {
    let scene = Scene(Setup::of(1).undisturbed().proxied().start().await);
    let token = scene.0.web(0).sign_in("alice").await;
    scene.0.nodes[0].to_postgres.as_ref().unwrap().delay(FAR);
    scene.shows(&token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_replica_they_are_looked_up_together_too() {
    const SERVED: &str = "chorus_replica_reads_total{outcome=\"served\"}";
    let mut scene = Scene(Setup::of(1).undisturbed().start().await);
    let replica = Postgres::start_replica(&scene.0.postgres);
    let line = Proxy::to_port(replica.port()).await;
    let url = format!("postgres://postgres@{}/{}", line.address(), scene.0.database);
    let node = &mut scene.0.nodes[0];
    node.stop().await;
    node.set("DATABASE_REPLICA_URLS", &url);
    node.start().await;
    let token = scene.0.web(0).sign_in("alice").await;
    let served = async || scene.0.nodes[0].metric(SERVED).await;
    eventually("the replica is asked", async || {
        scene.0.web(0).ticket(&token, "").await;
        served().await > 0.0
    })
    .await;
    line.delay(FAR);
    // One that answers too late is not asked for a second.
    eventually("it answers all", async || {
        let before = served().await;
        scene.shows(&token).await;
        served().await - before >= f64::from(AT_ONCE)
    })
    .await;
}
