//! A whole chat on this machine: private servers, nodes as processes of their own, and on request a
//! proxy on every line between them. The scene owns all of it, and all of it ends with the scene.
//!
//! Everything a test may do to a part of it is a method here: kill, freeze, thaw, stop, restart on
//! the same port. At the end it hands the checker the log as the database has it and the lists of
//! people as every node tells them.

mod node;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use self::node::NodeProcess;
use super::{
    check::{Breach, Judged, NodeList, Rule, Steady, Story, check},
    crowd::Crowd,
    gossip::{Gossip, Manners},
    proxy::Proxy,
    record::{Clock, Said},
};
use crate::{
    common::{Client, LIMIT, program::JWT_SECRET, web::Web},
    servers::{postgres::Postgres, redis::Redis},
};

/// How many scenes there are at once: each is a dozen processes, and what it measures would be the
/// others' load. Most of its time it waits.
const AT_ONCE: u32 = 3;
static STAGE: Semaphore = Semaphore::const_new(AT_ONCE as usize);
/// A socket may outlive its sign-in by so much: the poll of revocations and a slow machine.
const SIGN_OUT_LIMIT: Duration = Duration::from_secs(8);
/// How often the end is looked at until everything has arrived.
const LOOK: Duration = Duration::from_millis(200);

/// How a scene is set.
pub struct Setup {
    nodes: usize,
    proxied: bool,
    /// The server syncs to disk: what a test that kills it needs.
    durable: bool,
    /// Several nodes hear of each other through Redis.
    redis: bool,
    manners: Option<Manners>,
    settings: Vec<(String, String)>,
    /// Those of one node, by its place.
    own: Vec<(usize, String, String)>,
    /// How many of the places on stage it takes.
    places: u32,
    /// Another program than the one that was built with these tests.
    build: Option<PathBuf>,
}

/// A running chat.
pub struct Cluster {
    pub clock: Clock,
    pub postgres: Postgres,
    pub database: String,
    pub nodes: Vec<NodeProcess>,
    redis: Option<Redis>,
    _turn: SemaphorePermit<'static>,
}

/// What a test makes happen that would be wrong otherwise.
#[derive(Default)]
pub struct Expected {
    /// Reasons of `recovered:false`.
    pub holes: Vec<String>,
    /// The beginning of the lobby's log, which is not kept any more.
    pub deleted: Vec<Said>,
    pub steady: Vec<Steady>,
}

impl Expected {
    /// These are there all the time.
    pub fn steady(names: Vec<String>, from: Duration, to: Duration) -> Self {
        Self { steady: vec![Steady { names, from, to }], ..Self::default() }
    }
}

impl Setup {
    /// One node that stands on PostgreSQL and nothing else.
    pub const fn alone() -> Self {
        Self {
            nodes: 1,
            proxied: false,
            durable: false,
            redis: false,
            manners: None,
            settings: vec![],
            own: vec![],
            places: 1,
            build: None,
        }
    }

    /// So many nodes of one chat, with Redis between them.
    pub const fn of(nodes: usize) -> Self {
        let mut setup = Self::alone();
        (setup.nodes, setup.redis) = (nodes, true);
        setup
    }

    /// A proxy of its own on every line from a node to a server.
    pub const fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// What Redis has to tell, it tells badly.
    pub const fn gossiping(mut self, manners: Manners) -> Self {
        self.manners = Some(manners);
        self
    }

    /// It has the machine for itself, as far as it is up to these tests.
    pub const fn undisturbed(mut self) -> Self {
        self.places = AT_ONCE;
        self
    }

    /// PostgreSQL may be killed.
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// All nodes run this program at first.
    #[allow(dead_code, reason = "for tests/versions")]
    pub fn built_as(mut self, build: &Path) -> Self {
        self.build = Some(build.to_owned());
        self
    }

    /// A setting of all nodes.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A setting of one node, over that of all.
    pub fn on(mut self, node: usize, name: &str, value: &str) -> Self {
        self.own.push((node, name.to_owned(), value.to_owned()));
        self
    }

    /// Starts everything; answers when all nodes are ready.
    pub async fn start(self) -> Cluster {
        let turn = STAGE.acquire_many(self.places).await.unwrap();
        let postgres = if self.durable { Postgres::start() } else { Postgres::start_fast() };
        let database = postgres.create_database(None);
        let redis = self.redis.then(Redis::start);
        let mut nodes = Vec::new();
        for number in 1..=self.nodes {
            let mut settings = self.settings.clone();
            settings.push(("JWT_SECRET".to_owned(), JWT_SECRET.to_owned()));
            settings.push(("OTEL_SERVICE_NAME".to_owned(), format!("node{number}")));
            let to_postgres = self.proxy(postgres.port()).await;
            let at = to_postgres.as_ref().map_or_else(|| local(postgres.port()), Proxy::address);
            settings.push(("DATABASE_URL".to_owned(), format!("postgres://postgres@{at}/{database}")));
            let mut node = NodeProcess::new(number, to_postgres);
            if let Some(redis) = &redis {
                node.to_redis = self.proxy(redis.port()).await;
                let mut at = node.to_redis.as_ref().map_or_else(|| local(redis.port()), Proxy::address);
                if let Some(manners) = self.manners {
                    let gossip = Gossip::to(at, manners).await;
                    at = gossip.address();
                    node.gossip = Some(gossip);
                }
                settings.push(("REDIS_URL".to_owned(), format!("redis://{at}")));
            }
            node.settings = settings;
            for (_, name, value) in self.own.iter().filter(|(of, ..)| of + 1 == number) {
                node.set(name, value);
            }
            if let Some(build) = &self.build {
                node.becomes(build);
            }
            nodes.push(node);
        }
        // All at once, as an orchestrator does it.
        futures_util::future::join_all(nodes.iter_mut().map(NodeProcess::start)).await;
        Cluster {
            clock: Clock::start(),
            postgres,
            database,
            nodes,
            redis,
            _turn: turn,
        }
    }

