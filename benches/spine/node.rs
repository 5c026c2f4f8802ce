//! The built binary in a process of its own, and what the kernel says about it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{LIMIT, Outcome, kernel};

/// Ports that the kernel chooses.
const PORTS: [(&str, &str); 2] = [("PORT", "0"), ("METRICS_PORT", "0")];

/// Settings that keep limits made for the public out of the way. All others have their defaults.
pub(crate) const SETTINGS: [(&str, &str); 6] = [
    ("BCRYPT_COST", "4"),
    ("RATE_LIMIT_PER_HOUR", "10000000"),
    ("API_LIMIT_PER_MINUTE", "10000000"),
    ("MESSAGE_LIMIT", "100000"),
    ("MAX_SOCKETS_PER_ADDRESS", "1000000"),
    ("MAX_SOCKETS_PER_USER", "1000000"),
];

/// `CHORUS_BIN`, or the binary that was built with this benchmark.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CHORUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_chorus").into(), PathBuf::from)
}

/// A folder on the disk that is built on: the temporary folder may be in memory, where a sync
/// costs nothing.
pub(crate) fn folder() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// A process that ends with this value.
pub(crate) struct Process {
    child: Child,
    /// Whether it is asked to end before it is made to: it has processes of its own to stop.
    asked: bool,
}

impl Process {
    /// Starts it, whatever it says.
    pub(crate) fn spawn(command: &mut Command) -> Outcome<Self> {
        Ok(Self { child: command.stdin(Stdio::null()).spawn()?, asked: false })
    }

    /// Starts it and waits for the first line on its standard output that `reads`.
    pub(crate) fn start<T: Send + 'static>(
        command: &mut Command,
        limit: Duration,
        mut reads: impl FnMut(&str) -> Option<T> + Send + 'static,
    ) -> Outcome<(Self, T)> {
        let mut process = Self::spawn(command.stdout(Stdio::piped()))?;
        let output = process.child.stdout.take().ok_or("no output")?;
        let (told, hears) = mpsc::channel();
        // Ends with the process; a full pipe would stop it.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(read) = reads(&line) {
                    let _ = told.send(read);
                }
            }
        });
        let read = hears.recv_timeout(limit).map_err(|_| "it did not start")?;
        Ok((process, read))
    }

    /// The same, but SIGTERM comes first when it is to end, and a limit for its answer.
    pub(crate) const fn asked_to_end(mut self) -> Self {
        self.asked = true;
        self
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in bytes.
    pub(crate) fn rss(&self) -> Outcome<f64> {
        kernel::rss(self.id())
    }

    fn end_by_itself(&mut self) {
        let Ok(id) = self.id().try_into() else { return };
        if kill(Pid::from_raw(id), Signal::SIGTERM).is_err() {
            return;
        }
        let began = Instant::now();
        while began.elapsed() < LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.asked {
            self.end_by_itself();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that is ready.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From its spawn until `GET /ready` said 200.
    pub(crate) start: Duration,
}

impl Node {
    /// Starts one on this folder.
    pub(crate) fn start(data_dir: &Path, more: &[(&str, &str)]) -> Outcome<Self> {
        Self::by(Command::new(binary()), data_dir, more)
    }

    /// The same on one core of the machine, which is all that it sees.
    pub(crate) fn on_core(core: usize, data_dir: &Path, more: &[(&str, &str)]) -> Outcome<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string()]).arg(binary());
        Self::by(command, data_dir, more)
    }

    fn by(mut command: Command, data_dir: &Path, more: &[(&str, &str)]) -> Outcome<Self> {
        command
            .current_dir(data_dir)
            .env_clear()
            .envs(PORTS)
            .envs(SETTINGS)
            .env("DATA_DIR", data_dir)
            .envs(more.iter().copied());
        let began = Instant::now();
        let (process, port) = Process::start(&mut command, LIMIT, port)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        ready(address)?;
        Ok(Self { process, address, start: began.elapsed() })
    }
}

/// The port in the line that a node prints for whoever started it.
fn port(line: &str) -> Option<u16> {
    line.strip_prefix("Chorus is at http://localhost:")?.parse().ok()
}

/// Asks until the answer is 200.
fn ready(node: SocketAddr) -> Outcome {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        let mut stream = TcpStream::connect_timeout(&node, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("the node does not become ready".into())
}
