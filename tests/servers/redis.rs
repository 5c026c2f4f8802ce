//! Private Redis servers: one alone, a Redis Cluster of six, and three Sentinels with a primary and a
//! replica. Nothing is kept unless a test says so.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{CERTIFY, Watch, free_port, output_of, signal};

/// How long anything may take to start, to end, or to agree.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs the server as a child until standard input ends, then ends it and removes its folder.
/// `$1` is the folder, the rest the command.
const WATCH: &str = r#"
exec 2>/dev/null; folder=$1; shift
"$@" >>"$folder/log" 2>&1 </dev/null & server=$!
echo $server >"$folder/pid"
cat >/dev/null
kill -KILL $server 2>/dev/null
wait $server; rm -rf "$folder"
"#;

/// How long a node of a Redis Cluster may be silent before the others replace it, in milliseconds.
const NODE_TIMEOUT: &str = "1500";

/// A running server.
pub struct Redis {
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    sentinel: bool,
    running: Mutex<Option<Watch>>,
}

impl Redis {
    /// A server that keeps nothing.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with more settings, as arguments: `--maxmemory`, `10mb`.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_on(free_port(), settings)
    }

    fn start_on(port: u16, settings: &[&str]) -> Self {
        let server = Self::new(port, settings, false);
        server.run();
        server
    }

    fn new(port: u16, settings: &[&str], sentinel: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("chorus-redis-").tempdir().unwrap().keep();
        let settings = settings.iter().map(ToString::to_string).collect();
        Self { folder, port, settings, sentinel, running: Mutex::default() }
    }

    /// One that speaks TLS alone on a second port, under a name of `localhost`: the server, its URL,
    /// and the authority that vouches for it.
    pub fn start_with_tls() -> (Self, String, PathBuf) {
        let mut server = Self::new(free_port(), &[], false);
        for command in CERTIFY {
            output_of(Command::new("sh").args(["-c", command]).current_dir(&server.folder));
        }
        let port = free_port().to_string();
        let file = |name: &str| server.folder.join(name).display().to_string();
        let settings = [
            ("--tls-port", port.clone()),
            ("--tls-cert-file", file("server.crt")),
            ("--tls-key-file", file("server.key")),
            ("--tls-ca-cert-file", file("ca.crt")),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        server.settings = settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        let authority = server.folder.join("ca.crt");
        server.run();
        (server, format!("rediss://localhost:{port}"), authority)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command and answers what `redis-cli` prints.
    pub fn cli(&self, command: &[&str]) -> String {
        output_of(&mut self.ask(command))
    }

    fn ask(&self, command: &[&str]) -> Command {
        let port = self.port.to_string();
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &port]).args(command).stdin(Stdio::null());
        cli
    }

    /// How often each command was called, by its lower-case name: `evalsha`, `publish`.
    pub fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        let stats = self.cli(&["INFO", "commandstats"]);
        let line = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        };
        stats.lines().filter_map(line).collect()
    }

    /// Cuts the connections that hear, and no others.
    pub fn kill_subscribers(&self) {
        self.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }

    /// Stops it as it is.
    pub fn freeze(&self) {
        signal("-STOP", &[self.pid()]);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal("-CONT", &[self.pid()]);
    }

    /// Ends it at once; nothing of what it held is kept.
    pub fn kill(&self) {
        let pid = self.pid();
        let Some(was) = self.running.lock().unwrap().take() else { return };
        was.leave();
        signal("-KILL", std::slice::from_ref(&pid));
        until("it ends", || Path::new("/proc").join(&pid).join("exe").read_link().is_err());
    }

    /// Starts it again on the same port.
    pub fn restart(&self) {
        self.run();
    }

    fn run(&self) {
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "watch"]).arg(&self.folder).arg("redis-server");
        let port = self.port.to_string();
        if self.sentinel {
            command.arg(self.folder.join("sentinel.conf")).arg("--sentinel");
        } else {
            command.args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ]);
            command.arg("--dir").arg(&self.folder).args(&self.settings);
        }
        // A group of its own: Ctrl+C of the tests is for the tests.
        *self.running.lock().unwrap() = Some(Watch::start(command.process_group(0)));
        let answers = || self.ask(&["PING"]).output().unwrap().stdout.starts_with(b"PONG");
        let began = Instant::now();
        while !answers() {
            assert!(began.elapsed() < LIMIT, "Redis does not start: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn pid(&self) -> String {
        fs::read_to_string(self.folder.join("pid")).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            running.end();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A Redis Cluster: three masters, each with a replica.
pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    pub fn start() -> Self {
        let settings = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            NODE_TIMEOUT,
            "--repl-diskless-sync-delay",
            "0",
        ];
        let nodes: Vec<Redis> = (0..6).map(|_| Redis::start_on(free_cluster_port(), &settings)).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut create: Vec<&str> = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        nodes[0].cli(&create);
        let cluster = Self { nodes };
        until("all of it agrees", || cluster.is_whole());
        cluster
    }

    /// Its URL: every node's address.
    pub fn url(&self) -> String {
        let others = self.nodes[1..].iter().map(|node| format!("node=127.0.0.1:{}", node.port));
        let others: Vec<String> = others.collect();
        format!("redis-cluster://127.0.0.1:{}?{}", self.nodes[0].port, others.join("&"))
    }

    /// The master of a key, by asking one that lives.
    pub fn master_of(&self, key: &str) -> &Redis {
        let any = self.nodes.iter().find(|node| node.running.lock().unwrap().is_some()).unwrap();
        let slot: u32 = any.cli(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        let serves = |node: &Redis| {
            let nodes = node.cli(&["CLUSTER", "NODES"]);
            let mine = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
            mine.split_whitespace().skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let bounds = (from.parse::<u32>(), to.parse::<u32>());
                matches!(bounds, (Ok(from), Ok(to)) if (from..=to).contains(&slot))
            })
        };
        let living = self.nodes.iter().filter(|node| node.running.lock().unwrap().is_some());
        living.into_iter().find(|node| serves(node)).expect("somebody serves it")
    }

    /// Moves the slot of a key to another master, empty keys and all.
    pub fn move_slot_of(&self, key: &str) {
        let from = self.master_of(key);
        let slot = from.cli(&["CLUSTER", "KEYSLOT", key]);
        let nodes = from.cli(&["CLUSTER", "NODES"]);
        let ids: Vec<(&str, bool)> = nodes
            .lines()
            .filter(|line| line.contains("master") && !line.contains("fail"))
            .filter_map(|line| Some((line.split_whitespace().next()?, line.contains("myself"))))
            .collect();
        let source = ids.iter().find(|(_, mine)| *mine).unwrap().0;
        let target = ids.iter().find(|(_, mine)| !mine).unwrap().0;
        let id = |node: &Redis| node.cli(&["CLUSTER", "MYID"]);
        let to = self.nodes.iter().find(|node| id(node) == target).unwrap();
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", source]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", target]);
        let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]);
        let port = to.port.to_string();
        for key in keys.lines().filter(|key| !key.is_empty()) {
            from.cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        }
        to.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", target]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", target]);
    }

    fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| {
            let nodes = node.cli(&["CLUSTER", "NODES"]);
            let replicas = nodes.lines().filter(|line| line.contains("slave")).count();
            let info = node.cli(&["CLUSTER", "INFO"]);
            let synced = node.cli(&["INFO", "replication"]);
            let linked = !synced.contains("role:slave") || synced.contains("master_link_status:up");
            info.contains("cluster_state:ok") && replicas == 3 && linked
        })
    }
}

