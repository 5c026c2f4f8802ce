//! The chat that suffers: three nodes behind nginx, a door of its own before each, a proxy on every line
//! to PostgreSQL and Redis; and how each fault strikes and is healed.

use std::{net::SocketAddr, path::Path, time::Duration};

use serde_json::json;

use super::{
    fault::{Fault, Trouble},
    plan::NODES,
};
use crate::{
    common::{PASSWORD, eventually, within},
    harness::{
        gossip::Manners,
        proxy::{Direction, Proxy},
        scene::{Cluster, Setup},
    },
    servers::nginx::{GENEROUS, Nginx},
};

/// Most connections of a node to PostgreSQL, and the one that holds its lock.
pub const CONNECTIONS: u32 = 8 + 1;
/// So many of the last lines of a node that ended badly are told.
const LAST_LINES: usize = 12;
/// What a run has that is tougher than what a node comes with.
pub const SETTINGS: [(&str, &str); 6] = [
    ("PRESENCE_GRACE_SECONDS", "2"),
    ("PING_SECONDS", "3"),
    ("SHUTDOWN_TIMEOUT_SECONDS", "4"),
    ("OUTBOX_BYTES", "65536"),
    ("DATABASE_CONNECTIONS", "8"),
    // All people have one address, and who judges signs in again and again.
    ("RATE_LIMIT_PER_HOUR", "10000000"),
];
/// How long sockets outlive a change of the nodes at nginx: its former workers end in a run, too.
pub const RELOAD_SHUTDOWN: &str = "60s";
/// Rooms besides the lobby, which nobody is in at calm points.
pub const CORNERS: [&str; 4] = ["corner0", "corner1", "corner2", "corner3"];
/// Until nginx sends people to a node that is back.
const BACK: Duration = Duration::from_secs(30);
/// How badly notices are told when they are.
const BAD: Manners = Manners { lost: 0.1, doubled: 0.3, repeated_late: 0.2, shuffled: true };

pub struct Stage {
    pub cluster: Cluster,
    pub nginx: Nginx,
    /// Through which people and nginx come to each node.
    doors: Vec<Proxy>,
    /// What went wrong without an end of the run.
    pub problems: Vec<String>,
}

