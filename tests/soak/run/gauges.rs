//! What the chat uses, looked at every few seconds: of each node memory, descriptors, tasks and sockets, of
//! Redis keys and memory, of PostgreSQL the nodes' connections. What can't be asked because it is killed or
//! stands still is left out.

use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_postgres::NoTls;

use super::stage::Stage;
use crate::harness::{beside, record::Clock};

const EVERY: Duration = Duration::from_secs(3);
/// How long anything may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Sessions of nodes.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chorus'";

/// One look at all of it. Figures are floating, for slopes and pictures.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// In seconds from the beginning.
    pub at: f64,
    /// Everybody was there and silent, and everything had arrived.
    pub calm: bool,
    pub nodes: Vec<Option<OfNode>>,
    pub redis: Option<OfRedis>,
    /// Sessions at PostgreSQL.
    pub sessions: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfNode {
    /// The number of the process: another one is another line.
    pub process: u32,
    /// In bytes.
    pub memory: f64,
    pub descriptors: f64,
    pub threads: f64,
    pub told: Option<Told>,
}

/// What the node says itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    pub sockets: f64,
    /// Programs of before this metric say nothing of it.
    pub tasks: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfRedis {
    pub keys: f64,
    /// In bytes.
    pub memory: f64,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
struct Places {
    nodes: Vec<(Option<u32>, SocketAddr)>,
    redis: u16,
    postgres: String,
}

/// All looks so far. Clones are handles.
#[derive(Clone)]
pub struct Gauges {
    clock: Clock,
    http: reqwest::Client,
    places: Arc<Mutex<Places>>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Gauges {
    pub fn of(stage: &Stage) -> Self {
        let gauges = Self {
            clock: stage.cluster.clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            places: Arc::default(),
            samples: Arc::default(),
        };
        gauges.follow(stage);
        gauges
    }

    /// From now on it looks at these processes.
    pub fn follow(&self, stage: &Stage) {
        let cluster = &stage.cluster;
        *self.places.lock().unwrap() = Places {
            nodes: cluster.nodes.iter().map(|node| (node.id(), node.metrics())).collect(),
            redis: cluster.redis().port(),
            postgres: cluster.postgres.url(&cluster.database),
        };
    }

    /// Looks again and again, until this is aborted.
    pub fn watch(&self) -> tokio::task::JoinHandle<()> {
        let gauges = self.clone();
        beside(async move {
            loop {
                gauges.look(false).await;
                sleep(EVERY).await;
            }
        })
    }

    /// Looks once.
    pub async fn look(&self, calm: bool) -> Sample {
        let places = self.places.lock().unwrap().clone();
        let nodes = places.nodes.iter().map(|(process, metrics)| self.node(*process, *metrics));
        let (nodes, redis, sessions) = tokio::join!(
            futures_util::future::join_all(nodes),
            redis(places.redis),
            sessions(&places.postgres),
        );
        let at = self.clock.now().as_secs_f64();
        let sample = Sample { at, calm, nodes, redis, sessions };
        self.samples.lock().unwrap().push(sample.clone());
        sample
    }

    pub fn so_far(&self) -> Vec<Sample> {
        self.samples.lock().unwrap().clone()
    }

    async fn node(&self, process: Option<u32>, metrics: SocketAddr) -> Option<OfNode> {
        let process = process?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        let answer = self.http.get(format!("http://{metrics}/metrics")).timeout(PATIENCE).send().await;
        let text = match answer {
            Ok(answer) => answer.text().await.ok(),
            Err(_) => None,
        };
        Some(OfNode {
            process,
            memory: field("VmRSS:")? * 1024.0,
            descriptors: descriptors as f64,
            threads: field("Threads:")?,
            told: text.map(|text| Told::read(&text)),
        })
    }
}

impl Told {
    fn read(text: &str) -> Self {
        let values = |name: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        };
        Self {
            sockets: values("chorus_sockets{").sum(),
            tasks: values("chorus_tasks ").next(),
        }
    }
}

/// Asks in the protocol that is for people at a terminal.
async fn redis(port: u16) -> Option<OfRedis> {
    let asked = async {
        let mut line = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        line.write_all(b"DBSIZE\r\nINFO memory\r\nQUIT\r\n").await.ok()?;
        let mut text = String::new();
        line.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    let text = timeout(PATIENCE, asked).await.ok()??;
    let value = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)?.trim().parse().ok());
    Some(OfRedis { keys: value(":")?, memory: value("used_memory:")? })
}

async fn sessions(url: &str) -> Option<f64> {
    let asked = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
        let counting = async {
            let row = client.query_one(SESSIONS, &[]).await.ok()?;
            Some(row.get::<_, i64>(0) as f64)
        };
        // The connection ends with this.
        tokio::select! {
            count = counting => count,
            _ = connection => None,
        }
    };
    timeout(PATIENCE, asked).await.ok()?
}

#[test]
fn a_node_s_own_words_are_read() {
    let text = "# HELP chorus_sockets Open\nchorus_sockets{dialect=\"v1\"} 4\nchorus_sockets{dialect=\"seed\"} 2\n\
                chorus_sockets_closed_total{cause=\"left\"} 9\nchorus_tasks 61\n";
    assert_eq!(Told::read(text), Told { sockets: 6.0, tasks: Some(61.0) });
    assert_eq!(Told::read(""), Told { sockets: 0.0, tasks: None });
}
