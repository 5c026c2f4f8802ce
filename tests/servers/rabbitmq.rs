//! A private RabbitMQ: a broker with a name, a cookie and a port mapper of its own, in a temporary folder. What is
//! durable outlives its being killed.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{CERTIFY, Watch, free_port, output_of, signal};

/// How long a broker may take to start or to end.
const LIMIT: Duration = Duration::from_mins(2);

/// Where Debian keeps the programs that do not change the user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// Runs the port mapper and the broker, in a group of its own, until standard input ends; then ends both and removes
/// the folder. `$1` is the folder, the rest the command.
const WATCH: &str = r#"
exec 2>/dev/null; folder=$1; shift
epmd -address 127.0.0.1 </dev/null & mapper=$!
setsid "$@" >>"$folder/log" 2>&1 </dev/null & server=$!
echo "$server" >"$folder/group"; echo "$mapper" >"$folder/mapper"
cat >/dev/null
kill -KILL -$server; kill -KILL $mapper
wait; rm -rf "$folder"
"#;

/// A broker that takes what it is given, whatever this machine has left, and does not spin while it waits.
const SETTINGS: &str = "vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
loopback_users = none
";

/// A running broker.
pub struct RabbitMq {
    folder: PathBuf,
    port: u16,
    mapper: u16,
    between: u16,
    running: Mutex<Option<Watch>>,
}

impl RabbitMq {
    /// A broker with nothing in it.
    pub fn start() -> Self {
        let broker = Self::new(SETTINGS);
        broker.run();
        broker
    }

    /// One that speaks TLS on a second port, under a name of `localhost`: the broker, its URL, and the authority that
    /// vouches for it.
    pub fn start_with_tls() -> (Self, String, PathBuf) {
        let port = free_port();
        let broker = Self::new(SETTINGS);
        for command in CERTIFY {
            output_of(Command::new("sh").args(["-c", command]).current_dir(&broker.folder));
        }
        let file = |name: &str| broker.folder.join(name).display().to_string();
        let settings = format!(
            "{SETTINGS}listeners.ssl.default = 127.0.0.1:{port}\nssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\nssl_options.verify = verify_none\n",
            file("ca.crt"),
            file("server.crt"),
            file("server.key")
        );
        fs::write(broker.folder.join("rabbitmq.conf"), settings).unwrap();
        broker.run();
        let authority = broker.folder.join("ca.crt");
        (broker, format!("amqps://guest:guest@localhost:{port}/%2f"), authority)
    }

    fn new(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("chorus-rabbitmq-").tempdir().unwrap().keep();
        fs::write(folder.join("enabled_plugins"), "[].\n").unwrap();
        fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
        Self {
            folder,
            port: free_port(),
            mapper: free_port(),
            between: free_port(),
            running: Mutex::default(),
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What an operator would tell it. It takes a second.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        output_of(self.program("rabbitmqctl").arg("--quiet").args(arguments))
    }

    /// From now on it takes no messages, as if its disk were nearly full.
    pub fn disk_is_full(&self) {
        self.ctl(&["set_disk_free_limit", "1000000GB"]);
    }

    /// It takes them again.
    pub fn disk_has_room(&self) {
        self.ctl(&["set_disk_free_limit", "1MB"]);
    }

    /// Ends it at once.
    pub fn kill(&self) {
        let Some(was) = self.running.lock().unwrap().take() else { return };
        was.leave();
        let (group, mapper) = (self.noted("group"), self.noted("mapper"));
        signal("-KILL", &["--".to_owned(), format!("-{group}"), mapper]);
        let began = Instant::now();
        while Path::new("/proc").join(&group).join("exe").read_link().is_ok() || self.is_listening() {
            assert!(began.elapsed() < LIMIT, "it does not die");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again, on the same port and with what it had on disk.
    pub fn restart(&self) {
        self.run();
    }

    fn run(&self) {
        let mut command = self.program("sh");
        command
            .args(["-c", WATCH, "watch"])
            .arg(&self.folder)
            .arg(format!("{PROGRAMS}/rabbitmq-server"));
        *self.running.lock().unwrap() = Some(Watch::start(command.process_group(0)));
        let began = Instant::now();
        while !self.greets() {
            assert!(began.elapsed() < LIMIT, "RabbitMQ does not start: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn program(&self, name: &str) -> Command {
        let path = Path::new(PROGRAMS).join(name);
        let mut command = Command::new(if path.exists() { path } else { name.into() });
        let file = |name: &str| self.folder.join(name);
        command
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.mapper.to_string())
            .env("RABBITMQ_NODENAME", "rabbit@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.between.to_string())
            .env("RABBITMQ_MNESIA_BASE", file("data"))
            .env("RABBITMQ_LOG_BASE", file("logs"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", file("none"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }

    /// Whether it answers who speaks AMQP.
    fn greets(&self) -> bool {
        let Ok(mut line) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut first = [0];
        let limit = Some(Duration::from_secs(1));
        let greeted = line.set_read_timeout(limit).and_then(|()| line.write_all(b"AMQP\x00\x00\x09\x01"));
        greeted.and_then(|()| line.read_exact(&mut first)).is_ok() && first == [1]
    }

    fn is_listening(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn noted(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default().trim().to_owned()
    }

    /// What it has said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            running.end();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
