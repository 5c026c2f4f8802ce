//! The composition root: starts and drains one node. `node/` has its parts: the backends that the
//! settings name, the listeners, the wiring of the rooms of the house, and the upkeep. With it the
//! only place that names a backend.

mod backends;
mod ebb;
mod expiry;
mod listeners;
mod patient;
mod upkeep;
mod wiring;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, routing::any};
use secrecy::SecretString;
use tokio::{
    sync::mpsc,
    time::{self, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::listeners::Own;
pub use self::{backends::Backends, listeners::Listeners};
use self::{patient::PatientRuntime, upkeep::Upkeep};
use crate::{
    admin::{self, Desk, Vitals},
    auth::Auth,
    chat::Chat,
    cluster::redis,
    config::{Config, Problem},
    error::Refusal,
    http,
    readiness::{Cause, Readiness},
    shutdown::Tasks,
    store::{DbClock, Store, StoreError, postgres, sqlite::OpenError},
    telemetry::Meters,
    ws::{Door, Reception, Sockets},
};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting does not do.
    #[error("{0}")]
    Setting(Problem),
    /// A port can't be listened on.
    #[error("{name} {address}: {source}")]
    Listen {
        /// Which setting names it.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The database can't be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The database server can't be used.
    #[error("{0}")]
    Server(#[from] postgres::OpenError),
    /// Redis can't be used.
    #[error("{0}")]
    Cluster(#[from] redis::OpenError),
    /// The database can't be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The system gives no more threads.
    #[error("no thread to deliver messages: {0}")]
    Thread(io::Error),
    /// The system gives no more threads, or no more files.
    #[error("no threads to serve HTTP: {0}")]
    Patient(io::Error),
    /// A demo account can't be made.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// A running node.
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its metrics are, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    auth: Arc<Auth>,
    chat: Arc<Chat>,
    desk: Arc<Desk>,
    store: Arc<dyn Store>,
    readiness: Readiness,
    sockets: Sockets,
    draining: CancellationToken,
    accepting: CancellationToken,
    tasks: Tasks,
    shutdown_timeout: Duration,
    _patient: PatientRuntime,
}

impl Node {
    /// Starts a node on these backends, on listeners of its own.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start(
        config: &Config,
        backends: Backends,
        meters: Option<&Meters>,
    ) -> Result<Self, StartError> {
        Self::start_on(Listeners::bind(config)?, config, backends, meters).await
    }

    /// Starts a node on these listeners and backends. It is ready when this returns. `meters` are
    /// what its operator's listener shows.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start_on(
        listeners: Listeners,
        config: &Config,
        backends: Backends,
        meters: Option<&Meters>,
    ) -> Result<Self, StartError> {
        wiring::describe_metrics();
        let secret = config.signing_secret().map_err(StartError::Setting)?;
        let admin_token = new_admin_token(config, &listeners)?;
        let clock = DbClock::new();
        clock.refresh(&*backends.store).await?;
        let auth = wiring::auth(config, secret, &backends, &clock);
        auth.start(&listeners.tasks, listeners.patient.handle());
        if config.demo_accounts {
            auth.make_demo_accounts().await?;
        }
        let vitals = Vitals::new(backends.replicas.clone(), backends.alone);
        let (public, operator) = (listeners.public.clone(), listeners.operator.clone());
        let node = Self::furnish(listeners, config, &backends, (&clock, &vitals), auth)?;
        let state = node.state(config);
        if let Some(face) = operator {
            let keys = http::Keys { here: admin_token, anywhere: config.admin_token.clone() };
            let routes = http::metrics_router(state.clone(), render(meters), keys);
            face.show(Own { routes, door: None });
        }
        let door = node.door(config);
        public.show(Own {
            routes: node.public_routes(door.clone(), &state),
            door: Some(door),
        });
        if let Some(meters) = meters {
            meters.start(&node.tasks);
        }
        let upkeep = Upkeep {
            store: node.store.clone(),
            peers: backends.peers,
            alone: backends.alone,
            clock,
            readiness: node.readiness.clone(),
            vitals,
            retention: config.retention,
        };
        upkeep.start(&node.tasks);
        node.readiness.set(Cause::Starting, false);
        Ok(node)
    }

    /// Puts the rooms of the house together. Nobody comes in yet.
    fn furnish(
        listeners: Listeners,
        config: &Config,
        backends: &Backends,
        (clock, vitals): (&DbClock, &Vitals),
        auth: Arc<Auth>,
    ) -> Result<Self, StartError> {
        let (address, metrics_address) = (listeners.address(), listeners.metrics_address());
        let (readiness, tasks) = (listeners.readiness, listeners.tasks);
        let (to_desk, heard) = mpsc::channel(admin::HEARD);
        // Other systems are told in what time those who chat leave.
        let relay = {
            let _inside = listeners.patient.handle().enter();
            wiring::relay(config, backends, clock, &tasks).map_err(StartError::Setting)?
        };
        let chat = wiring::chat(config, backends, clock, &tasks, (&auth, to_desk, relay))
            .map_err(StartError::Thread)?;
        let sockets = Sockets::start(&tasks, wiring::ws_settings(config));
        let parts = admin::Parts {
            name: name(address),
            auth: auth.clone(),
            chat: chat.clone(),
            sockets: sockets.clone(),
            readiness: readiness.clone(),
            vitals: vitals.clone(),
            message_chars: config.message_max_chars,
            shutdown_timeout: config.shutdown_timeout,
        };
        Ok(Self {
            address,
            metrics_address,
            chat,
            auth,
            desk: Desk::start(parts, heard, &tasks),
            store: backends.store.clone(),
            readiness,
            sockets,
            draining: CancellationToken::new(),
            accepting: listeners.accepting.disarm(),
            tasks,
            shutdown_timeout: config.shutdown_timeout,
            _patient: listeners.patient,
        })
    }

    /// What the HTTP calls work with.
    fn state(&self, config: &Config) -> Arc<http::State> {
        Arc::new(http::State {
            auth: self.auth.clone(),
            chat: self.chat.clone(),
            desk: self.desk.clone(),
            readiness: self.readiness.clone(),
            limits: wiring::limits(config),
            config: Arc::new(config.clone()),
        })
    }

    fn public_routes(&self, door: Door, state: &Arc<http::State>) -> Router {
        let socket = any(move |request: Request| async move {
            door.open(request).await.map(|opened| opened.map(|()| Body::empty()))
        });
        http::router(state, socket, &self.tasks)
    }

    /// Where sockets come in.
    fn door(&self, config: &Config) -> Door {
        let reception = Reception {
            auth: self.auth.clone(),
            chat: self.chat.clone(),
            limits: wiring::limits(config),
            bot_messages: config.bot_message_limit,
            build: http::build(),
            allow_query_token: config.allow_query_token,
            draining: self.draining.clone(),
            sockets: self.sockets.clone(),
        };
        Door::new(self.sockets.clone(), Arc::new(reception))
    }

    /// Who may sign in here, for tests that need no HTTP.
    pub const fn auth(&self) -> &Arc<Auth> {
        &self.auth
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Ends when a task of the node has panicked, or finds that the node can't go on.
    pub async fn failed(&self) {
        self.tasks.failed().await;
    }

    /// Ends when the operator has told this node to stop.
    pub async fn drained(&self) {
        self.desk.drained().await;
    }

    /// Stops in stages: not ready, nobody new, clients sent away over half the limit, the rest
    /// closed with 1001, the log written, the database closed. Answers whether all ended in time.
    ///
    /// The stages share one deadline, the limit from now; what waits for others ends early enough
    /// to leave the database its part.
    pub async fn stop(self) -> bool {
        let limit = self.shutdown_timeout;
        let closing = closing_time(limit);
        let end = time::Instant::now() + limit;
        let before = end - closing;
        self.readiness.set(Cause::Draining, true);
        self.draining.cancel();
        let parting = async {
            self.sockets.drain(limit.saturating_sub(closing) * 2 / 3).await;
            self.chat.withdraw().await;
        };
        let parted = timeout_at(before, parting).await.is_ok();
        self.accepting.cancel();
        self.tasks.stop();
        let left = before.saturating_duration_since(time::Instant::now());
        let ended = self.tasks.join(left / 2).await || self.tasks_without_sockets(left / 2).await;
        if !ended {
            let (tasks, connections) = self.tasks.running();
            tracing::warn!(?tasks, connections, "these did not end in time");
        }
        let closed = timeout_at(end, self.store.close()).await.is_ok();
        parted && ended && closed
    }

    /// A client that does not answer its Close frame (a frozen page, a line gone dead) is no reason
    /// to call the stop a failure: it is cut.
    async fn tasks_without_sockets(&self, limit: Duration) -> bool {
        let cut = self.sockets.cut_all();
        tracing::info!(cut, "sockets that did not finish closing are cut");
        self.tasks.join(limit).await
    }

    /// Ends at once, telling nobody, as far as one process can play that: for tests.
    pub async fn die(self) {
        self.accepting.cancel();
        self.tasks.stop();
        self.tasks.join(Duration::from_secs(5)).await;
    }
}

/// The operator's token of this run. Not before the database is ours: until then a token is another
/// node's. Beside a server the operator's commands work in the database itself and need none.
fn new_admin_token(config: &Config, listeners: &Listeners) -> Result<Option<SecretString>, StartError> {
    let wants_token = listeners.operator.is_some() && config.database.is_none();
    wants_token.then(|| config.new_admin_token()).transpose().map_err(StartError::Setting)
}

/// What operators call a node: the machine's name and the port of the chat.
fn name(address: SocketAddr) -> String {
    let system = rustix::system::uname();
    format!("{}:{}", system.nodename().to_string_lossy(), address.port())
}

/// What the operator's listener shows as metrics.
fn render(meters: Option<&Meters>) -> http::Render {
    meters.map_or_else(|| Arc::new(String::new) as http::Render, Meters::render)
}

/// What of `limit` is the database's: a quarter, but a second, but not more than half.
fn closing_time(limit: Duration) -> Duration {
    (limit / 4).max(Duration::from_secs(1)).min(limit / 2)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stuck_task_does_not_keep_the_database_from_closing_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default_for(dir.path());
        config.shutdown_timeout = Duration::from_secs(2);
        let backends = Backends::open(&config, &Tasks::new()).await.unwrap();
        let node = Node::start(&config, backends, None).await.unwrap();
        node.tasks.spawn("stuck", std::future::pending());
        let began = Instant::now();
        assert!(!node.stop().await, "not all ended");
        let limit = config.shutdown_timeout + Duration::from_millis(500);
        assert!(began.elapsed() < limit);
        // The lock was let go; a test that starts a process lends it that for a moment.
        while let Err(error) = SqliteStore::open(dir.path()) {
            assert!(error.is_locked() && began.elapsed() < limit, "{error}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_database_has_its_part_of_the_time() {
        for (limit, part) in [(1, 500), (2, 1000), (4, 1000), (10, 2500), (600, 150_000)] {
            assert_eq!(closing_time(Duration::from_secs(limit)), Duration::from_millis(part));
        }
    }
}
