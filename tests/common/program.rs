//! The built program as a process of its own, killed when dropped.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use super::LIMIT;

/// With a database server every node needs the same secret, so it must be given.
pub const JWT_SECRET: &str = "a secret of more than thirty-two bytes";

/// A running `chorus`.
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    heard: watch::Receiver<usize>,
}

/// The program as it was built with these tests.
pub fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chorus"))
}

/// A program with nothing of this environment, free ports, cheap hashes and these settings.
pub fn command(program: &Path, dir: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(dir)
        .env("DATA_DIR", dir)
        .env("PORT", "0")
        .env("METRICS_PORT", "0")
        .env("BCRYPT_COST", "4")
        .env("RATE_LIMIT_PER_HOUR", "100000")
        .env("API_LIMIT_PER_MINUTE", "100000")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command of the program to its end, giving it this input.
pub async fn run(dir: &Path, settings: &[(&str, &str)], args: &[&str], input: &str) -> Output {
    let mut command = command(built(), dir, settings);
    let mut child = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
    // A program that has already said no reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    timeout(LIMIT, child.wait_with_output()).await.expect("it ends in time").unwrap()
}

impl Program {
    pub fn spawn(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::of(command(built(), dir, settings))
    }

    /// One that is run by this command.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (told, heard) = watch::channel(0);
        let told = Arc::new(told);
        listen(child.stdout.take().unwrap(), lines.clone(), told.clone());
        listen(child.stderr.take().unwrap(), lines.clone(), told);
        Self { child, lines, heard }
    }

    /// Starts and waits until it is ready: the program, its address, its metrics' address.
    pub async fn start(dir: &Path, settings: &[(&str, &str)]) -> (Self, SocketAddr, SocketAddr) {
        let mut program = Self::spawn(dir, settings);
        let (address, metrics) = program.ready().await;
        (program, address, metrics)
    }

    /// Waits for the line that says where it listens, in either form that lines have.
    pub async fn ready(&mut self) -> (SocketAddr, SocketAddr) {
        let tells = |line: &str| line.contains(" address=") || line.contains("\"address\":");
        let line = self.line(|line| line.contains("ready") && tells(line)).await;
        let after = |name: &str| {
            let rest = line.split_once(name).expect("the field").1;
            let rest = rest.trim_start_matches(['=', '"', ':']).trim_start_matches("Some(");
            let end = rest.find([' ', ')', '"']).unwrap_or(rest.len());
            rest[..end].parse().expect("an address")
        };
        (after("address"), after("metrics"))
    }

    /// The first line that fits, now or later.
    pub async fn line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        let found = async {
            loop {
                self.heard.borrow_and_update();
                let found = self.lines.lock().unwrap().iter().find(|line| fits(line)).cloned();
                if let Some(line) = found {
                    return line;
                }
                assert!(
                    self.heard.changed().await.is_ok(),
                    "it ended: {:#?}",
                    self.lines.lock().unwrap()
                );
            }
        };
        let found = timeout(LIMIT, found).await;
        found.unwrap_or_else(|_| panic!("no such line: {:#?}", self.lines.lock().unwrap()))
    }

    /// Everything it said so far.
    pub fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// `kill -9`: nothing is written, nobody is told.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM to this process alone.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Any signal to this process alone.
    pub async fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Its exit code and all it said, when it has ended by itself.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let status = timeout(LIMIT, self.child.wait()).await.expect("it ends in time").unwrap();
        while self.heard.changed().await.is_ok() {}
        (status.code(), self.said())
    }
}

/// Writes down what a process says.
fn listen(
    stream: impl AsyncRead + Send + Unpin + 'static,
    lines: Arc<Mutex<Vec<String>>>,
    told: Arc<watch::Sender<usize>>,
) {
    let mut read = BufReader::new(stream).lines();
    let reading = async move {
        while let Ok(Some(line)) = read.next_line().await {
            lines.lock().unwrap().push(line);
            told.send_modify(|count| *count += 1);
        }
    };
    tokio::runtime::Handle::current().spawn(reading);
}
