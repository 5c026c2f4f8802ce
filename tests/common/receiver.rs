//! A receiver of webhooks, written from the specification and not from the program: it checks every signature itself,
//! keeps the rule of `docs/events.md`, writes down all that comes, and answers as a test tells it, or not at all.

mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering},
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    runtime::Runtime,
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use self::wire::{check, request};

/// What signs.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status, and a header.
    Says(u16, &'static str, String),
    /// Nothing, for ever.
    Hangs,
    /// Nothing: it closes the connection when it has read the request.
    Cuts,
    /// 200, and a body without end.
    Dribbles,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Says(status, "x-nothing", "more".to_owned())
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Came {
    pub at: Instant,
    /// Which connection it came by.
    pub connection: usize,
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub event: Value,
    /// Whether the rule takes it. What is not confirmed is not taken.
    pub taken: bool,
}

impl Came {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn room(&self) -> &str {
        self.event["subject"].as_str().unwrap()
    }

    pub fn text(&self) -> &str {
        self.event["data"]["message"].as_str().unwrap()
    }

    pub fn number(&self, name: &str) -> u64 {
        self.event[name].as_str().unwrap().parse().unwrap()
    }
}

#[derive(Default)]
struct Memory {
    last: BTreeMap<(String, String), u64>,
    came: Vec<Came>,
    /// Requests that were not signed as they should be.
    wrong: Vec<String>,
}

type Manner = Box<dyn Fn(&Came) -> Reply + Send + Sync>;

struct Shared {
    memory: Mutex<Memory>,
    manner: Mutex<Manner>,
    connections: AtomicUsize,
}

/// A running receiver.
pub struct Receiver {
    pub address: SocketAddr,
    /// Where the authority that vouches for it is, when it speaks TLS.
    home: Option<tempfile::TempDir>,
    shared: Arc<Shared>,
    _task: Task,
}

/// What runs receivers, whatever the runtime of a test does.
fn runtime() -> &'static Runtime {
    static BESIDE: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    BESIDE.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

impl Receiver {
    /// One on loopback that takes everything.
    pub fn start() -> Self {
        Self::at("127.0.0.1:0", None)
    }

    /// One on this address.
    pub fn on(address: &str) -> Self {
        Self::at(address, None)
    }

    /// One that speaks TLS, under the name of `localhost`.
    pub fn start_with_tls(certify: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for command in certify {
            let done =
                std::process::Command::new("sh").args(["-c", command]).current_dir(home.path()).output();
            assert!(done.unwrap().status.success(), "{command}");
        }
        let file = |name: &str| home.path().join(name);
        let chain = CertificateDer::pem_file_iter(file("server.crt"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { home: Some(home), ..Self::at("127.0.0.1:0", Some(acceptor)) }
    }

    /// The file with the authority that vouches for it.
    pub fn authority(&self) -> PathBuf {
        self.home.as_ref().expect("it speaks TLS").path().join("ca.crt")
    }

    fn at(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            memory: Mutex::default(),
            manner: Mutex::new(Box::new(|_| Reply::status(204))),
            connections: AtomicUsize::new(0),
        });
        let task = runtime().spawn(accept(listener, tls, Arc::clone(&shared)));
        let task = Task(task.abort_handle());
        Self { address, home: None, shared, _task: task }
    }

    /// From now on it answers like this.
    pub fn answers(&self, manner: impl Fn(&Came) -> Reply + Send + Sync + 'static) {
        *self.shared.manner.lock().unwrap() = Box::new(manner);
    }

    /// All that came.
    pub fn came(&self) -> Vec<Came> {
        let memory = self.shared.memory.lock().unwrap();
        assert!(memory.wrong.is_empty(), "{:?}", memory.wrong);
        memory.came.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// What was taken of a room: numbers and texts.
    pub fn seen(&self, room: &str) -> Vec<(u64, String)> {
        let came = self.came();
        let taken = came.iter().filter(|one| one.taken && one.room() == room);
        taken.map(|one| (one.number("seq"), one.text().to_owned())).collect()
    }

    /// How much was taken of a room.
    pub fn count(&self, room: &str) -> usize {
        let memory = self.shared.memory.lock().unwrap();
        memory.came.iter().filter(|one| one.taken && one.room() == room).count()
    }
}

/// What serves it, as long as it is there.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    // Dropped with the task, and with it all connections.
    let mut lines = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
        lines.spawn(async move {
            match tls {
                None => drop(serve(stream, connection, &shared).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(serve(stream, connection, &shared).await);
                    }
                }
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some((line, headers, body)) = request(&mut stream).await? else {
            return Ok(());
        };
        if let Err(why) = check(&headers, &body, SECRET) {
            shared.memory.lock().unwrap().wrong.push(why);
        }
        let event = serde_json::from_slice(&body).unwrap();
        let came = Came {
            at: Instant::now(),
            connection,
            line,
            headers,
            event,
            taken: false,
        };
        match shared.take(came) {
            Reply::Says(status, name, value) => {
                let length = if status == 204 { "" } else { "content-length: 2\r\n" };
                let body = if status == 204 { "" } else { "{}" };
                let answer = format!("HTTP/1.1 {status} x\r\n{name}: {value}\r\n{length}\r\n{body}");
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
            Reply::Hangs => std::future::pending().await,
            Reply::Cuts => return Ok(()),
            Reply::Dribbles => {
                stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 1000000000\r\n\r\n").await?;
                loop {
                    stream.write_all(b"x").await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

impl Shared {
    fn take(&self, mut came: Came) -> Reply {
        let reply = (self.manner.lock().unwrap())(&came);
        let mut memory = self.memory.lock().unwrap();
        let of = (came.room().to_owned(), came.event["epoch"].as_str().unwrap().to_owned());
        let (prev, seq) = (came.number("prevseq"), came.number("seq"));
        // It has what it reads, also when its word is lost.
        let has = match &reply {
            Reply::Says(status, ..) => (200..300).contains(status),
            Reply::Hangs => false,
            Reply::Cuts | Reply::Dribbles => true,
        };
        let last = memory.last.entry(of).or_insert(prev);
        came.taken = has && prev <= *last && *last < seq;
        if came.taken {
            *last = seq;
        }
        memory.came.push(came);
        reply
    }
}
