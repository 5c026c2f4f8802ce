//! A whole chat on this machine: private servers, nodes as processes of their own, and on request a
//! proxy on every line between them. The scene owns all of it, and all of it ends with the scene.
//!
//! Everything a test may do to a part of it is a method here: kill, freeze, thaw, stop, restart on
//! the same port. At the end it is judged (`verdict`).

mod node;
mod verdict;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

pub use self::{
    node::NodeProcess,
    verdict::{Expected, Horizon},
};
use super::{
    crowd::Crowd,
    gossip::{Gossip, Manners},
    proxy::Proxy,
    record::Clock,
};
use crate::{
    common::{Client, program::JWT_SECRET, web::Web},
    servers::{
        nginx::{GENEROUS, Nginx},
        postgres::Postgres,
        redis::Redis,
    },
};

/// How many scenes there are at once: each is a dozen processes, and what it measures would be the
/// others' load. Most of its time it waits.
const AT_ONCE: u32 = 3;
static STAGE: Semaphore = Semaphore::const_new(AT_ONCE as usize);

/// How a scene is set.
#[allow(clippy::struct_excessive_bools, reason = "each is there or not, by itself")]
pub struct Setup {
    nodes: usize,
    proxied: bool,
    /// The server syncs to disk: what a test that kills it needs.
    durable: bool,
    /// Several nodes hear of each other through Redis.
    redis: bool,
    manners: Option<Manners>,
    nginx: bool,
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
    nginx: Option<Nginx>,
    _turn: SemaphorePermit<'static>,
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
            nginx: false,
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

    /// With nginx before the nodes.
    pub const fn behind_nginx(mut self) -> Self {
        self.nginx = true;
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
            nodes.push(self.node(number, &postgres, &database, redis.as_ref()).await);
        }
        // All at once, as an orchestrator does it.
        futures_util::future::join_all(nodes.iter_mut().map(NodeProcess::start)).await;
        let addresses: Vec<SocketAddr> = nodes.iter().map(NodeProcess::address).collect();
        Cluster {
            clock: Clock::start(),
            postgres,
            database,
            nodes,
            redis,
            nginx: self.nginx.then(|| Nginx::start(&addresses, &GENEROUS)),
            _turn: turn,
        }
    }

    /// A node that was not started yet, with what stands between it and the servers.
    async fn node(
        &self,
        number: usize,
        postgres: &Postgres,
        database: &str,
        redis: Option<&Redis>,
    ) -> NodeProcess {
        let mut settings = self.settings.clone();
        settings.push(("JWT_SECRET".to_owned(), JWT_SECRET.to_owned()));
        settings.push(("OTEL_SERVICE_NAME".to_owned(), format!("node{number}")));
        let to_postgres = self.proxy(postgres.port()).await;
        let at = to_postgres.as_ref().map_or_else(|| local(postgres.port()), Proxy::address);
        settings.push(("DATABASE_URL".to_owned(), format!("postgres://postgres@{at}/{database}")));
        let mut node = NodeProcess::new(number, to_postgres);
        if let Some(redis) = redis {
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
        node
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

    /// Where people come in through nginx, if there is one.
    pub fn edge(&self) -> Option<SocketAddr> {
        self.nginx.as_ref().map(|nginx| nginx.address)
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
}
