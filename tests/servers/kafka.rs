//! A Kafka of the tests' own: the cluster that librdkafka tests itself with, which speaks the real protocol and can be
//! told to fail. What it was given it keeps in memory, also while its brokers are down. `kafka.py` runs it.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use super::{CERTIFY, free_port, output_of};

/// Kafka's number of the question by which messages are given.
pub const PRODUCE: u16 = 0;

/// Codes of brokers.
pub mod codes {
    pub const UNKNOWN_TOPIC: u16 = 3;
    pub const NOT_LEADER: u16 = 6;
    pub const TIMED_OUT: u16 = 7;
    pub const TOO_LARGE: u16 = 10;
    pub const NOT_ENOUGH_REPLICAS: u16 = 19;
    pub const NOT_ALLOWED: u16 = 29;
    pub const UNKNOWN_PRODUCER: u16 = 59;
}

/// A program of `kafka.py`, that ends when it is dropped.
pub struct Script {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Script {
    fn start(arguments: &[&str]) -> Self {
        let mut child = python()
            .arg(script())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (ask, answer) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, ask, answer: BufReader::new(answer) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answer.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it has ended; its standard error says why");
        line.trim().to_owned()
    }

    fn does(&mut self, command: &str) {
        writeln!(self.ask, "{command}").unwrap();
        assert_eq!(self.line(), "done", "{command}");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where its commands are told.
pub fn script() -> PathBuf {
    below("tests/servers/kafka.py")
}

/// The interpreter that has what it needs.
pub fn interpreter() -> PathBuf {
    let python = below("target/brokers/bin/python");
    assert!(
        python.exists(),
        "`./scripts/test cluster` installs what a Kafka for tests needs: {}",
        python.display()
    );
    python
}

fn python() -> Command {
    Command::new(interpreter())
}

/// A running cluster.
pub struct Kafka {
    script: Mutex<Script>,
    ports: Vec<u16>,
}

impl Kafka {
    /// One of so many brokers (their numbers begin with 1), and without topics.
    pub fn start(brokers: usize) -> Self {
        let mut script = Script::start(&["cluster", &brokers.to_string()]);
        let ports = script
            .line()
            .split(',')
            .map(|place| place.rsplit_once(':').unwrap().1.parse().unwrap())
            .collect();
        Self { script: Mutex::new(script), ports }
    }

    /// Where its brokers are.
    pub fn brokers(&self) -> String {
        let places: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        places.join(",")
    }

    /// The port of a broker.
    pub fn port(&self, broker: usize) -> u16 {
        self.ports[broker - 1]
    }

    fn does(&self, command: &str) {
        self.script.lock().unwrap().does(command);
    }

    /// Makes a topic, of which each broker has everything.
    pub fn topic(&self, name: &str, partitions: usize) {
        self.does(&format!("topic {name} {partitions} {}", self.ports.len()));
    }

    /// From now on the topic has this error; 0: none.
    pub fn topic_fails(&self, name: &str, code: u16) {
        self.does(&format!("topic_fails {name} {code}"));
    }

    /// The next questions of this kind are answered by these codes, one each.
    pub fn fails(&self, question: u16, code: u16, times: usize) {
        self.does(&format!("fails {question}{}", format!(" {code}").repeat(times)));
    }

    /// Questions of this kind are answered as they should be.
    pub fn fails_no_more(&self, question: u16) {
        self.does(&format!("fails_no_more {question}"));
    }

    /// A broker leads a partition.
    pub fn leads(&self, topic: &str, partition: usize, broker: usize) {
        self.does(&format!("leads {topic} {partition} {broker}"));
    }

    /// All lines to a broker break, and it takes no new ones.
    pub fn down(&self, broker: usize) {
        self.does(&format!("down {broker}"));
    }

    /// It is there again.
    pub fn up(&self, broker: usize) {
        self.does(&format!("up {broker}"));
    }

    /// A broker says that it is at this port.
    pub fn listens(&self, broker: usize, port: u16) {
        self.does(&format!("listens {broker} {port}"));
    }
}

/// Doors to the brokers of a cluster, with the rule about a producer's sequences that it does not keep itself.
pub struct Counts {
    script: Mutex<Script>,
    ports: Vec<u16>,
}

impl Counts {
    /// One for each broker.
    pub fn before(kafka: &Kafka) -> Self {
        let targets: Vec<String> = kafka.ports.iter().map(u16::to_string).collect();
        let arguments: Vec<&str> =
            std::iter::once("counts").chain(targets.iter().map(String::as_str)).collect();
        let mut script = Script::start(&arguments);
        let ports = script.line().split(',').map(|port| port.parse().unwrap()).collect();
        Self { script: Mutex::new(script), ports }
    }

    /// The port of a broker's door.
    pub fn port(&self, broker: usize) -> u16 {
        self.ports[broker - 1]
    }

    /// How many lots with a sequence were taken, and how many of them with one that a Kafka refuses.
    pub fn counted(&self) -> (u32, u32) {
        let mut script = self.script.lock().unwrap();
        writeln!(script.ask, "counted").unwrap();
        let line = script.line();
        let (taken, wrong) = line.split_once(' ').unwrap();
        (taken.parse().unwrap(), wrong.parse().unwrap())
    }
}

/// TLS and a sign-in before a broker.
pub struct Front {
    _script: Script,
    port: u16,
    folder: tempfile::TempDir,
}

impl Front {
    /// What this broker says to be from now on. Its certificate is one of `localhost` and its address.
    pub fn before(kafka: &Kafka, broker: usize, mechanism: &str, user: &str, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for command in CERTIFY {
            let named = command.replace("DNS:localhost", "DNS:localhost,IP:127.0.0.1");
            output_of(Command::new("sh").args(["-c", &named]).current_dir(folder.path()));
        }
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (port, target) = (free_port(), kafka.port(broker).to_string());
        let (certificate, key, listen) = (file("server.crt"), file("server.key"), port.to_string());
        let arguments = [
            "front",
            &listen,
            &target,
            mechanism,
            user,
            password,
            &certificate,
            &key,
        ];
        let mut script = Script::start(&arguments);
        assert_eq!(script.line(), "listens");
        kafka.listens(broker, port);
        Self { _script: script, port, folder }
    }

    /// Where it is.
    pub fn brokers(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The authority that vouches for it.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }
}
