//! A private PostgreSQL: a cluster of its own in a temporary folder.

use std::{
    fs,
    io::Read,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{CERTIFY, Watch, free_port, output_of, signal};

/// How long a server may take to start or to end.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs the server as a child until standard input ends, then ends it and removes its folder.
/// `$1` is the folder, the rest the command.
const WATCH: &str = r#"
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null & server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null; kill -CONT -- -$server $server 2>/dev/null
wait $server; rm -rf "$folder"
"#;

/// A running server.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
    fast: bool,
    running: Mutex<Option<Watch>>,
    databases: AtomicU32,
}

impl Postgres {
    /// A server that loses nothing, as in production.
    pub fn start() -> Self {
        Self::begin(false, None)
    }

    /// One that does not sync to disk, for tests that don't kill it.
    pub fn start_fast() -> Self {
        Self::begin(true, None)
    }

    /// A streaming replica of another one.
    pub fn start_replica(of: &Self) -> Self {
        Self::begin(true, Some(of))
    }

    fn begin(fast: bool, replica_of: Option<&Self>) -> Self {
        let folder = tempfile::Builder::new().prefix("chorus-pg-").tempdir().unwrap().keep();
        let user = unprivileged(&folder);
        let server = Self {
            folder,
            port: free_port(),
            user,
            fast,
            running: Mutex::default(),
            databases: AtomicU32::default(),
        };
        match replica_of {
            None => {
                let data = server.data();
                let args = [
                    "-D",
                    &data,
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "-N",
                ];
                server.finish("initdb", &args);
            }
            Some(primary) => {
                let (data, port) = (server.data(), primary.port.to_string());
                let from = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
                server
                    .finish("pg_basebackup", &[&["-D", &data, "-R", "-c", "fast", "-N"], &from[..]].concat());
            }
        }
        server.run();
        server
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Makes a fresh database, empty or a copy of another one, and answers its name.
    pub fn create_database(&self, template: Option<&str>) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        name
    }

    /// Runs SQL in a database and answers what it prints, unaligned and without headings.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        let port = self.port.to_string();
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database]);
        output_of(psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]))
    }

    /// All of a database in SQL's words.
    pub fn dump_as_text(&self, database: &str) -> String {
        let port = self.port.to_string();
        output_of(self.program("pg_dump").args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-d",
            database,
        ]))
    }

    /// A copy of a database as `pg_dump` makes it while others work in it: the file.
    pub fn dump(&self, database: &str) -> PathBuf {
        let file = self.folder.join(format!("{database}.dump"));
        let (port, target) = (self.port.to_string(), file.display().to_string());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database];
        self.finish("pg_dump", &[&["-Fc", "-f", &target], &from[..]].concat());
        file
    }

    /// Puts such a copy into a fresh database, and answers its name.
    pub fn restore(&self, file: &Path) -> String {
        let database = self.create_database(None);
        let (port, source) = (self.port.to_string(), file.display().to_string());
        let to = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", &database];
        self.finish("pg_restore", &[&["--exit-on-error", &source], &to[..]].concat());
        database
    }

    /// From now on it speaks TLS, under a name of `localhost`; answers the authority that vouches
    /// for it.
    pub fn enable_tls(&self) -> PathBuf {
        for command in CERTIFY.into_iter().chain(["chmod 600 server.key"]) {
            output_of(self.program("sh").args(["-c", command]).current_dir(self.folder.join("data")));
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let public = self.folder.join("authority.crt");
        fs::copy(self.folder.join("data/ca.crt"), &public).unwrap();
        public
    }

    /// Stops all its processes as they are.
    pub fn freeze(&self) {
        signal("-STOP", &self.processes());
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        signal("-CONT", &self.processes());
    }

    /// Ends it at once, without a checkpoint.
    pub fn kill(&self) {
        let processes = self.processes();
        signal("-KILL", &processes);
        // As long as one of them lives it keeps the next server from starting.
        let began = Instant::now();
        while processes.iter().any(|pid| Path::new("/proc").join(pid).join("exe").read_link().is_ok()) {
            assert!(began.elapsed() < LIMIT, "it does not die");
            std::thread::sleep(Duration::from_millis(5));
        }
        let Some(was) = self.running.lock().unwrap().take() else { return };
        was.leave();
        let _ = fs::remove_file(self.folder.join("data/postmaster.pid"));
    }

    /// Starts it again on the same port.
    pub fn restart(&self) {
        self.run();
    }

    fn run(&self) {
        let (data, port) = (self.data(), self.port.to_string());
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "watch"]).arg(&self.folder).arg(tool("postgres"));
        command.args(["-D", &data, "-p", &port]);
        let synced = if self.fast { "off" } else { "on" };
        let synced = [format!("fsync={synced}"), format!("full_page_writes={synced}")];
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=32MB",
            "wal_level=replica",
        ];
        for setting in settings.into_iter().chain(synced.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        self.lower(&mut command);
        *self.running.lock().unwrap() = Some(Watch::start(command.process_group(0)));
        let began = Instant::now();
        while !self.answers() {
            assert!(began.elapsed() < LIMIT, "PostgreSQL does not start: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let port = self.port.to_string();
        let ready = self.program("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
        ready.is_ok_and(|status| status.success())
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = fs::File::open(self.folder.join("log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// The first process and its children: each backend leads a session of its own.
    fn processes(&self) -> Vec<String> {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let Some(first) = pid.lines().next().map(str::to_owned) else {
            return Vec::new();
        };
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &first]).output().unwrap();
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        children.split_whitespace().map(str::to_owned).chain([first]).collect()
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(tool(name));
        self.lower(&mut command);
        command.stdin(Stdio::null());
        command
    }

    fn finish(&self, name: &str, args: &[&str]) {
        output_of(self.program(name).args(args));
    }

    fn lower(&self, command: &mut Command) {
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&self.folder);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        if let Some(mut running) = self.running.lock().unwrap().take() {
            running.end();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// PostgreSQL refuses to run as root: then the folder is given to the user it comes with.
fn unprivileged(folder: &Path) -> Option<(u32, u32)> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let (uid, gid) = (id(&["-u", "postgres"]).unwrap(), id(&["-g", "postgres"]).unwrap());
    chown(folder, Some(uid), Some(gid)).unwrap();
    Some((uid, gid))
}

/// A program of PostgreSQL: Debian keeps the servers' out of the path.
fn tool(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}