    async fn proxy(&self, port: u16) -> Option<Proxy> {
        if self.proxied { Some(Proxy::to_port(port).await) } else { None }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Cluster {
    /// What carries between the nodes.
    pub const fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("it was set with several nodes")
    }

    /// All nodes, which have stopped, start again on another database of the server.
    pub async fn goes_on_with(&mut self, database: String) {
        let url = self.postgres.url(&database);
        self.database = database;
        for node in &mut self.nodes {
            node.set("DATABASE_URL", &url);
        }
        futures_util::future::join_all(self.nodes.iter_mut().map(NodeProcess::start)).await;
    }

    /// Where people find the nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(NodeProcess::address).collect()
    }

    /// How a node is asked over HTTP.
    pub fn web(&self, node: usize) -> Web {
        Web::of(self.nodes[node].address())
    }

    /// A socket in the lobby of a node.
    pub async fn guest(&self, node: usize, name: &str) -> Client {
        let web = self.web(node);
        web.guest(&web.sign_in(name).await).await
    }

    /// What a node answers to whoever asks whether to send people: the status and the causes.
    pub async fn ready(&self, node: usize) -> (u16, Vec<String>) {
        let answer = self.web(node).get("/ready", "").await;
        (answer.status, super::record::words(&answer.body["causes"]))
    }

    /// A room's log as the database has it.
    pub fn log(&self, room: &str) -> Vec<Said> {
        let rows = self.postgres.sql(
            &self.database,
            &format!(
                "SELECT coalesce(json_agg(json_build_array(seq, client_id, username, body) ORDER BY seq), '[]')
                 FROM messages JOIN rooms ON rooms.id = room_id JOIN users ON users.id = sender_id
                 WHERE rooms.name = '{room}'"
            ),
        );
        let rows: Vec<(u64, String, String, String)> = serde_json::from_str(&rows).unwrap();
        let said = |(seq, id, who, text)| Said { seq, id, who, text };
        rows.into_iter().map(said).collect()
    }

    /// Who is in a room, as every running node tells it.
    pub async fn lists(&self, room: &str) -> Vec<NodeList> {
        let mut lists = Vec::new();
        for node in self.nodes.iter().filter(|node| node.runs()) {
            let web = Web::of(node.address());
            let token = web.sign_in("observer").await;
            lists.push(NodeList {
                node: node.name(),
                room: room.to_owned(),
                users: whole_list(&web, room, &token).await,
            });
        }
        lists
    }

    /// So many people and a page who have come in there and are in the midst of talking, each at this pace.
    pub async fn that_talks(&self, way_in: SocketAddr, people: usize, pace: Duration) -> Crowd {
        let mut crowd = Crowd::of(self.clock, &[way_in]);
        crowd.enter_page("oldpage", 0);
        crowd.enter(people).await;
        self.agrees(&crowd).await;
        crowd.talk(pace).await;
        crowd.acked(100).await;
        crowd
    }

    /// Waits until every node and every client has the people who are there.
    pub async fn agrees(&self, crowd: &Crowd) {
        self.agrees_within(LIMIT, crowd).await;
    }

    /// The same, in this time; answers how long it took.
    pub async fn agrees_within(&self, limit: Duration, crowd: &Crowd) -> Duration {
        let mut story = Story { sign_out_limit: SIGN_OUT_LIMIT, ..Story::default() };
        let began = std::time::Instant::now();
        loop {
            story.lists = self.lists("lobby").await;
            story.recordings = crowd.recordings();
            let took = began.elapsed();
            match story.people() {
                None if took < limit => return took,
                None => panic!("the lists agree after {took:?} and not within {limit:?}"),
                Some(breach) => assert!(took < limit, "not within {limit:?}: {breach}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until all is said, everybody is there and everything has arrived; then judges.
    /// Panics with the shortest history that breaks a rule.
    pub async fn judge(&self, crowd: &Crowd, expected: Expected) -> Judged {
        crowd.fall_silent().await;
        let began = std::time::Instant::now();
        let mut story = Story {
            holes: expected.holes,
            steady: expected.steady,
            sign_out_limit: SIGN_OUT_LIMIT,
            ..Story::default()
        };
        loop {
            story.lists.clear();
            for room in crowd.rooms() {
                let mut log = if room == "lobby" { expected.deleted.clone() } else { vec![] };
                log.extend(self.log(&room));
                story.logs.insert(room.clone(), log);
                story.lists.extend(self.lists(&room).await);
            }
            story.recordings = crowd.recordings();
            match check(&story) {
                Ok(judged) => return judged,
                Err(breach) if is_final(&breach) || began.elapsed() > LIMIT => panic!("{breach}"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Whether time can't mend it: what has not arrived yet may arrive.
const fn is_final(breach: &Breach) -> bool {
    !matches!(breach.rule, Rule::Missed | Rule::People | Rule::SignedOut)
}

/// All pages of a list of people.
async fn whole_list(web: &Web, room: &str, token: &str) -> Vec<String> {
    let mut users = Vec::new();
    let mut path = format!("/rooms/{room}/users");
    loop {
        let answer = web.get(&path, token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        users.extend(super::record::words(&answer.body["users"]));
        match &answer.body["next"] {
            Value::String(next) => path = format!("/rooms/{room}/users?after={next}"),
            _ => return users,
        }
    }
}
