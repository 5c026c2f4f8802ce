//! A TCP proxy that breaks connections the way networks and servers do.
//!
//! It listens on a free port of loopback and forwards to a target. Each direction of each
//! connection has a [`Way`], which can be changed at any time, for all connections or for new ones
//! only. What it promises: bytes keep their order; nothing is lost unless the way swallows; at most
//! [`HELD`] pieces wait per direction, and then the sender is made to wait. A fault leaves no trace
//! when it is healed, except on connections from which something was swallowed: those are reset,
//! because no real connection goes on with bytes missing.

mod way;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub use self::way::{Flow, HELD, Way};
use super::beside;

/// How long the target may take to accept.
const CONNECT: Duration = Duration::from_secs(5);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the target.
    Up,
    /// From the target back.
    Down,
}

/// Which connections a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that are and those that come.
    All,
    /// Those that come.
    New,
}

/// Both ways of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    up: Way,
    down: Way,
}

impl Ways {
    const fn of(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

/// A connection through the proxy, as the proxy sees it.
struct Link {
    up: watch::Sender<Way>,
    down: watch::Sender<Way>,
    reset: CancellationToken,
}

struct State {
    target: SocketAddr,
    /// New connections are reset.
    refusing: bool,
    ways: Ways,
    links: HashMap<u64, Link>,
}

struct Shared {
    state: Mutex<State>,
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
}

/// A running proxy; dropped, it resets what goes through it and listens no more.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    over: CancellationToken,
}

impl Proxy {
    /// A proxy to this address, without faults.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            target,
            refusing: false,
            ways: Ways::default(),
            links: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            up: AtomicU64::default(),
            down: AtomicU64::default(),
            connections: AtomicU64::default(),
        });
        let over = CancellationToken::new();
        let accepting = accept(listener, shared.clone());
        let until = over.clone();
        beside(async move { until.run_until_cancelled(accepting).await });
        Self { address, shared, over }
    }

    /// A proxy to a port of loopback.
    pub async fn to_port(port: u16) -> Self {
        Self::to(SocketAddr::from(([127, 0, 0, 1], port))).await
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes one direction.
    pub fn set(&self, scope: Scope, direction: Direction, change: impl Fn(&mut Way)) {
        let mut state = self.shared.state.lock();
        change(state.ways.of(direction));
        if scope == Scope::All {
            for link in state.links.values() {
                let way = if direction == Direction::Up { &link.up } else { &link.down };
                way.send_modify(&change);
            }
        }
    }

    /// Changes both directions of all connections.
    pub fn set_both(&self, change: impl Fn(&mut Way)) {
        self.set(Scope::All, Direction::Up, &change);
        self.set(Scope::All, Direction::Down, &change);
    }

    /// Every byte arrives so much later, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.set_both(|way| way.delay = delay);
    }

    /// Holds everything, in both directions: connections open, nothing arrives, nothing is lost.
    pub fn stall(&self) {
        self.set_both(|way| way.flow = Flow::Held);
    }

    /// Swallows everything that goes in this direction.
    pub fn swallow(&self, direction: Direction) {
        self.set(Scope::All, direction, |way| way.flow = Flow::Swallowed);
    }

    /// So many bytes in a second, in this direction of each connection.
    pub fn slow(&self, direction: Direction, bytes_per_second: u64) {
        self.set(Scope::All, direction, |way| way.bytes_per_second = Some(bytes_per_second));
    }

    /// Tells the receivers of this direction that it has ended; the other one goes on. Connections
    /// that come are whole.
    pub fn half_close(&self, direction: Direction) {
        let state = self.shared.state.lock();
        for link in state.links.values() {
            let way = if direction == Direction::Up { &link.up } else { &link.down };
            way.send_modify(|way| way.flow = Flow::Ended);
        }
    }

    /// Resets all connections and everyone that comes, until healed.
    pub fn cut(&self) {
        self.shared.state.lock().refusing = true;
        self.reset();
    }

    /// Resets all connections; new ones are welcome.
    pub fn reset(&self) {
        for link in self.shared.state.lock().links.values() {
            link.reset.cancel();
        }
    }

    /// Connections that come go there from now on; those that are stay where they are.
    pub fn aim(&self, target: SocketAddr) {
        self.shared.state.lock().target = target;
    }

    /// No fault any more: what was held arrives.
    pub fn heal(&self) {
        let mut state = self.shared.state.lock();
        state.refusing = false;
        state.ways = Ways::default();
        for link in state.links.values() {
            for way in [&link.up, &link.down] {
                // What has ended stays ended.
                way.send_modify(|way| {
                    let ended = way.flow == Flow::Ended;
                    *way = Way::default();
                    if ended {
                        way.flow = Flow::Ended;
                    }
                });
            }
        }
    }

    /// Bytes that have arrived, in this direction.
    pub fn bytes(&self, direction: Direction) -> u64 {
        let count = if direction == Direction::Up { &self.shared.up } else { &self.shared.down };
        count.load(Ordering::Relaxed)
    }

    /// Connections that ever came, the refused ones too.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.shared.state.lock().links.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.cancel();
        self.reset();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // Out of descriptors, for one; the next may work.
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        let _ = client.set_nodelay(true);
        let admitted = admit(&shared, number);
        let Some((target, reset, up, down)) = admitted else {
            reset_on_drop(&client);
            continue;
        };
        let shared = shared.clone();
        beside(async move {
            let through = carry(&shared, client, target, up, down, &reset);
            through.await;
            shared.state.lock().links.remove(&number);
        });
    }
}

type Admitted = (SocketAddr, CancellationToken, watch::Receiver<Way>, watch::Receiver<Way>);

/// Enters a connection into the list, so that every later change reaches it.
fn admit(shared: &Shared, number: u64) -> Option<Admitted> {
    let mut state = shared.state.lock();
    if state.refusing {
        return None;
    }
    let (up, up_heard) = watch::channel(state.ways.up);
    let (down, down_heard) = watch::channel(state.ways.down);
    let reset = CancellationToken::new();
    let link = Link { up, down, reset: reset.clone() };
    state.links.insert(number, link);
    Some((state.target, reset, up_heard, down_heard))
}

/// Carries a connection to its end. What ends in a failure is reset on both sides.
async fn carry(
    shared: &Shared,
    mut client: TcpStream,
    target: SocketAddr,
    up: watch::Receiver<Way>,
    down: watch::Receiver<Way>,
    reset: &CancellationToken,
) {
    let connecting = timeout(CONNECT, TcpStream::connect(target));
    let Some(Ok(Ok(mut server))) = reset.run_until_cancelled(connecting).await else {
        reset_on_drop(&client);
        return;
    };
    let _ = server.set_nodelay(true);
    let done = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let both = async {
            tokio::try_join!(
                way::carry(client_read, server_write, up, &shared.up),
                way::carry(server_read, client_write, down, &shared.down),
            )
        };
        matches!(reset.run_until_cancelled(both).await, Some(Ok(_)))
    };
    if !done {
        reset_on_drop(&client);
        reset_on_drop(&server);
    }
}

/// Its close becomes a reset.
fn reset_on_drop(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