/// A primary and a replica, watched by three Sentinels.
pub struct Sentinels {
    pub servers: Vec<Redis>,
    pub sentinels: Vec<Redis>,
}

impl Sentinels {
    pub fn start() -> Self {
        let primary = Redis::start();
        let port = primary.port.to_string();
        let follow = [
            "--replicaof",
            &format!("127.0.0.1 {port}"),
            "--repl-diskless-sync-delay",
            "0",
        ];
        let replica = Redis::start_with(&follow);
        until("it follows", || {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let sentinels: Vec<Redis> = (0..3)
            .map(|_| {
                let sentinel = Redis::new(free_port(), &[], true);
                let settings = format!(
                    "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {port} 2\n\
                     sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
                    sentinel.port,
                    sentinel.folder.display()
                );
                fs::write(sentinel.folder.join("sentinel.conf"), settings).unwrap();
                sentinel.run();
                sentinel
            })
            .collect();
        let all = Self { servers: vec![primary, replica], sentinels };
        until("they know each other", || {
            all.sentinels.iter().all(|sentinel| {
                let info = sentinel.cli(&["INFO", "sentinel"]);
                info.contains("status=ok") && info.contains("slaves=1") && info.contains("sentinels=3")
            })
        });
        all
    }

    /// The URL: every Sentinel's address.
    pub fn url(&self) -> String {
        let others = self.sentinels[1..].iter().map(|sentinel| format!("&node=127.0.0.1:{}", sentinel.port));
        let others: String = others.collect();
        format!(
            "redis-sentinel://127.0.0.1:{}?sentinelServiceName=main{others}",
            self.sentinels[0].port
        )
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A node of a Redis Cluster listens on its port and on the one 10,000 above.
fn free_cluster_port() -> u16 {
    let fits = |port: &u16| TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok();
    (0..1000).map(|_| free_port()).find(fits).expect("two free ports")
}
