//! One node of the scene: the built program, what stands between it and its servers, and what may
//! be done to it. Started again it has the same port and the same settings.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use reqwest::Method;

use crate::{
    common::{
        program::{Program, built, command, run},
        web::Web,
    },
    harness::{gossip::Gossip, proxy::Proxy},
    servers::free_port,
};

pub struct NodeProcess {
    number: usize,
    /// Which program it runs.
    build: PathBuf,
    pub(super) settings: Vec<(String, String)>,
    dir: tempfile::TempDir,
    program: Option<Program>,
    address: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    /// Between it and PostgreSQL.
    pub to_postgres: Option<Proxy>,
    /// Between it and Redis.
    pub to_redis: Option<Proxy>,
    /// Before that one, as the node sees it.
    pub gossip: Option<Gossip>,
}

impl NodeProcess {
    pub(super) fn new(number: usize, to_postgres: Option<Proxy>) -> Self {
        Self {
            number,
            build: built().to_owned(),
            settings: vec![],
            dir: tempfile::tempdir().unwrap(),
            program: None,
            address: None,
            metrics: None,
            to_postgres,
            to_redis: None,
            gossip: None,
        }
    }

    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// Where it listens, or did.
    pub const fn address(&self) -> SocketAddr {
        self.address.expect("it was started")
    }

    /// Where its operator asks it, or did.
    pub const fn metrics(&self) -> SocketAddr {
        self.metrics.expect("it was started")
    }

    /// The value of a metric without labels; 0 while there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let request = Web::of(self.metrics()).request(Method::GET, "/metrics", "");
        let told = request.send().await.expect("an answer").text().await.unwrap();
        let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    pub const fn runs(&self) -> bool {
        self.program.is_some()
    }

    /// From its next start on it runs this program.
    pub fn becomes(&mut self, build: &Path) {
        build.clone_into(&mut self.build);
    }

    /// From its next start on it has this setting; empty is none.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it, where it was before, and waits until it is ready.
    pub async fn start(&mut self) {
        assert!(!self.runs(), "{} runs", self.name());
        let (port, metrics) = (port(self.address), port(self.metrics));
        let mut settings = vec![("PORT", port.as_str()), ("METRICS_PORT", &metrics)];
        let defaults = [("MESSAGE_LIMIT", "10000"), ("MAX_SOCKETS_PER_ADDRESS", "100000")];
        settings.extend(defaults);
        settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut program = Program::of(command(&self.build, self.dir.path(), &settings));
        let (address, metrics) = program.ready().await;
        (self.program, self.address, self.metrics) = (Some(program), Some(address), Some(metrics));
    }

    const fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.program.take().expect("it runs").kill().await;
    }

    /// SIGTERM, and waits until it has ended by itself: its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.terminate().await;
        self.ended().await
    }

    /// SIGTERM; nothing is awaited.
    pub async fn terminate(&self) {
        self.program().terminate().await;
    }

    /// Waits until it has ended by itself: its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        self.ended_saying().await.0
    }

    /// The same, and all that it said.
    pub async fn ended_saying(&mut self) -> (Option<i32>, String) {
        self.program.take().expect("it runs").ended().await
    }

    /// Stops the process as it is.
    pub async fn freeze(&self) {
        self.program().signal("-STOP").await;
    }

    /// Lets it go on.
    pub async fn thaw(&self) {
        self.program().signal("-CONT").await;
    }

    /// Runs a command of the program with its settings, to its end: what it prints.
    pub async fn command(&self, dir: &Path, arguments: &[&str]) -> String {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let output = run(dir, &settings, arguments, "").await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The number of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.program.as_ref().map(Program::id)
    }

    /// Bytes of memory that it has (its resident set).
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program().id())).unwrap();
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        kilobytes.expect("Linux tells it").parse::<u64>().unwrap() * 1024
    }

    /// Everything it said so far.
    pub fn said(&self) -> String {
        self.program().said()
    }
}

/// The port it had, or one that it finds free again.
fn port(address: Option<SocketAddr>) -> String {
    address.map_or_else(free_port, |address| address.port()).to_string()
}
