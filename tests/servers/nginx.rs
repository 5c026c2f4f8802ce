//! Debian's nginx with this project's own files, in a temporary folder.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{Watch, free_port, signal};

/// How long it may take to start, to take something over or to end.
const LIMIT: Duration = Duration::from_mins(1);

/// Limits for the public out of the way: in a test everybody has one address.
pub const GENEROUS: [(&str, &str); 3] = [
    ("SIGN_IN_PER_MINUTE", "60000"),
    ("SIGN_IN_BURST", "1000"),
    ("MAX_SOCKETS_PER_ADDRESS", "0"),
];

/// Runs the entrypoint until standard input ends, then stops it. A shell that began without SIGHUP, as under
/// `nohup`, could not be told by it to read its list again.
const WATCH: &str = r#"
env --default-signal=HUP "$1/nginx/entrypoint" >"$NGINX_DIR/said" 2>&1 </dev/null & entrypoint=$!
echo $entrypoint >"$NGINX_DIR/entrypoint.pid"
cat >/dev/null
kill -TERM $entrypoint 2>/dev/null; wait $entrypoint
"#;

/// A running nginx.
pub struct Nginx {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    watch: Watch,
}

impl Nginx {
    /// One in front of these nodes, with these settings of the entrypoint besides.
    pub fn start(nodes: &[SocketAddr], settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("chorus-nginx-").tempdir().unwrap();
        // nginx started by root works as somebody else.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        write_nodes(folder.path(), nodes);
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "watch", env!("CARGO_MANIFEST_DIR")]).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin");
        command
            .env("NGINX_DIR", folder.path())
            .env("GATEWAY_NODES_FILE", folder.path().join("nodes"))
            .env("LISTEN", address.to_string())
            .env("WORKERS", "1")
            .env("WORKER_CONNECTIONS", "1024")
            .env("STOP_SECONDS", "1")
            .envs(settings.iter().copied());
        let nginx = Self { address, folder, watch: Watch::start(&mut command) };
        // The check of its configuration listens, too, for a moment.
        nginx.until("it serves", || {
            !nginx.workers().is_empty() && TcpStream::connect(address).is_ok()
        });
        nginx
    }

    /// From now on these are the nodes; returns when it goes by them.
    pub fn set_nodes(&self, nodes: &[SocketAddr]) {
        let before = self.workers();
        write_nodes(self.folder.path(), nodes);
        self.until_retired(&before);
    }

    /// Gives it a list of nodes that may be none.
    pub fn write_list(&self, list: &str) {
        write_list(self.folder.path(), list);
    }

    /// Sends these bytes and reads until it closes.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// Waits until it sends people to this node, or sends them there no more, as an orchestrator would.
    pub fn until_ready(&self, node: SocketAddr, ready: bool) {
        self.until("it has noticed how the node is", || {
            let said = self.said();
            let last = said.lines().rfind(|line| line.starts_with("nginx: nodes: "));
            last.is_some_and(|line| line.contains(&format!("{node} ready")) == ready)
        });
    }

    /// How often it was told of other nodes or of other states of them.
    pub fn changes(&self) -> usize {
        self.said().matches("nginx: nodes: ").count()
    }

    /// Makes it read its configuration again, and waits until that is done.
    pub fn reload(&self) {
        let before = self.workers();
        signal("-HUP", &[self.pid("entrypoint.pid")]);
        self.until_retired(&before);
    }

    /// Waits until others have taken over from these workers, which accept nothing more.
    pub fn until_retired(&self, before: &[String]) {
        let retired = |pid: &String| {
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            title.is_empty() || title.contains("shutting down")
        };
        self.until("new workers", || self.workers().iter().any(|pid| !before.contains(pid)));
        self.until("the old ones retire", || before.iter().all(retired));
    }

    /// The processes that serve, those of former configurations too.
    pub fn workers(&self) -> Vec<String> {
        let master = self.pid("nginx.pid");
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        children.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// Everything it printed: its own lines, the calls, the errors.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// All that lies in its folder, and what it said, as one text.
    pub fn everything_written(&self) -> String {
        let mut text = String::new();
        read_all(self.folder.path(), &mut text);
        text
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(
                began.elapsed() < LIMIT,
                "not within {LIMIT:?}: {what}; nginx said {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it as an operator does; how long that took.
    pub fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.watch.end();
        began.elapsed()
    }

    fn pid(&self, file: &str) -> String {
        let path: PathBuf = self.folder.path().join(file);
        fs::read_to_string(path).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_nodes(folder: &Path, nodes: &[SocketAddr]) {
    let lines: Vec<_> = nodes.iter().map(SocketAddr::to_string).collect();
    write_list(folder, &lines.join("\n"));
}

/// Whole or not at all: the entrypoint may be reading.
fn write_list(folder: &Path, list: &str) {
    fs::write(folder.join("nodes.new"), format!("{list}\n")).unwrap();
    fs::rename(folder.join("nodes.new"), folder.join("nodes")).unwrap();
}

fn read_all(place: &Path, text: &mut String) {
    for entry in fs::read_dir(place).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            read_all(&path, text);
        } else if kind.is_file() {
            text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
        }
    }
}