impl Stage {
    pub async fn set(program: Option<&Path>) -> Self {
        let mut setup = Setup::of(NODES).proxied().durable().gossiping(Manners::GOOD);
        for (name, value) in SETTINGS {
            setup = setup.with(name, value);
        }
        if let Some(program) = program {
            setup = setup.built_as(program);
        }
        let cluster = setup.start().await;
        let mut doors = Vec::new();
        for address in cluster.addresses() {
            doors.push(Proxy::to(address).await);
        }
        let ways: Vec<SocketAddr> = doors.iter().map(Proxy::address).collect();
        let nginx = Nginx::start(&ways, &[&GENEROUS[..], &[("RELOAD_SHUTDOWN", RELOAD_SHUTDOWN)]].concat());
        let web = cluster.web(0);
        let token = web.sign_in("observer").await;
        for room in CORNERS {
            let made = web.post("/rooms", &token, json!({ "room": room })).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        Self { cluster, nginx, doors, problems: vec![] }
    }

    /// Where people find the nodes without nginx.
    pub fn doors(&self) -> Vec<SocketAddr> {
        self.doors.iter().map(Proxy::address).collect()
    }

    pub async fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::NodeKilled(node) => self.cluster.nodes[node].kill().await,
            Fault::NodeFrozen(node) => self.cluster.nodes[node].freeze().await,
            Fault::NodeRestarted(node) => self.cluster.nodes[node].terminate().await,
            Fault::AllRestarted(but) => self.restart_all(but).await,
            Fault::RedisKilled => self.cluster.redis().kill(),
            Fault::RedisFrozen => self.cluster.redis().freeze(),
            Fault::RedisEmptied => drop(self.cluster.redis().cli(&["FLUSHALL"])),
            Fault::RedisDropsListeners => self.cluster.redis().kill_subscribers(),
            Fault::PostgresKilled => self.cluster.postgres.kill(),
            Fault::PostgresFrozen => self.cluster.postgres.freeze(),
            Fault::Gossip => self.gossip(BAD),
            Fault::NginxReloaded => self.nginx.reload(),
            Fault::RedisLine(_, trouble) | Fault::PostgresLine(_, trouble) | Fault::DoorLine(_, trouble) => {
                if let Some(line) = self.line(fault) {
                    suffers(line, trouble);
                }
            }
        }
    }

    /// Ends these faults: first what nodes stand on, because a node that starts waits for it.
    pub async fn heal(&mut self, faults: &[Fault]) {
        for fault in faults {
            match fault {
                Fault::RedisKilled => self.cluster.redis().restart(),
                Fault::RedisFrozen => self.cluster.redis().thaw(),
                Fault::PostgresKilled => self.cluster.postgres.restart(),
                Fault::PostgresFrozen => self.cluster.postgres.thaw(),
                Fault::Gossip => self.gossip(Manners::GOOD),
                other => self.line(*other).into_iter().for_each(Proxy::heal),
            }
        }
        for fault in faults {
            match *fault {
                Fault::NodeKilled(node) => self.cluster.nodes[node].start().await,
                Fault::NodeFrozen(node) => self.cluster.nodes[node].thaw().await,
                Fault::NodeRestarted(node) => {
                    self.has_ended(node).await;
                    self.cluster.nodes[node].start().await;
                }
                _ => {}
            }
        }
    }

    fn line(&self, fault: Fault) -> Option<&Proxy> {
        match fault {
            Fault::RedisLine(node, _) => self.cluster.nodes[node].to_redis.as_ref(),
            Fault::PostgresLine(node, _) => self.cluster.nodes[node].to_postgres.as_ref(),
            Fault::DoorLine(node, _) => self.doors.get(node),
            _ => None,
        }
    }

    fn gossip(&self, manners: Manners) {
        for gossip in self.cluster.nodes.iter().filter_map(|node| node.gossip.as_ref()) {
            gossip.behave(manners);
        }
    }

    async fn has_ended(&mut self, node: usize) {
        let (code, said) = self.cluster.nodes[node].ended_saying().await;
        if code != Some(0) {
            let last: Vec<&str> = said.lines().rev().take(LAST_LINES).collect();
            self.problems.push(format!(
                "node{} was told to stop and ended with {code:?}; from its last line back: {}",
                node + 1,
                last.join(" | ")
            ));
        }
    }

    /// As a release does it.
    async fn restart_all(&mut self, but: Option<usize>) {
        for node in (0..NODES).filter(|node| Some(*node) != but) {
            self.cluster.nodes[node].terminate().await;
            self.has_ended(node).await;
            self.nginx.until_ready(self.doors[node].address(), false);
            self.cluster.nodes[node].start().await;
            self.nginx.until_ready(self.doors[node].address(), true);
        }
    }

    /// All nodes serve, and nginx sends people to each.
    pub async fn is_whole(&self) {
        let observer = json!({ "username": "observer", "password": PASSWORD });
        for node in 0..NODES {
            let serves = async || {
                let signed_in = self.cluster.web(node).post("/login", "", observer.clone()).await;
                signed_in.status == 200 && self.cluster.ready(node).await == (200, vec![])
            };
            within(BACK, &format!("node{} serves", node + 1), serves).await;
            self.nginx.until_ready(self.doors[node].address(), true);
        }
    }

    /// Waits until the nodes have so many sockets, all together: nobody's is left from before.
    pub async fn has_sockets(&self, count: usize) {
        let what = format!("the nodes have {count} sockets");
        eventually(&what, async || {
            let mut sockets = 0.0;
            for node in &self.cluster.nodes {
                for dialect in ["v1", "seed"] {
                    sockets += node.metric(&format!("chorus_sockets{{dialect=\"{dialect}\"}}")).await;
                }
            }
            (sockets - count as f64).abs() < 0.5
        })
        .await;
    }
}

fn suffers(line: &Proxy, trouble: Trouble) {
    match trouble {
        Trouble::Cut => line.cut(),
        Trouble::Late(delay) => line.delay(delay),
        Trouble::Held => line.stall(),
        Trouble::Deaf => line.swallow(Direction::Up),
        Trouble::Dumb => line.swallow(Direction::Down),
    }
}
