//! Servers of the tests' own, on free ports of loopback. Each ends with the process that started it,
//! however that ends: a small shell watches a pipe that only the starter holds open. Nothing is
//! installed, and no other server is touched.
#![allow(dead_code, unreachable_pub, reason = "each suite uses its own part of them")]

pub mod kafka;
pub mod nginx;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;

use std::{
    net::TcpListener,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// Ports below those that the system gives to outgoing connections: who comes back on the same one
/// finds it free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that nobody has, and that this process was not given before.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Suites that run beside each other begin at different places.
    let first = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(count)).unwrap_or_default();
    let next = || PORTS.start + (first + NEXT.fetch_add(1, Ordering::Relaxed) % count) % count;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..count).map(|_| next()).find(free).expect("a free port")
}

/// What `openssl` must do for a server of `localhost` that its own authority (`ca.crt`) vouches for:
/// shell commands for the folder where `server.key` and `server.crt` shall be.
pub const CERTIFY: [&str; 3] = [
    "openssl req -newkey rsa:2048 -nodes -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
    "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key -out asked",
    "openssl x509 -req -days 2 -in asked -CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy -out server.crt",
];

/// Runs a command that must succeed; answers what it prints.
pub fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Sends a signal to processes, some of which may be gone.
fn signal(signal: &str, processes: &[String]) {
    let _ = Command::new("kill").arg(signal).args(processes).stderr(Stdio::null()).status();
}

/// The shell that runs a server until its input ends.
struct Watch {
    shell: Child,
    /// Closing it ends the server.
    hold: Option<ChildStdin>,
}

impl Watch {
    fn start(command: &mut Command) -> Self {
        let mut shell = command.stdin(Stdio::piped()).spawn().unwrap();
        let hold = shell.stdin.take();
        Self { shell, hold }
    }

    /// Ends the server, and waits for that.
    fn end(&mut self) {
        drop(self.hold.take());
        let _ = self.shell.wait();
    }

    /// Ends the shell alone, before it removes what the server has left behind.
    fn leave(mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
